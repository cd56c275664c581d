"""Interactions: does engineering help one backbone more than another?

(arm - its control) - (other arm - its control), each of one backbone, say. That one difference is claimed and another
is not does not show that they differ (Gelman & Stern 2006, Am. Stat. 60, 328); an interval of their difference does.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from pipeline.contrasts.families import Correction, holm
from pipeline.contrasts.intervals import How, Interval, Weights, estimates
from pipeline.contrasts.verdict import K, P, check_known, tested


@dataclass(frozen=True)
class Interaction:
    """A difference of two differences, in the units of the errors. Below 0 the first arm gains more on its control."""

    difference: float
    interval: Interval  # at the confidence asked for
    corrected: Interval  # at the level that the family allows
    p: float  # sign-flip, uncorrected
    p_corrected: float
    detectable: float
    seeds: int
    word: Literal["decided", "undecided"]
    reason: str


def interactions(
    arms: Mapping[K, Float[np.ndarray, "_ _"]],
    quads: Mapping[P, tuple[K, K, K, K]],
    groups: Int[np.ndarray, " n"],
    how: How,
    correct: Correction = holm,
) -> dict[P, Interaction]:
    """The interactions of a family of (arm, its control, other arm, its control), all over the same seeds and lenses.

    An interaction is decided on the terms on which `verdict` calls an arm better or worse.
    """
    if not quads:
        return {}
    for name, quad in quads.items():
        check_known(name, quad, arms)
    used = {arm: arms[arm] for arm in arms if any(arm in quad for quad in quads.values())}
    wanted: dict[Hashable, Weights] = {
        name: ((arm, 1.0), (control, -1.0), (other, -1.0), (other_control, 1.0))
        for name, (arm, control, other, other_control) in quads.items()
    }
    found = estimates(used, wanted, groups, how)
    return {
        name: Interaction(
            difference=one.estimate.value,
            interval=one.estimate.interval(how.confidence),
            corrected=one.corrected,
            p=one.p,
            p_corrected=one.p_corrected,
            detectable=one.detectable,
            seeds=one.seeds,
            word="undecided" if one.doubt else "decided",
            reason=one.doubt or f"the corrected interval lies {'below' if one.estimate.value < 0 else 'above'} zero",
        )
        for name, one in zip(quads, tested([found[name] for name in quads], how, correct), strict=True)
    }
