"""The learning-rate range test (Smith 2017, section 3.3): raise the rate until the loss breaks; choose one before.

The rates rise by a constant factor. What is read off is read off a smooth curve: an exponential average, corrected for
its start, forwards to decide when to stop and both ways to choose, since one way it lags behind what it shows.

The edge is where the loss rises by a twentieth of its fall, so it is seen late where the fall was to nothing: descent
on a quadratic without noise, whose steepest direction has come to rest, goes on to several times its stability limit.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from models.blocks.options import one_of

Vector = Float[np.ndarray, " n"]

AVERAGED = 0.033  # of the curve, the length of the average: more steps mean less noise, not finer detail
FALLS = 6.0  # a fall is one of so many standard errors of the average,
RISES = 4.0  # a rise of so many,
PART = 0.05  # and of this part of the fall
ROUND_OFF = 1e-9


class Curve(NamedTuple):
    """The rates tried, rising, and the loss of each step: before that step, so that it tells of the rates before."""

    rates: Vector
    losses: Vector


class Choice(NamedTuple):
    """A rate to train with, by a rule of that name, and the highest before the loss rises or gets ragged."""

    rate: float
    edge: float
    rule: str


def range_test(
    train_step: Callable[[float], float],
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    diverged: float = 4.0,
) -> Curve:
    """Train a step at each of so many rates; stop when the loss is not finite, or `diverged` times its minimum.

    Of losses that come near zero or below it a multiple of the minimum would be no measure: the rise must be that of
    the minimum's size or of the fall so far, whichever is more. The loss that is not finite is not in the curve.
    """
    if not 0 < lowest < highest < math.inf:
        raise ValueError(f"learning_rate: a range test from {lowest:g} to {highest:g} has no rising positive rates")
    if steps < 10 or not diverged > 1:
        raise ValueError(f"learning_rate: a range test takes at least 10 steps, not {steps}; diverged > 1: {diverged}")
    rates, losses = np.geomspace(lowest, highest, steps), list[float]()
    for rate in rates:
        loss = float(train_step(float(rate)))
        if not math.isfinite(loss):
            break
        losses.append(loss)
        smooth = _forwards(np.array(losses), _memory(steps))
        least = smooth.min()
        if smooth[-1] - least > (diverged - 1) * max(abs(least), smooth[0] - least):
            break
    return Curve(rates[: len(losses)], np.array(losses))


def choose(curve: Curve, rule: str = "fall") -> Choice:
    """A rate by a rule of `RULES`, before the minimum. Raises `ValueError` for a curve that never falls.

    `fall`, where half of the smooth loss's fall is done, is the default: as the steepest point it is where learning is
    fastest, but it asks for a level, not for a slope, and noise moves it least (tests/training/test_range_test.py).
    """
    one_of("learning_rate rule", rule, RULES)
    if len(curve.losses) < 10:
        raise ValueError(
            f"learning_rate: the range test broke after {len(curve.losses)} steps, at {_reached(curve)}; "
            "start lower, or look at the data"
        )
    smooth = smoothed(curve.losses)
    least = int(smooth.argmin())
    fall = smooth[: least + 1].max() - smooth[least]
    if fall <= max(FALLS * _error(curve.losses, len(curve.losses)), ROUND_OFF * abs(smooth[least])):
        raise ValueError(
            f"learning_rate: the loss never fell in the range test, up to {_reached(curve)}; nothing was learnt: "
            "raise the highest rate or the steps, or give a number"
        )
    edge = _last_calm(curve.losses, smooth, fall)
    return Choice(float(curve.rates[RULES[rule](smooth)]), float(curve.rates[edge]), rule)


def _last_calm(losses: Vector, smooth: Vector, fall: float) -> int:
    """The last place whose loss is the lowest but for noise, as it is in the lower half of the fall, and a small part.

    Not the one before the first that is not: on a long plateau noise alone rises so far once in a while.
    """
    learnt = losses[smooth < smooth.min() + fall / 2]
    error = _error(learnt, len(losses)) if len(learnt) > 1 else 0.0
    return int(np.flatnonzero(smooth <= smooth.min() + max(RISES * error, PART * fall))[-1])


def smoothed(losses: Vector) -> Vector:
    """The average with weights that fall exponentially both ways: what it shows is where it happened.

    Losses far above the first are cut: looking back, an explosion would be seen long before it came.
    """
    memory = _memory(len(losses))
    top = max(losses[0], _forwards(losses, memory).min()) + RISES * _scatter(losses)
    return _average(losses.clip(max=top), memory, np.ones((len(losses), len(losses))))


def _memory(steps: int) -> float:
    """The weight of a loss in the average, next to that of its neighbour."""
    return math.exp(-1 / max(1.0, AVERAGED * steps))


def _forwards(losses: Vector, memory: float) -> Vector:
    """The average of each loss and those before, its weights summing to one from the first on as Adam's moments' do."""
    return _average(losses, memory, np.tri(len(losses)))


def _average(losses: Vector, memory: float, seen: Float[np.ndarray, "n n"]) -> Vector:
    places = np.arange(len(losses))
    weights = seen * memory ** abs(places[:, None] - places)
    return weights @ losses / weights.sum(1)


def _scatter(losses: Vector) -> float:
    """The noise of a loss, from the median difference of neighbours: a trend and an explosion hardly count."""
    return float(1.4826 * np.median(abs(np.diff(losses))) / math.sqrt(2))


def _error(losses: Vector, steps: int) -> float:
    """The noise of such losses in the smooth curve of so many steps, at its ends, where it is most."""
    memory = _memory(steps)
    return _scatter(losses) * math.sqrt((1 - memory) / (1 + memory))


def _reached(curve: Curve) -> str:
    return f"a rate of {curve.rates[-1]:g}" if len(curve.rates) else "the lowest rate"


def half_fall(smooth: Vector) -> int:
    """The last place before the minimum that is above the middle between the highest loss before and the lowest."""
    least = int(smooth.argmin())
    before = smooth[: least + 1]
    return int(np.flatnonzero(before > (before.max() + before[-1]) / 2)[-1])


def steepest(smooth: Vector) -> int:
    """Where the loss falls fastest per decade, before its minimum."""
    return int(np.gradient(smooth)[: max(1, int(smooth.argmin()))].argmin())


RULES: dict[str, Callable[[Vector], int]] = {"fall": half_fall, "steepest": steepest}
