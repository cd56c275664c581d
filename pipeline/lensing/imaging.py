"""Imaging: what a camera records of a scene, through its PSF, in pixels, with noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from pipeline.lensing import fused, photons, psf
from pipeline.lensing.instruments import Instrument
from pipeline.lensing.psf import Psf
from pipeline.lensing.scene import Scene, brightness

TOLERANCE = 0.2  # of the noise of an empty pixel
SHARPEST = 0.8  # steps of the rays in a standard deviation of the PSF: a Gaussian that is sampled so is exact to 4e-6


@dataclass(frozen=True)
class Camera:
    """An instrument with a number of pixels."""

    instrument: Instrument
    size: int  # pixels a side
    psf_image: Float[np.ndarray, "k k"] | None = None  # in place of the instrument's
    psf_sampling: int = 1  # its steps per pixel

    def psf(self, supersampling: int, factor: float = 1.0) -> Psf:
        """Its PSF in steps of the rays, `factor` times as wide as usual."""
        own = self.instrument
        if self.psf_image is not None:
            radius = math.ceil(len(self.psf_image) // 2 / self.psf_sampling * factor) * supersampling
            return psf.image(self.psf_image, self.psf_sampling, supersampling, factor, radius)
        radius = psf.reach(own.psf, own.psf_fwhm * factor, own.pixel_scale) * supersampling
        step = own.pixel_scale / supersampling
        if own.psf == "gaussian":
            return psf.gaussian(own.psf_fwhm * factor, step, radius)
        return psf.moffat(own.psf_fwhm * factor, own.beta, step, radius)

    def needed(self, factor: float = 1.0) -> int:
        """Rays per pixel, along each axis, that the PSF needs: two at least."""
        own = self.instrument
        if self.psf_image is not None:
            return max(2, self.psf_sampling)
        return max(2, math.ceil(SHARPEST * own.pixel_scale * psf.FWHM / (own.psf_fwhm * factor)))

    @property
    def sky(self) -> float:
        """Sky in a pixel, electrons per second."""
        own = self.instrument
        return float(10 ** (-0.4 * (own.sky_brightness - own.zero_point)) * own.pixel_scale**2)

    def sky_rms(self, exposure: float | None = None) -> float:
        """Standard deviation of an empty pixel, electrons per second."""
        return float(self.noise_map(np.zeros(1), exposure)[0])

    def noise_map(self, rate: Float[np.ndarray, "..."], exposure: Any = None) -> Float[np.ndarray, "..."]:
        """Standard deviation of pixels of that expected rate, electrons per second; `exposure` broadcasts."""
        time = self.instrument.exposure if exposure is None else exposure
        return np.sqrt((rate + self.sky) * time + self.instrument.total_read_noise**2) / time


def grid(size: int, pixel_scale: float, supersampling: int, margin: int) -> tuple[Tensor, Tensor]:
    """Coordinates (x, y) of the rays, arcsec, float64, each (h, w); the origin is the middle of the frame.

    `margin` extra rays surround the frame, so that light just outside can be blurred into it.
    """
    count = size * supersampling + 2 * margin
    axis = (torch.arange(count, dtype=torch.float64) - (count - 1) / 2) * (pixel_scale / supersampling)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def render(scene: Scene, camera: Camera, supersampling: int) -> Float[Tensor, "n h w"]:
    """Noise-free images, flux per pixel: plain torch, differentiable, on the device and in the precision of the scene;
    one PSF for all lenses."""
    kernel = camera.psf(supersampling)
    scale = camera.instrument.pixel_scale
    x, y = (axis.to(scene.main["lens_x"]) for axis in grid(camera.size, scale, supersampling, kernel.radius))
    seen = brightness(scene, x, y)
    if kernel.axis is not None:
        axis = torch.from_numpy(kernel.axis).to(seen)
        seen = conv2d(conv2d(seen[:, None], axis[None, None, :, None]), axis[None, None, None, :])
    else:
        seen = conv2d(seen[:, None], torch.from_numpy(kernel.plane).to(seen)[None, None])
    return avg_pool2d(seen, supersampling)[:, 0] * scale**2


def rates(
    scene: Scene, camera: Camera, supersampling: int | None, psf_factor: Sequence[float]
) -> Float[np.ndarray, "n h w"]:
    """Noise-free images, flux per pixel, by the fused kernel.

    Without a number of rays there are as many as the PSF needs, and more wherever one of them is off by more than
    `TOLERANCE` of the noise of an empty pixel.
    """
    chosen = {factor: supersampling or camera.needed(factor) for factor in set(psf_factor)}
    known = {factor: camera.psf(rays, factor) for factor, rays in chosen.items()}
    return fused.images(
        scene,
        camera.size,
        camera.instrument.pixel_scale,
        [chosen[factor] for factor in psf_factor],
        [known[factor] for factor in psf_factor],
        0.0 if supersampling else TOLERANCE * camera.sky_rms(),
    )


def observe(
    rate: Float[np.ndarray, "h w"], camera: Camera, exposure: float, generator: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """One noisy, sky-subtracted image: Poisson counts of source and sky, and Gaussian read noise, per second."""
    counts = photons.poisson((rate + camera.sky) * exposure, generator)
    counts += camera.instrument.total_read_noise * photons.gaussian(rate.shape, generator)
    return counts / exposure - camera.sky
