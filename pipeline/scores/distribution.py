"""Scores of predictive distributions, given as quantiles (s, n, q) at levels (q,), as samples or as a normal.

Quantiles are read as a piecewise linear quantile function, flat beyond the outermost levels: a distribution of its own,
whose CRPS is exact here. For a calibrated normal, cut-off tails and straight lines raise the mean CRPS above the
normal's own by 0.9 % with the nine deciles, 0.2 % with 0.05, 0.1, …, 0.95, and 0.01 % with 0.005, 0.025, 0.05, 0.1,
0.16, 0.25 and 0.5, mirrored (tests/scores/test_distribution.py). Compare only what was said at the same levels.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import kolmogorov, ndtr

from pipeline.scores.gaps import refuse

CENTRAL = (0.5, 0.68, 0.9, 0.95)  # the intervals whose coverage is asked for


def crps_quantiles(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], truth: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "s n"]:
    """Continuous ranked probability score, 2 ∫ pinball loss dτ over all levels; in the target's unit.

    Zero for a certain and right answer; of a point it is the absolute error (Gneiting and Raftery 2007, JASA 102, 359).
    Exact for the piecewise linear quantile function: the pinball loss is there a quadratic with at most one kink.
    """
    _check(quantiles, levels, truth)
    edges = np.concatenate([[0.0], levels, [1.0]])
    places = [0, *range(len(levels)), len(levels) - 1]
    total = np.zeros(quantiles.shape[:2])
    # a step of levels at a time: all at once would take q times the memory
    for step, low, high in zip(range(len(edges) - 1), places[:-1], places[1:], strict=True):
        a, b = edges[step : step + 2]
        first, last = quantiles[..., low] - truth, quantiles[..., high] - truth
        # ∫ τ u dτ of a straight u, and ∫ max(u, 0) dτ: 2 ∫ pinball = 2 (the second − the first)
        weighted = (b - a) / 6 * (first * (2 * a + b) + last * (a + 2 * b))
        total += 2 * ((b - a) * _mean_positive_part(first, last) - weighted)
    return total


def _mean_positive_part(first: Float[np.ndarray, "s n"], last: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "s n"]:
    """Mean of max(u, 0) while u rises evenly from `first` to `last`."""
    crosses = (first < 0) & (last > 0)
    triangle = last**2 / np.where(crosses, 2 * (last - first), 1.0)
    return np.where(crosses, triangle, np.maximum((first + last) / 2, 0))


def crps_normal(
    mean: Float[np.ndarray, "*b n"], std: Float[np.ndarray, "*b n"], truth: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "*b n"]:
    """CRPS of normal predictions, closed form: σ [z (2Φ(z) − 1) + 2φ(z) − 1/√π] (Gneiting et al. 2005, eq. 5)."""
    _check_normal(mean, std, truth)
    z = (truth - mean) / std
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))


def crps_samples(samples: Float[np.ndarray, "m n"], truth: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Fair CRPS of samples: mean |x − y| − mean |x − x'| / 2 over pairs of different samples (Ferro 2014, eq. 4).

    Unbiased for any m ≥ 2; the mean over all pairs would punish few samples. One row can be below zero.
    """
    refuse(samples=samples, truth=truth)
    many = len(samples)
    if many < 2:
        raise ValueError(f"samples: {many} a lens; the fair CRPS takes two or more")
    # sorted, sample i is the larger one of i pairs and the smaller of m − 1 − i
    weight = 2 * np.arange(many) - many + 1.0
    apart = weight @ np.sort(samples, axis=0) / (many * (many - 1))
    return np.abs(samples - truth).mean(axis=0) - apart


def nll_normal(
    mean: Float[np.ndarray, "*b n"], std: Float[np.ndarray, "*b n"], truth: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "*b n"]:
    """Negative log-density in nats, its constant included: comparable only between predictions in one unit."""
    _check_normal(mean, std, truth)
    return ((truth - mean) / std) ** 2 / 2 + np.log(std) + np.log(2 * np.pi) / 2


