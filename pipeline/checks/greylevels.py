"""Grey levels: were the pixels rounded more coarsely than their noise?

Counts are whole numbers and honest, because photon noise spreads them over many: at N counts by sqrt(N). An image
that was cast to integers after its noise was drawn, or without any, has steps and no noise within them. (The DeepLense
regression projects of 2022 cast Model II to int16: four or five grey levels were left.)
"""

import numpy as np
from jaxtyping import Float

from pipeline.checks import frame
from pipeline.checks.measured import Measured
from pipeline.checks.noise import fine_noise
from pipeline.findings import Finding, finding

LEVELS = 256  # an 8-bit image; more levels than this are finer than any S/N of a pixel here
PER_LEVEL = 16  # pixels a level, at least: fewer pixels cannot show that levels are few
DITHERED = 0.55  # steps of sky rms: with half a step of noise, rounding adds a third to the variance
PHOTONS = 0.5  # of the variance that whole photon counts have at the mean of the bright pixels
FEW = 0.01  # of the images


def measure(
    images: Float[np.ndarray, "n h w"], level: Float[np.ndarray, " n"], fine: Float[np.ndarray, " n"]
) -> dict[str, np.ndarray]:
    """How many levels each image holds, and whether they are too coarse for what it shows."""
    n = len(images)
    ordered = np.sort(images.reshape(n, -1), axis=1)
    levels = 1 + (np.diff(ordered, axis=1) > 0).sum(axis=1)
    few = (levels > 1) & (levels <= min(LEVELS, ordered.shape[1] // PER_LEVEL))
    coarse = np.zeros(n, dtype=bool)
    step = np.full(n, np.nan)
    for row in np.flatnonzero(few):
        step[row] = np.median(np.diff(np.unique(ordered[row])))
        coarse[row] = fine[row] < DITHERED * step[row] and not _photons(images[row] - level[row], step[row])
    return {"levels": levels, "step": step, "coarse": coarse}


def _photons(above: Float[np.ndarray, "h w"], step: float) -> bool:
    """Whether the bright pixels scatter as counts of `step` each would."""
    mean = frame.separable(above[None, 1:-1, 1:-1], np.full(3, 1 / 3))[0]
    bright = mean > step
    if not bright.any():
        return False
    return bool((fine_noise(above[None])[0][bright] ** 2).mean() > PHOTONS * step * mean[bright].mean())


def check(seen: Measured) -> list[Finding]:
    which = seen["coarse"]
    if which.mean() <= FEW:
        return []
    levels = float(np.median(seen["levels"][which]))
    return [
        finding(
            "grey_levels",
            f"{which.mean():.0%} of the images hold steps coarser than their noise: {levels:.0f} levels in the median",
            median_levels=levels,
            median_step=float(np.median(seen["step"][which])),
            **seen.who(which),
        )
    ]
