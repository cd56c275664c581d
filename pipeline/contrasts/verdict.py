"""The verdict on pairs of arms: better, worse, equivalent or undecided, and why.

"Better" and "worse" must be said by two methods that can fail in different ways: the interval over seeds and lenses
(which leans on Student's t) and the sign-flip test over seeds (which leans on nothing, but knows these lenses only).
Both are corrected for the size of the family of pairs, and neither is heard from fewer than six seeds.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float, Int

from pipeline.contrasts.equivalence import equivalent
from pipeline.contrasts.families import Correction, holm
from pipeline.contrasts.intervals import Estimate, How, Interval, Weights, estimates
from pipeline.contrasts.power import detectable
from pipeline.contrasts.sign_flip import sign_flip, smallest
from pipeline.errors import InputError

ENOUGH_SEEDS = 6  # with five the smallest sign-flip p is .0625; six allow one contrast, eight allow six under Holm

Word = Literal["better", "worse", "equivalent", "undecided"]
K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True)
class Contrast:
    """An arm minus its control. All but p, chance and the words are in the units of the errors; below 0 is better."""

    difference: float
    interval: Interval  # at the confidence asked for, as if there were no other pair
    corrected: Interval  # at the level that the family allows
    p: float  # sign-flip, uncorrected
    p_corrected: float
    chance: float  # that the arm does better than its control with one more seed
    detectable: float  # the difference that would be found with 80 % power at the family's strictest level
    margin: float  # a difference smaller than this counts as none
    seeds: int
    word: Word
    reason: str


def judge(
    arms: Mapping[K, Float[np.ndarray, "_ _"]],
    pairs: Mapping[P, tuple[K, K]],
    groups: Int[np.ndarray, " n"],
    how: How,
    correct: Correction = holm,
) -> dict[P, Contrast]:
    """The contrasts of a family of pairs (arm, control); arms are errors (seeds, lenses), groups those of the lenses.

    `pairs` is the whole family: what was declared together is corrected together. For exploration `correct` is
    `benjamini_hochberg`.
    """
    if not pairs:
        return {}
    for name, pair in pairs.items():
        check_known(name, pair, arms)
    used = {arm: arms[arm] for arm in arms if any(arm in pair for pair in pairs.values())}
    controls: dict[Hashable, Weights] = {("control", control): ((control, 1.0),) for _, control in pairs.values()}
    wanted: dict[Hashable, Weights] = {("pair", name): ((a, 1.0), (b, -1.0)) for name, (a, b) in pairs.items()}
    found = estimates(used, controls | wanted, groups, how)
    family = tested([found["pair", name] for name in pairs], how, correct)
    return {
        name: _contrast(one, how.margin * found["control", control].value, how)
        for (name, (_, control)), one in zip(pairs.items(), family, strict=True)
    }


def check_known(name: Hashable, wanted: tuple[Hashable, ...], arms: Mapping[K, object]) -> None:
    for arm in wanted:
        if arm not in arms:
            raise InputError(f"{name}: no arm {arm}; there are {', '.join(map(str, arms))}")


@dataclass(frozen=True)
class Tested:
    """One estimate of a family, and what the family allows to be said of it."""

    estimate: Estimate
    p: float  # sign-flip
    p_corrected: float
    corrected: Interval
    detectable: float
    doubt: str  # why it is not decided that there is a difference; empty if it is

    @property
    def seeds(self) -> int:
        return len(self.estimate.by_seed)


def tested(found: list[Estimate], how: How, correct: Correction) -> list[Tested]:
    """Each estimate of a family against zero, by both methods, corrected."""
    p = np.array([sign_flip(one.by_seed, how.seed) for one in found])
    corrected, levels = correct(p, how.alpha)
    seeds = len(found[0].by_seed)
    least = correct(np.full(p.size, smallest(seeds)), how.alpha)[0][0]
    tests = []
    for one, *each in zip(found, p.tolist(), corrected.tolist(), levels.tolist(), strict=True):
        interval = one.interval(1 - each[2])
        doubt = _doubt(seeds, len(found), least, interval, each[1], how.alpha)
        beyond = seeds < ENOUGH_SEEDS or least > how.alpha
        found_at = math.inf if beyond else detectable(one.error, one.freedom, how.alpha / len(found))
        tests.append(Tested(one, each[0], each[1], interval, found_at, doubt))
    return tests


def _doubt(seeds: int, size: int, least: float, interval: Interval, p: float, alpha: float) -> str:
    """The first reason not to believe in a difference."""
    if seeds < ENOUGH_SEEDS:
        return f"fewer than {ENOUGH_SEEDS} seeds"
    if interval[0] <= 0 <= interval[1]:
        return "the corrected interval crosses zero"
    if least > alpha:
        return f"{seeds} seeds are too few for a family of {size}: no corrected p can be below {_short(least)}"
    return f"the corrected p is {_short(p)}" if p > alpha else ""


def _contrast(one: Tested, margin: float, how: How) -> Contrast:
    difference, alpha = one.estimate, how.alpha
    by_seed = difference.by_seed
    same = one.seeds >= ENOUGH_SEEDS and equivalent(difference, margin, alpha)
    word: Word = "undecided"
    reason = one.doubt
    if not one.doubt:
        word = "better" if difference.value < 0 else "worse"
        side = "below" if difference.value < 0 else "above"
        reason = f"the corrected interval lies {side} zero and the corrected p is {_short(one.p_corrected)}"
        reason += "; by less than the margin" if same else ""
    elif same:
        word = "equivalent"
        reason = f"the {1 - 2 * alpha:.0%} interval lies within ±{margin:.3g}, {how.margin:.0%} of the control"
    return Contrast(
        difference=difference.value,
        interval=difference.interval(how.confidence),
        corrected=one.corrected,
        p=one.p,
        p_corrected=one.p_corrected,
        chance=float(((by_seed < 0).mean() + (by_seed <= 0).mean()) / 2),
        detectable=one.detectable,
        margin=margin,
        seeds=one.seeds,
        word=word,
        reason=reason,
    )


def _short(p: float) -> str:
    """.06, as papers print it."""
    return f"{p:.2g}".removeprefix("0")
