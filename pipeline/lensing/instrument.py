"""The instrument: where rays are cast, how the PSF blurs them, how pixels collect them, and what noise adds."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d


def grid(size: int, pixel_scale: float, supersampling: int, margin: int) -> tuple[Tensor, Tensor]:
    """Coordinates (x, y) of the rays, arcsec, float64, each (h, w); the origin is the middle of the frame.

    `margin` extra pixels surround the frame, so that light just outside can be blurred into it.
    """
    count = (size + 2 * margin) * supersampling
    axis = (torch.arange(count, dtype=torch.float64) - (count - 1) / 2) * (pixel_scale / supersampling)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def psf_margin(psf_fwhm: float, pixel_scale: float) -> int:
    """Pixels around the frame that the PSF can reach from: four standard deviations."""
    return math.ceil(4 * psf_fwhm / (2 * math.sqrt(2 * math.log(2))) / pixel_scale)


def gaussian_psf(psf_fwhm: float, step: float, radius: int) -> Float[Tensor, " k"]:
    """One axis of a Gaussian PSF sampled every `step` arcsec out to `radius` steps; it sums to one."""
    sigma = psf_fwhm / (2 * math.sqrt(2 * math.log(2))) / step
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()


def expose(
    brightness: Float[Tensor, "n hs ws"], pixel_scale: float, supersampling: int, psf_fwhm: float, margin: int
) -> Float[Tensor, "n h w"]:
    """Blur surface brightness on the rays' grid and collect it in pixels: electrons per second per pixel."""
    radius = margin * supersampling
    kernel = gaussian_psf(psf_fwhm, pixel_scale / supersampling, radius).to(brightness)
    blurred = conv2d(brightness[:, None], kernel[None, None, :, None])
    blurred = conv2d(blurred, kernel[None, None, None, :])  # the margin is used up
    return avg_pool2d(blurred, supersampling)[:, 0] * pixel_scale**2


def sky_rms(sky: float, exposure: float, read_noise: float) -> float:
    """Standard deviation of an empty pixel, electrons per second."""
    return math.sqrt(sky * exposure + read_noise**2) / exposure


def observe(
    rate: Float[np.ndarray, "h w"], sky: float, exposure: float, read_noise: float, generator: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """One noisy, sky-subtracted image: Poisson counts of source and sky, and Gaussian read noise, per second."""
    counts = generator.poisson((rate + sky) * exposure) + generator.normal(0.0, read_noise, rate.shape)
    return counts / exposure - sky
