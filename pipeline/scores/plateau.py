"""Plateaus: the ranges of a label where a network answers a constant, whatever the truth.

An average error over the whole range hides them. Within a range of truths, what is learnt is how steeply predictions
rise with truths (`point.slope_prediction`): 1 for a perfect predictor, R² of that range for a posterior mean, 0 on a
plateau. A range has an interval over seeds and groups, and a word:

- "rising": the interval is above zero; something of the label is read.
- "flat": it reaches zero, and stays below `least`, the smallest slope that would be worth having. Both halves count: a
  few lenses cannot tell anything from zero, and must not pass for a plateau.
- "undecided": it reaches both. `detectable` says which slope would have been seen.

A predictor that falls with the truth is flat as well. `windows` asks this of equally filled windows, with intervals
widened for their number (Bonferroni); `plateaus` of every run of neighbouring windows, which together know a slope far
better than each alone, with intervals widened for the number of runs. So the confidence holds for all words at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.special import stdtrit

from pipeline.scores.intervals import Interval, interval
from pipeline.scores.point import METRICS

LEAST = 0.2  # the smallest slope worth having: a fifth of every step of the label is followed
POWER = 0.8  # of seeing the slope called detectable


@dataclass(frozen=True)
class Plateau:
    """A flat range: truths from `low` to `high`, the slope in all of it, and whether it reaches an end of the label.

    Its ends are those of windows: good to a window or so, and rather too far out where few lenses are at the edge.
    """

    low: float
    high: float
    slope: float
    slope_low: float
    slope_high: float
    windows: int
    lowest: bool
    highest: bool


def windows(
    truth: Float[np.ndarray, " n"],
    prediction: Float[np.ndarray, "s n"],
    groups: Int[np.ndarray, " n"],
    count: int = 20,
    confidence: float = 0.95,
    least: float = LEAST,
) -> pd.DataFrame:
    """One line a window, in the order of the label: low, high, lenses, slope and its interval, detectable, word.

    Windows hold equally many lenses and overlap their neighbours by half; a lens is in two, so an edge is found to half
    a window. `slope_low` and `slope_high` are the corrected interval, `detectable` the slope that would have been
    called rising in four of five such samples.
    """
    shares, corrected = _shares(truth, count), 1 - (1 - confidence) / count
    lines = []
    for member in map(np.concatenate, pairwise(shares)):
        found = _slope(truth, prediction, groups, member, corrected)
        lines.append(
            {
                "low": truth[member].min(),
                "high": truth[member].max(),
                "lenses": len(member),
                "slope": found.value,
                "slope_low": found.low,
                "slope_high": found.high,
                "detectable": _detectable(found, corrected),
                "word": _word(found, least),
            }
        )
    return pd.DataFrame(lines)


def plateaus(
    truth: Float[np.ndarray, " n"],
    prediction: Float[np.ndarray, "s n"],
    groups: Int[np.ndarray, " n"],
    count: int = 20,
    confidence: float = 0.95,
    least: float = LEAST,
) -> list[Plateau]:
    """The longest flat runs of windows without a rising one among them, in the order of the label; often none.

    The longest is taken first, then the longest of those that share no window with it, and so on.
    """
    words = windows(truth, prediction, groups, count, confidence, least)["word"]
    free, shares = [word != "rising" for word in words], _shares(truth, count)
    corrected = 1 - (1 - confidence) / (count * (count + 1) / 2)
    found = []
    for first, last in _runs(count):
        if not all(free[first : last + 1]):
            continue
        member = np.concatenate(shares[first : last + 2])
        slope = _slope(truth, prediction, groups, member, corrected)
        if _word(slope, least) != "flat":
            continue
        free[first : last + 1] = [False] * (last + 1 - first)
        found.append(
            Plateau(
                low=float(truth[member].min()),
                high=float(truth[member].max()),
                slope=slope.value,
                slope_low=slope.low,
                slope_high=slope.high,
                windows=last + 1 - first,
                lowest=first == 0,
                highest=last == count - 1,
            )
        )
    return sorted(found, key=lambda one: one.low)


def _runs(count: int) -> Iterator[tuple[int, int]]:
    """First and last window of every run, the longest first."""
    yield from ((first, first + extra) for extra in reversed(range(count)) for first in range(count - extra))


def _shares(truth: Float[np.ndarray, " n"], count: int) -> list[Int[np.ndarray, " k"]]:
    """The rows in count + 1 equal shares in order of truth; a window is two neighbouring ones."""
    if len(truth) < 2 * (count + 1):
        raise ValueError(f"truth: {len(truth)} lenses; {count} windows take {2 * (count + 1)} or more")
    return np.array_split(np.argsort(truth, kind="stable"), count + 1)


def _slope(
    truth: Float[np.ndarray, " n"],
    prediction: Float[np.ndarray, "s n"],
    groups: Int[np.ndarray, " n"],
    member: Int[np.ndarray, " k"],
    confidence: float,
) -> Interval:
    return interval(METRICS["slope_prediction"], truth[member], prediction[:, member], groups[member], confidence)


def _word(slope: Interval, least: float) -> str:
    if slope.low > 0:
        return "rising"
    return "flat" if slope.high < least else "undecided"


def _detectable(slope: Interval, confidence: float) -> float:
    """The true slope whose interval would be above zero with probability `POWER`."""
    if not np.isfinite(slope.error):
        return np.inf
    reach = stdtrit(slope.degrees, [(1 + confidence) / 2, POWER]).sum()
    return float(reach * slope.error)
