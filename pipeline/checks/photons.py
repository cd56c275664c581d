"""Photons: how the variance of a pixel grows with its mean.

In photon counts it grows as the mean itself. Twice as fast, and the noise was drawn twice: DeepLense's Model I adds
Gaussian photon noise and then draws Poisson counts from what came out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from pipeline.checks import frame
from pipeline.checks.measured import Measured
from pipeline.checks.noise import FOURTH, fine_noise
from pipeline.checks.values import saturated
from pipeline.findings import Finding, finding

BRIGHT = 2.0  # sky rms above the sky, of the mean of 3 x 3 pixels: there photons matter, and no sky is cut
TWICE = (1.5, 3.0)  # photon noise once gives 1 and twice gives 2; beyond 3 the gain is wrong, not the noise
SURE = 3.0  # standard errors above 1
FOLDS = 10  # of the jackknife over images
LEAST = 20  # bright pixels of an image that takes part
RATES = ("/ s", "/s", "s-1", "s^-1", "s**-1")


@dataclass(frozen=True)
class Slope:
    """d variance / d mean, in units of what photon counts give, and its standard error; NaN: not known."""

    value: float
    error: float


def measure(
    images: Float[np.ndarray, "n h w"], level: Float[np.ndarray, " n"], rms: Float[np.ndarray, " n"]
) -> dict[str, np.ndarray]:
    """Sums for a line through (mean, variance) of each image's bright pixels: n, m, v, m^2, m v."""
    mean, variance, bright = points(images, level, rms)
    terms = (np.ones_like(mean), mean, variance, mean**2, mean * variance)
    return {"line": np.stack([np.where(bright, term, 0.0).sum(axis=(1, 2)) for term in terms], axis=1)}


def points(
    images: Float[np.ndarray, "n h w"], level: Float[np.ndarray, " n"], rms: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n a b"], Float[np.ndarray, "n a b"], Bool[np.ndarray, "n a b"]]:
    """Local mean above the sky, squared fine noise, and where a pixel is bright."""
    above = images - level[:, None, None]
    mean = frame.separable(above, FOURTH**2)  # with the weights that its noise has in the fine noise
    near = frame.separable(above[:, 1:-1, 1:-1], np.full(3, 1 / 3))
    return mean, fine_noise(above) ** 2, near > BRIGHT * rms[:, None, None]


def counts_per_unit(seen: Measured) -> Float[np.ndarray, " n"]:
    """How many photons one unit of a pixel stands for; NaN: not known.

    Whole numbers in an unknown unit are taken for counts; a rate needs the exposure, and anything but electrons the
    gain.
    """
    units = str(seen.store.attributes.get("units", "")).lower()
    observed = _observed(seen)
    gain, exposure = observed["gain"], observed["exposure"]
    if "electron" in units or "photon" in units or "count" in units:
        gain = np.where(np.isfinite(gain), gain, 1.0)
    if any(rate in units for rate in RATES):
        return gain * exposure
    if units:
        return gain
    return np.where(seen["whole"], 1.0, np.nan)


def slope(seen: Measured) -> Slope:
    """One line through all images, each with an intercept of its own: the sky of one is not that of another."""
    unit = counts_per_unit(seen)
    n, m, v, mm, mv = seen["line"].T
    used = np.isfinite(unit) & (n >= LEAST) & ~seen["noise_free"] & ~seen["coarse"] & ~saturated(seen)
    if used.sum() < 2:
        return Slope(np.nan, np.nan)
    n, m, v, mm, mv, unit = (column[used] for column in (n, m, v, mm, mv, unit))
    above, below = unit**3 * (mv - m * v / n), unit**2 * (mm - m**2 / n)
    fold = np.arange(len(n)) % min(FOLDS, len(n))
    total = [np.bincount(fold, weights=part) for part in (above, below)]
    left_out = (above.sum() - total[0]) / (below.sum() - total[1])
    folds = len(left_out)
    return Slope(float(above.sum() / below.sum()), float(np.sqrt((folds - 1) * left_out.var())))


def check(seen: Measured) -> list[Finding]:
    found = slope(seen)
    if not TWICE[0] < found.value < TWICE[1] or found.value - 1 < SURE * found.error:
        return []
    return [
        finding(
            "poisson_twice",
            f"the variance of bright pixels grows {found.value:.2f} times as fast as that of photon counts",
            slope=found.value,
            standard_error=found.error,
            expected=1.0,
            images=int((seen["line"][:, 0] >= LEAST).sum()),
        )
    ]


def _observed(seen: Measured) -> dict[str, Float[np.ndarray, " n"]]:
    unknown = np.full(seen.rows, np.nan)
    columns = seen.store.attributes.get("observed", []) if "observed" in seen else []
    return {
        name: seen["observed"][:, columns.index(name)] if name in columns else unknown for name in ("gain", "exposure")
    }