def pit(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], truth: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "s n"]:
    """Probability integral transform: the level at which the truth lies; uniform where predictions are calibrated.

    Linear between quantiles; beyond the outermost, half that tail (the truth is somewhere in it), so that even a
    calibrated prediction is half a tail away from uniform; on equal quantiles, the middle of their levels.
    """
    _check(quantiles, levels, truth)
    last = len(levels) - 1
    below = (quantiles < truth[:, None]).sum(axis=-1)  # (s, n)
    through = (quantiles <= truth[:, None]).sum(axis=-1)
    left, right = np.clip(below - 1, 0, last), np.clip(below, 0, last)
    low, high = (np.take_along_axis(quantiles, at[..., None], axis=-1)[..., 0] for at in (left, right))
    part = (truth - low) / np.where(high > low, high - low, 1.0)
    between = levels[left] + part * (levels[right] - levels[left])
    level = np.where(through > below, (levels[right] + levels[np.clip(through - 1, 0, last)]) / 2, between)
    return np.where(through == 0, levels[0] / 2, np.where(below > last, (1 + levels[-1]) / 2, level))


def ks_uniform(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Kolmogorov–Smirnov distance of values from uniform on [0, 1], and its p.

    Asymptotic with Stephens' (1970, J. R. Stat. Soc. B 32, 115) correction for n: from n = 5 on p is right to 0.03, and
    below 0.1 to 0.002. The values must be independent: one seed, one lens a group.
    """
    refuse(values=values)
    ordered, n = np.sort(values), len(values)
    above, under = np.arange(1, n + 1) / n - ordered, ordered - np.arange(n) / n
    distance = float(max(above.max(), under.max()))
    return distance, float(kolmogorov((np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)) * distance))


def central(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], nominal: float
) -> tuple[Float[np.ndarray, "s n"], Float[np.ndarray, "s n"]]:
    """The ends of the central interval that should hold the truth with probability `nominal`; between levels, linear.

    Raises `ValueError` where an end lies beyond the outermost levels: nothing was said of there.
    """
    ends = (1 - nominal) / 2, (1 + nominal) / 2
    slack = 1e-9  # levels written in decimal
    if ends[0] < levels[0] - slack or ends[1] > levels[-1] + slack:
        raise ValueError(f"levels: {levels[0]:g} to {levels[-1]:g} have no central {nominal:.0%} interval")
    low, high = (_between(quantiles, levels, end) for end in ends)
    return low, high


def _between(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], at: float
) -> Float[np.ndarray, "s n"]:
    place = float(np.interp(at, levels, np.arange(len(levels))))
    left = min(int(place), len(levels) - 2)
    return quantiles[..., left] + (place - left) * (quantiles[..., left + 1] - quantiles[..., left])


def covered(
    quantiles: Float[np.ndarray, "s n q"],
    levels: Float[np.ndarray, " q"],
    truth: Float[np.ndarray, " n"],
    nominal: float,
) -> Bool[np.ndarray, "s n"]:
    """Whether each central interval holds the truth. `intervals.of_hits` gives the share of them its own interval."""
    _check(quantiles, levels, truth)
    low, high = central(quantiles, levels, nominal)
    return (low <= truth) & (truth <= high)


def sharpness(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], nominal: float
) -> Float[np.ndarray, " s"]:
    """Mean width of the central interval, in the target's unit: of two calibrated predictions the sharper is better."""
    low, high = central(quantiles, levels, nominal)
    return (high - low).mean(axis=1)


def calibration_error(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], truth: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " s"]:
    """Mean over levels of |share of truths at or below the quantile − level|: 0 if calibrated, never quite in a sample.

    Of n lenses a calibrated prediction still has about 0.3 / √n.
    """
    _check(quantiles, levels, truth)
    return np.abs((truth[:, None] <= quantiles).mean(axis=1) - levels).mean(axis=-1)


def _check(
    quantiles: Float[np.ndarray, "s n q"], levels: Float[np.ndarray, " q"], truth: Float[np.ndarray, " n"]
) -> None:
    refuse(quantiles=quantiles, truth=truth)
    if (np.diff(levels) <= 0).any() or levels[0] <= 0 or levels[-1] >= 1:
        raise ValueError(f"levels: {levels} must rise between 0 and 1, both excluded")
    crossing = int((np.diff(quantiles, axis=-1) < 0).any(axis=-1).sum())
    if crossing:
        raise ValueError(f"quantiles: {crossing} of {truth.size * len(quantiles)} rows fall with the level; sort them")


def _check_normal(
    mean: Float[np.ndarray, "*b n"], std: Float[np.ndarray, "*b n"], truth: Float[np.ndarray, " n"]
) -> None:
    refuse(mean=mean, std=std, truth=truth)
    if (std <= 0).any():
        raise ValueError(f"std: {int((std <= 0).sum())} of {std.size} are not above zero")
