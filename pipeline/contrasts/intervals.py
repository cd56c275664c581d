"""Intervals of any linear combination of arms: the width of Student's t, the shape of the bootstrap.

With few seeds a bootstrap interval is too narrow twice over: the variance over draws of s seeds is (s - 1) / s of what
it should be, and the normal quantiles it implies know nothing of how poorly s seeds tell a variance (at six seeds a
nominal 95 % covers about 87 %). With noisy predictions it is too wide, because the noise of a single prediction is
resampled along both ways and counted three times (see `resampling`). So the draws are stretched about the estimate, as
Hesterberg (2015, Am. Stat. 69, 371) expands percentiles, by the one factor that gives their percentile interval the
width of the t interval, 2 t SE, with

    SE² = V_seeds + V_groups - V_single,    degrees of freedom after Satterthwaite (1946).

V_seeds = variance of the per-seed contrasts / s holds A + E, V_groups likewise B + E, V_single is E from the residuals
of a two-way table: the sum is unbiased for A + B + E. Where the bootstrap is skewed or biased the interval is too, by
Efron's (1987) BCa levels; its acceleration comes from the jackknife over seeds and over groups.

From one seed there is no V_seeds: the interval is about other lenses for that very training, and the verdict decides
nothing. From two, where seeds and lenses differ about as much, a nominal 95 % was measured to cover some 87 to 97 %;
from three on it covers as stated. Family levels read ends of the draws: .05 / 20 still has a dozen draws beyond each.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri, stdtrit

from pipeline.contrasts.resampling import resampled
from pipeline.contrasts.samples import Sample, sample

Interval = tuple[float, float]
Weights = tuple[tuple[Hashable, float], ...]  # (arm, its weight)


@dataclass(frozen=True)
class How:
    """How arms are compared: `margin` is the fraction of the control's metric that counts as no difference."""

    draws: int = 10_000
    confidence: float = 0.95
    margin: float = 0.05
    seed: int = 0
    metric: str = "rmse"

    @property
    def alpha(self) -> float:
        return 1 - self.confidence


@dataclass(frozen=True)
class Estimate:
    """A combination of arms: its value, and how far off that may be. Units are those of the errors."""

    by_seed: Float[np.ndarray, " s"]
    error: float  # standard error, over seeds and lenses
    freedom: float  # degrees of freedom of that error
    draws: Float[np.ndarray, " d"]  # bootstrap values, ascending
    acceleration: float  # Efron's a: a sixth of the skewness

    @property
    def value(self) -> float:
        return float(self.by_seed.mean())

    def interval(self, confidence: float) -> Interval:
        """The interval at this confidence; levels beyond 1 - 10 / draws rest on very few draws."""
        low, high = np.quantile(self.draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        wanted = 2 * stdtrit(self.freedom, (1 + confidence) / 2) * self.error
        stretch = wanted / (high - low) if high > low else 1.0
        low, high = bca(self.draws, self.value, self.acceleration, confidence)
        return float(self.value + stretch * (low - self.value)), float(self.value + stretch * (high - self.value))


def bca(draws: Float[np.ndarray, " d"], value: float, acceleration: float, confidence: float) -> Interval:
    """Efron's bias-corrected and accelerated percentiles (1987, J. Am. Stat. Assoc. 82, 171)."""
    below = ((draws < value).mean() + (draws <= value).mean()) / 2  # ties count half
    bias = ndtri(np.clip(below, 1 / len(draws), 1 - 1 / len(draws)))
    shifted = bias + ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    low, high = np.quantile(draws, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def estimates(
    arms: Mapping[Any, Float[np.ndarray, "_ _"]],
    weights: Mapping[Hashable, Weights],
    groups: Int[np.ndarray, " n"],
    how: How,
) -> dict[Hashable, Estimate]:
    """The estimates of weighted sums of arms, from the same draws: a difference has the weights 1 and -1."""
    measured = sample(arms, groups, how.metric)
    drawn = resampled(measured, how.draws, how.seed)
    column = {arm: index for index, arm in enumerate(arms)}
    found = {}
    for name, parts in weights.items():
        row = np.zeros(len(arms))
        for arm, weight in parts:
            row[column[arm]] += weight
        found[name] = estimate(measured, drawn, row)
    return found


def estimate(measured: Sample, drawn: Float[np.ndarray, "d a"], weights: Float[np.ndarray, " a"]) -> Estimate:
    """The estimate of the weighted sum of arms."""
    by_seed = weights @ measured.by_seed
    pulls = np.tensordot(weights, measured.influence, 1)  # (s, g)
    error, freedom = standard_error(by_seed, pulls)
    return Estimate(by_seed, error, freedom, np.sort(drawn @ weights), _acceleration(by_seed, pulls.mean(axis=0)))


def standard_error(by_seed: Float[np.ndarray, " s"], pulls: Float[np.ndarray, "s g"]) -> tuple[float, float]:
    """SE over seeds and groups, and its degrees of freedom; see the head of this file.

    A variance below zero is not possible: neither seeds nor groups may contribute less than nothing.
    """
    seeds, groups = pulls.shape
    of_groups = pulls.mean(axis=0).var(ddof=1) / groups
    if seeds == 1:
        return float(np.sqrt(of_groups)), groups - 1.0
    of_seeds = by_seed.var(ddof=1) / seeds
    cells = (seeds - 1) * (groups - 1)
    single = ((pulls - pulls.mean(axis=0)) ** 2).sum() / cells / (seeds * groups)
    total = max(of_seeds + of_groups - single, of_seeds, of_groups)
    noise = of_seeds**2 / (seeds - 1) + of_groups**2 / (groups - 1) + single**2 / cells
    return float(np.sqrt(total)), float(total**2 / noise) if noise > 0 else float(seeds - 1)


def _acceleration(by_seed: Float[np.ndarray, " s"], by_group: Float[np.ndarray, " g"]) -> float:
    """A sixth of the skewness of the estimate, from the influences of both ways.

    As for several samples (Davison & Hinkley 1997, ch. 5): each way's cubes and squares by its own count.
    """
    ways = [values - values.mean() for values in (by_seed, by_group)]
    square = sum((way**2).sum() / len(way) ** 2 for way in ways)
    cube = sum((way**3).sum() / len(way) ** 3 for way in ways)
    return float(cube / square**1.5 / 6) if square > 0 else 0.0
