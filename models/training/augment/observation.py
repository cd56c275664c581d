"""Another observation of the same lens: deeper or shallower, blurred, on another sky. Of raw pixels alone.

How strong each is, is drawn for every image, evenly between none and the given most. Pixels come normalised,
(x - mean) / std; `rms` is that of an empty pixel in those units, channel by channel.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from models.training.augment.cosines import blurred
from models.training.augment.geometry import within

SIGMAS = math.sqrt(8 * math.log(2))  # of a Gaussian in its full width at half maximum


def noise(
    maps: Float[Tensor, "n c h w"],
    generator: torch.Generator,
    magnitude: float,
    sigma: float = 0.5,
    *,
    rms: Float[Tensor, " c"],
) -> Float[Tensor, "n c h w"]:
    """White Gaussian noise of up to `sigma` sky rms more, as if the exposure had been shorter: 1 halves it."""
    each = magnitude * sigma * torch.rand(len(maps), 1, 1, 1, generator=generator)
    more = torch.randn(maps.shape, generator=generator)  # on the CPU, so that every device sees the same
    return maps + (each * rms[:, None, None] * more).to(maps)


def psf(
    maps: Float[Tensor, "n c h w"],
    generator: torch.Generator,
    magnitude: float,
    fwhm: float = 0.05,
    *,
    pixel_scale: float,
) -> Float[Tensor, "n c h w"]:
    """Gaussian blur of up to `fwhm` [arcsec] more. Its square adds to that of the PSF; noise is blurred with the rest.

    A blur keeps what is constant, and so takes no notice of the normalisation.
    """
    each = magnitude * fwhm / SIGMAS / pixel_scale * torch.rand(len(maps), generator=generator)
    return blurred(maps, each)


def sky(
    maps: Float[Tensor, "n c h w"],
    generator: torch.Generator,
    magnitude: float,
    level: float = 0.5,
    *,
    rms: Float[Tensor, " c"],
) -> Float[Tensor, "n c h w"]:
    """A constant of up to `level` sky rms more or less: what its subtraction may leave. One for all bands."""
    each = magnitude * level * within(len(maps), generator)[:, None, None, None]
    return maps + (each * rms[:, None, None]).to(maps)
