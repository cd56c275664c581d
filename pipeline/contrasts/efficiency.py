"""Data efficiency: how many times as many training images the control needs for the error that an arm reaches.

Learning curves are power laws with a floor, E(N) = a N^-b + c (Hestness et al. 2017, arXiv 1712.00409; Rosenfeld et
al. 2020). With E* the smallest error that both curves reach within the sizes measured, the images saved are

    rho = N_control(E*) / N_arm(E*),    N(E) = (a / (E - c))^(1/b)

Curves are read between the smallest and the largest size only. What is at E* with the smallest size already needs
that many at most: rho is then a bound, and marked so; it is never infinite. Where a curve does not fall with more
images there is no such number. From three sizes on all of a, b, c are fitted, from two a power law without a floor,
and one size says nothing.

The area under the curve, over log N and divided by the range of log N, asks for no such law: it is the mean error over
training sizes, each factor of images counting the same. Areas compare only between the same two ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri, stdtrit

from pipeline.contrasts.intervals import How, Interval, estimates
from pipeline.contrasts.resampling import resampled
from pipeline.contrasts.samples import Sample, sample
from pipeline.errors import InputError

# the b that are tried, at first (published ones lie between 0.05 and 1) and then as factors of the best: twice finer
EXPONENTS = (np.geomspace(0.02, 4, 100), np.geomspace(0.95, 1 / 0.95, 31), np.geomspace(0.997, 1 / 0.997, 11))
FLAT = 1e-9  # relative fall of a curve below which it does not fall


@dataclass(frozen=True)
class Curves:
    """E(N) = a N^-b + c for N between the first and the last size; one curve an entry."""

    a: Float[np.ndarray, " m"]
    b: Float[np.ndarray, " m"]
    c: Float[np.ndarray, " m"]
    sizes: tuple[float, float]

    def errors(self, size: float) -> Float[np.ndarray, " m"]:
        return self.a * size**-self.b + self.c

    @property
    def falls(self) -> Float[np.ndarray, " m"]:
        """The relative fall of each curve from the first size to the last."""
        return 1 - self.errors(self.sizes[1]) / self.errors(self.sizes[0])

    def needed(self, error: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """The size at which each curve comes down to an error, held between the first and the last size."""
        with np.errstate(divide="ignore", over="ignore"):  # the error of the floor itself, a flat curve: held below
            size = np.where(error > self.c, self.a / np.maximum(error - self.c, 0), np.inf) ** (1 / self.b)
        return np.clip(size, *self.sizes)


@dataclass(frozen=True)
class Saved:
    """Images saved by an arm over its control; None where the sizes do not tell, and why."""

    ratio: float | None
    interval: Interval | None
    reason: str  # "" if ratio is an estimate; else what it is, or why there is none


@dataclass(frozen=True)
class Area:
    """The area under a learning curve over log N, as a mean error: in the units of the errors."""

    value: float
    interval: Interval


def area(arm: Mapping[int, Float[np.ndarray, "_ _"]], groups: Int[np.ndarray, " n"], how: How) -> Area:
    """Of the errors (seeds, lenses) at two training sizes or more, by the trapezoidal rule: a weighted sum of the
    metric at each size, with the interval of such a sum over seeds and groups (`intervals`).
    """
    sizes = sorted(arm)
    if len(sizes) < 2:
        raise InputError(f"train.sizes: {sizes} is no learning curve; an area under it takes at least two sizes")
    logs = np.log(sizes)
    steps = np.diff(logs) / (logs[-1] - logs[0])
    weights = (np.append(steps, 0) + np.insert(steps, 0, 0)) / 2
    found = estimates(arm, {"area": tuple(zip(sizes, weights.tolist(), strict=True))}, groups, how)["area"]
    return Area(found.value, found.interval(how.confidence))


def images_saved(
    arm: Mapping[int, Float[np.ndarray, "_ _"]],
    control: Mapping[int, Float[np.ndarray, "_ _"]],
    groups: Int[np.ndarray, " n"],
    how: How,
) -> Saved:
    """Images saved by an arm, from errors (seeds, lenses) by training size; the same seeds and lenses throughout.

    The interval is of log rho: percentiles of curves fitted to each bootstrap draw, stretched about the estimate by
    t(s - 1) / z × sqrt(s / (s - 1)) for the few seeds (see `intervals`), and held within what the sizes can tell.
    """
    sizes = np.array(sorted(arm))
    if set(arm) != set(control):
        raise InputError(f"train.sizes: the arm has {sorted(arm)}, its control {sorted(control)}; train both on all")
    if len(sizes) < 2:
        return Saved(None, None, "a learning curve takes at least two training sizes")
    errors = {(who, size): one[size] for who, one in (("arm", arm), ("control", control)) for size in sizes.tolist()}
    measured = sample(errors, groups, how.metric)
    points = measured.by_seed.mean(axis=1).reshape(1, 2, -1)  # (1, 2, k)
    drawn = resampled(measured, how.draws, how.seed).reshape(how.draws, 2, -1)  # (d, 2, k)
    if not (points > 0).all():
        return Saved(None, None, "an error of zero cannot fall")
    curves = [fitted(sizes, points[:, one]) for one in (0, 1)]
    flat = [who for who, curve in zip(("arm", "control"), curves, strict=True) if curve.falls[0] <= FLAT]
    if flat:
        return Saved(None, None, f"the error of the {' and the '.join(flat)} does not fall with more images")
    centre = _log_ratio(*curves)
    spread = _log_ratio(*(fitted(sizes, drawn[:, one]) for one in (0, 1)))
    low, high = np.quantile(spread, [how.alpha / 2, 1 - how.alpha / 2])
    limit, stretch = np.log(sizes[-1] / sizes[0]), _stretch(measured, how.confidence)
    ends = np.clip(centre + stretch * (np.array([low, high]) - centre), -limit, limit)
    ratio, (low, high) = float(np.exp(centre[0])), np.exp(ends).tolist()
    return Saved(ratio, (low, high), _bound(float(centre[0]), float(limit)))


def _log_ratio(arm: Curves, control: Curves) -> Float[np.ndarray, " m"]:
    """log of N_control / N_arm at the smallest error that both reach."""
    common = np.maximum(arm.errors(arm.sizes[1]), control.errors(control.sizes[1]))
    return np.log(control.needed(common) / arm.needed(common))


def _stretch(measured: Sample, confidence: float) -> float:
    seeds = measured.by_seed.shape[1]
    if seeds == 1:
        return 1.0
    level = (1 + confidence) / 2
    return float(stdtrit(seeds - 1, level) / ndtri(level) * np.sqrt(seeds / (seeds - 1)))


def _bound(ratio: float, limit: float) -> str:
    """Whether a log ratio has come to the end of the sizes."""
    if abs(ratio) < limit - FLAT:
        return ""
    better, worse = "at least this: the arm", "at most this: the control"
    return f"{better if ratio > 0 else worse} is that good with the smallest size already"


def fitted(sizes: Int[np.ndarray, " k"], errors: Float[np.ndarray, "m k"]) -> Curves:
    """The curves of m sets of errors > 0: least squares of relative residuals, with a and c no less than zero.

    For each b of a grid the best a and c have a closed form (variable projection), so that all draws are fitted at
    once. b is known to .06 %, far better than seeds leave it.
    """
    span = (float(sizes[0]), float(sizes[-1]))
    if len(sizes) == 2:
        b = np.maximum(np.log(errors[:, 0] / errors[:, 1]) / np.log(span[1] / span[0]), FLAT / 10)
        return Curves(errors[:, 1] * span[1] ** b, b, np.zeros_like(b), span)
    weight, scaled = 1 / errors, sizes / span[0]  # the first size as unit
    best = np.full(len(errors), np.inf)
    a, b, c = np.zeros(len(errors)), np.ones(len(errors)), np.zeros(len(errors))
    for grid in EXPONENTS:
        for exponent in grid[:, None] * b:  # (m,)
            for rise, floor, loss in _candidates(weight, scaled ** -exponent[:, None]):
                better = (loss < best) & (rise >= 0) & (floor >= 0)
                best[better], b[better] = loss[better], exponent[better]
                a[better], c[better] = rise[better], floor[better]
    return Curves(a * span[0] ** b, b, c, span)


def _candidates(
    weight: Float[np.ndarray, "m k"], curve: Float[np.ndarray, "m k"]
) -> list[tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, " m"]]]:
    """(a, c, loss) where the least squares of weight (a curve + c) = 1, a and c >= 0, can lie: inside and at the edges.

    Inside, a or c may come out negative: not a candidate then. The normal equations' sums are all the data there is.
    """
    square = weight**2
    xx, xy, yy = (square * curve**2).sum(axis=1), (square * curve).sum(axis=1), square.sum(axis=1)
    sx, sy, none = (weight * curve).sum(axis=1), weight.sum(axis=1), np.zeros(len(weight))
    det = xx * yy - xy**2  # > 0: no curve of a b > 0 is constant
    found = [((yy * sx - xy * sy) / det, (xx * sy - xy * sx) / det), (sx / xx, none), (none, sy / yy)]
    count = weight.shape[1]
    return [(a, c, a * (a * xx + 2 * c * xy - 2 * sx) + c * (c * yy - 2 * sy) + count) for a, c in found]
