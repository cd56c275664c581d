"""Intervals of a metric's mean over seeds: for other seeds and other lenses, in closed form.

Seeds and groups of lenses are two crossed samples. The variance of a mean over both is the sum of that between seeds
and that between groups, less what both have counted, the interaction (Cameron, Gelbach and Miller 2011, JBES 29, 238;
Owen 2007, Ann. Appl. Stat. 1, 386), each unbiased when groups are of one size. What is averaged are pseudo-values, the
seed's metric plus the lens's influence on it: for a mean error they are the errors themselves.

Intervals are symmetric Student t with min(seeds, groups) − 1 degrees of freedom: cautious where lenses differ more
than seeds. From one seed they speak of other lenses only, and `Interval.over` says so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.special import betaincinv, stdtrit

from pipeline.scores.score import Metric, Score, centred


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, its standard error, and where it would lie for other seeds and lenses.

    An interval that the sample cannot give (one group, an undefined metric) is infinite and never excludes anything.
    """

    value: float
    low: float
    high: float
    error: float
    seeds: int
    groups: int

    @property
    def degrees(self) -> int:
        return _degrees(self.seeds, self.groups)

    @property
    def over(self) -> str:
        """What the interval generalises to."""
        return "other seeds and lenses" if self.seeds > 1 else "other lenses, this one seed"


def interval(
    metric: Metric,
    truth: Float[np.ndarray, " n"],
    prediction: Float[np.ndarray, "s n"],
    groups: Int[np.ndarray, " n"],
    confidence: float = 0.95,
) -> Interval:
    """The interval of one of `point.METRICS`."""
    score = metric(truth, prediction)
    return of_score(score, groups, confidence, metric.fraction)


def of_score(score: Score, groups: Int[np.ndarray, " n"], confidence: float = 0.95, fraction: bool = False) -> Interval:
    """The interval of a metric's mean over seeds, from its values and influences."""
    of = of_fraction if fraction else of_mean
    return of(score.value[:, None] + score.influence, groups, confidence)


def of_mean(values: Float[np.ndarray, "s n"], groups: Int[np.ndarray, " n"], confidence: float = 0.95) -> Interval:
    """The interval of the mean of values, or of a metric whose pseudo-values they are."""
    value, (seeds, many) = float(values.mean()), (len(values), len(np.unique(groups)))
    degrees = _degrees(seeds, many)
    if degrees < 1 or np.isnan(value):
        return Interval(value, -np.inf, np.inf, np.inf, seeds, many)
    error = float(np.sqrt(variance(values, groups)))
    half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
    return Interval(value, value - half, value + half, error, seeds, many)


def of_fraction(values: Float[np.ndarray, "s n"], groups: Int[np.ndarray, " n"], confidence: float = 0.95) -> Interval:
    """The interval of a fraction from its pseudo-values (of plain hits: 0 and 1), within [0, 1].

    Clopper–Pearson on the effective number of lenses, p (1 − p) over the variance, less what few degrees of freedom
    cost (Korn and Graubard 1998, Surv. Methodol. 24, 193). From one seed and lenses that share nothing this is
    Clopper–Pearson itself. Where no lens or every one is hit, each group counts as one.
    """
    plain = of_mean(values, groups, confidence)
    if plain.degrees < 1:
        return plain
    share = min(1.0, max(0.0, plain.value))
    effective = float(plain.groups)
    if plain.error > 0 and 0 < share < 1:
        # without the g / (g − 1) of a variance's degrees of freedom, which Clopper–Pearson does not have
        effective = share * (1 - share) / plain.error**2 * plain.groups / (plain.groups - 1)
    level = (1 + confidence) / 2
    cost = float(stdtrit(plain.groups - 1, level) / stdtrit(plain.degrees, level)) ** 2
    counted = min(effective, float(values.size)) * cost
    low, high = clopper_pearson(share * counted, counted, confidence)
    return Interval(share, float(low), float(high), plain.error, plain.seeds, plain.groups)


def of_hits(hits: Bool[np.ndarray, "s n"], groups: Int[np.ndarray, " n"], confidence: float = 0.95) -> Interval:
    """The interval of the fraction of lenses hit, as `of_fraction`."""
    return of_fraction(hits.astype(float), groups, confidence)


def variance(values: Float[np.ndarray, "s n"], groups: Int[np.ndarray, " n"]) -> float:
    """The variance of the mean of values over seeds × lenses, when both are drawn anew; groups stay together.

    Never below that between seeds or between groups alone. From one seed: between groups; of one group: infinite.
    """
    rest = values - values.mean()
    between_groups = _of_totals(totals(rest.mean(axis=0, keepdims=True), groups), values.shape[1])
    if len(values) == 1 or np.isinf(between_groups):
        return between_groups
    between_seeds = float(rest.mean(axis=1).var(ddof=1)) / len(values)
    # minus the lens's mean and the seed's: what only this seed does to this lens
    mixed = _of_totals(totals(centred(rest - rest.mean(axis=0)), groups), values.size)
    both = mixed * len(values) / (len(values) - 1)
    return max(between_seeds + between_groups - both, between_seeds, between_groups)


def totals(values: Float[np.ndarray, "s n"], groups: Int[np.ndarray, " n"]) -> Float[np.ndarray, "s g"]:
    """The sum over the lenses of each group, groups in ascending order."""
    order = np.argsort(groups, kind="stable")
    starts = np.unique(groups[order], return_index=True)[1]
    return np.add.reduceat(values[:, order], starts, axis=1)


def clopper_pearson(
    hits: int | float | Shaped[np.ndarray, "..."], n: int | float | Shaped[np.ndarray, "..."], confidence: float = 0.95
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The exact interval of a binomial fraction (Clopper and Pearson 1934): equal tails, never too narrow.

    `hits` and `n` may be fractions of a count, as effective numbers are.
    """
    tail = (1 - confidence) / 2
    hits, misses = np.asarray(hits, dtype=float), np.asarray(n, dtype=float) - hits
    # at an end the beta distribution has no shape; any shape does there, because the bound is known
    low = np.where(hits > 0, betaincinv(np.where(hits > 0, hits, 1), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betaincinv(hits + 1, np.where(misses > 0, misses, 1), 1 - tail), 1.0)
    return low, high


def _of_totals(sums: Float[np.ndarray, "s g"], n: int) -> float:
    """Sum of squares over n², unbiased for the groups' mean having been taken out."""
    many = sums.shape[1]
    return float((sums**2).sum()) / n**2 * many / (many - 1) if many > 1 else np.inf


def _degrees(seeds: int, groups: int) -> int:
    return (min(seeds, groups) if seeds > 1 else groups) - 1
