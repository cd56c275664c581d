"""Is the lowest loss behind us? A Gaussian process on losses against progress, in closed form (Kim et al. 2021, 3.1).

The paper's model: a constant mean (the data's), a squared-exponential kernel whose length is a fifth of the curve so
far, white noise; scale and noise by marginal likelihood. Given their ratio the scale has a closed form and one
eigendecomposition serves every ratio, so that a grid of ratios replaces the paper's descent: exact, and the same every
time, where it votes over random subsets.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

LENGTH = 0.2
RATIOS = np.logspace(-3, 3, 61)  # noise variance to the process's
OUTLIERS = 5.0  # median deviations above the median, where losses are cut

Vector = Float[np.ndarray, " n"]


class Posterior(NamedTuple):
    """The smooth curve behind noisy losses, at their places; variances of process and noise as fitted."""

    mean: Vector
    covariance: Float[np.ndarray, "n n"]
    scale: float
    noise: float


def posterior(places: Vector, losses: Vector) -> Posterior:
    """The process given losses at increasing places. The unit of either does not matter; not all losses are equal."""
    progress = places / places[-1]
    level = losses.mean()
    prior = np.exp(-0.5 * ((progress[:, None] - progress) / LENGTH) ** 2)
    values, vectors = np.linalg.eigh(prior)
    values = values.clip(min=0)  # round-off alone makes them negative
    weights = vectors.T @ (losses - level)

    spread = values[:, None] + RATIOS  # (n, ratios)
    scales = (weights[:, None] ** 2 / spread).mean(0)
    best = np.argmin(len(losses) * np.log(scales) + np.log(spread).sum(0))  # -2 log likelihood, less a constant
    scale, ratio = scales[best], RATIOS[best]

    kept = values / (values + ratio)
    mean = level + vectors @ (kept * weights)
    return Posterior(mean, scale * ratio * (vectors * kept) @ vectors.T, float(scale), float(scale * ratio))


def past_minimum(places: Vector, losses: Vector) -> tuple[float, int]:
    """The probability that the curve was lower somewhere than it is now, and where it was lowest.

    The paper's: the highest, over the places i, of P(f_i < f_last), of differences under the joint posterior. Where
    the loss explodes it is cut first: a fit that must reach 1e6 has no eye for the valley before it.
    """
    median = np.median(losses)
    losses = losses.clip(max=median + OUTLIERS * np.median(abs(losses - median)))
    if np.ptp(losses) == 0:
        return 0.0, len(losses) - 1
    mean, covariance, scale, _ = posterior(places, losses)
    variance = covariance.diagonal() + covariance[-1, -1] - 2 * covariance[-1]
    deviation = np.sqrt(variance[:-1].clip(min=1e-12 * scale))
    return float(ndtr((mean[-1] - mean[:-1]) / deviation).max()), int(mean.argmin())
