"""Images as a worse observation would have them, made of the images themselves: what any source's can undergo.

Noise is added and a PSF widened; neither can be taken away again, and what was never recorded cannot be shown.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float

from models.training.augment.cosines import blurred
from pipeline.lensing.populations import SHIFT, generator
from pipeline.lensing.psf import FWHM


def noisier(
    images: Float[np.ndarray, "n b h w"],
    rms: Float[np.ndarray, " n"],
    factor: float,
    rows: Sequence[int],
    mask: Bool[np.ndarray, "n b h w"] | None = None,
) -> Float[np.ndarray, "n b h w"]:
    """White noise of sqrt(factor^2 - 1) times the sky `rms` more, so that an empty pixel has `factor` times its own.

    It is Gaussian. Each row has random numbers of its own; what was not measured (`mask`) is not touched. float32.
    """
    more = np.stack([generator(0, row, SHIFT).standard_normal(images.shape[1:]) for row in rows])
    added = math.sqrt(factor**2 - 1) * rms[:, None, None, None] * more
    return (images + (added if mask is None else np.where(mask, 0, added))).astype(np.float32)


def wider(
    images: Float[np.ndarray, "n b h w"], width: Float[np.ndarray, " n"], factor: float
) -> tuple[Float[np.ndarray, "n b h w"], Float[np.ndarray, " n"]]:
    """Images with their PSF, `width` pixels wide (FWHM), made `factor` times as wide; and what is left of white noise.

    They are convolved with the Gaussian between the two, which is exact where the PSF is a Gaussian. The noise is
    blurred with the light: fainter, and correlated between pixels, as that of a camera with this PSF would not be.
    float32.
    """
    sigma = torch.from_numpy(width * math.sqrt(factor**2 - 1) / FWHM)
    made = blurred(torch.from_numpy(images).double(), sigma)
    point = torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.float64)
    point[..., images.shape[2] // 2, images.shape[3] // 2] = 1
    left = blurred(point, sigma).square().sum(dim=(1, 2, 3)).sqrt()
    return made.numpy().astype(np.float32), left.numpy()
