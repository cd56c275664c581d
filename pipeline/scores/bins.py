"""Errors by bins of a covariate: the truth, the signal-to-noise, the ring's radius over the PSF.

Bins are equally filled; lenses whose covariate is unknown are a bin of their own.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline.scores import intervals
from pipeline.scores.point import METRICS

MEASURED = ("bias", "scatter", "mae", "rmse")
UNKNOWN = "unknown"


def by_bin(
    truth: Float[np.ndarray, " n"],
    prediction: Float[np.ndarray, "s n"],
    groups: Int[np.ndarray, " n"],
    covariate: Float[np.ndarray, " n"],
    count: int = 8,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One line a bin: bin (its number or "unknown"), low, high, centre (median), lenses, and each of `MEASURED`.

    A metric has three columns: its mean over seeds, and `_low` and `_high` of its interval over seeds and groups, each
    bin's own (not corrected for their number), infinite in a bin of one group. The extent of "unknown" is NaN. Equal
    covariates share a bin, so that there may be fewer than `count`.
    """
    return pd.DataFrame(
        {"bin": name, **_extent(covariate[member]), **_measured(truth, prediction, groups, member, confidence)}
        for name, member in members(covariate, count)
    )


def members(covariate: Float[np.ndarray, " n"], count: int) -> Iterator[tuple[str, Bool[np.ndarray, " n"]]]:
    """Each occupied bin's name and which lenses are in it; every lens is in one. Infinite covariates are known."""
    known = ~np.isnan(covariate)
    if known.any():
        ordered = np.sort(covariate[known])
        starts = ordered[np.arange(count) * len(ordered) // count]  # the least of each bin
        place = np.searchsorted(starts, covariate, side="right") - 1
        occupied = np.unique(place[known])
        yield from ((str(number), known & (place == one)) for number, one in enumerate(occupied))
    if not known.all():
        yield UNKNOWN, ~known


def _extent(covariate: Float[np.ndarray, " k"]) -> dict[str, float]:
    if np.isnan(covariate).any():
        low = centre = high = np.nan
    else:
        low, centre, high = np.min(covariate), np.median(covariate), np.max(covariate)
    return {"low": float(low), "high": float(high), "centre": float(centre), "lenses": len(covariate)}


def _measured(
    truth: Float[np.ndarray, " n"],
    prediction: Float[np.ndarray, "s n"],
    groups: Int[np.ndarray, " n"],
    member: Bool[np.ndarray, " n"],
    confidence: float,
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in MEASURED:
        one = intervals.interval(METRICS[name], truth[member], prediction[:, member], groups[member], confidence)
        found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return found
