"""Plateaus: the ranges of a label where a network answers a constant, whatever the truth.

An average error over the whole range hides them. Within a window of truths, what is learnt is how steeply predictions
rise with truths (`point.slope_prediction`): 1 for a perfect predictor, R² of that window for a posterior mean, 0 on a
plateau. Every window has an interval over seeds and groups, widened for the number of windows (Bonferroni), and a word:

- "rising": the interval is above zero; something of the label is read.
- "flat": it reaches zero, and stays below `least`, the smallest slope that would be worth having. Both halves count: a
  few lenses cannot tell anything from zero, and must not pass for a plateau.
- "undecided": it reaches both. `detectable` says which slope would have been seen.

The corrected confidence holds for all the words together. A predictor that falls with the truth is flat as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.special import stdtrit

from pipeline.scores.intervals import Interval, of_score
from pipeline.scores.point import METRICS

LEAST = 0.2  # the smallest slope worth having: a fifth of every step of the label is followed
POWER = 0.8  # of seeing the slope called detectable


@dataclass(frozen=True)
class Plateau:
    """A run of flat windows: truths from `low` to `high`, and whether it reaches an end of the label's range."""

    low: float
    high: float
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
    metric, corrected = METRICS["slope_prediction"], 1 - (1 - confidence) / count
    lines = []
    for member in _members(truth, count):
        score = metric(truth[member], prediction[:, member])
        found = of_score(score, groups[member], corrected)
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


def plateaus(table: pd.DataFrame) -> list[Plateau]:
    """The runs of flat windows of `windows`, in the order of the label; none where there is no plateau."""
    runs = [list(run) for word, run in groupby(range(len(table)), key=lambda i: table["word"][i]) if word == "flat"]
    return [
        Plateau(
            low=float(table["low"][run[0]]),
            high=float(table["high"][run[-1]]),
            windows=len(run),
            lowest=run[0] == 0,
            highest=run[-1] == len(table) - 1,
        )
        for run in runs
    ]


def _members(truth: Float[np.ndarray, " n"], count: int) -> Iterator[Int[np.ndarray, " k"]]:
    """The rows of each window: two neighbouring ones of count + 1 equal shares of the lenses in order of truth."""
    if len(truth) < 2 * (count + 1):
        raise ValueError(f"truth: {len(truth)} lenses; {count} windows take {2 * (count + 1)} or more")
    shares = np.array_split(np.argsort(truth, kind="stable"), count + 1)
    yield from (np.concatenate(pair) for pair in pairwise(shares))


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
