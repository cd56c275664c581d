"""Point-spread functions: how a camera spreads the light of a point, in steps of the rays, adding up to one."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
GAUSSIAN_REACH = 4.0  # standard deviations: 6e-5 of the light lies beyond
MOFFAT_REACH = 4.0  # FWHM; with beta 3.5, 4e-4 of the light lies beyond


@dataclass(frozen=True)
class Psf:
    """A kernel of odd sides; `axis` is one axis of it where it is the product of two alike."""

    plane: Float[np.ndarray, "k k"]
    axis: Float[np.ndarray, " k"] | None = None

    @property
    def radius(self) -> int:
        return len(self.plane) // 2


def gaussian(fwhm: float, step: float, radius: int) -> Psf:
    """Sampled every `step` arcsec, out to `radius` steps."""
    axis = np.exp(-0.5 * (np.arange(-radius, radius + 1) * step * FWHM / fwhm) ** 2)
    axis /= axis.sum()
    return Psf(np.outer(axis, axis), axis)


def moffat(fwhm: float, beta: float, step: float, radius: int) -> Psf:
    """(1 + (r / a)^2)^-beta: the wings of an atmosphere. Moffat 1969, A&A 3, 455."""
    width = fwhm / (2 * math.sqrt(2 ** (1 / beta) - 1))
    at = np.arange(-radius, radius + 1) * step / width
    plane = (1 + at[:, None] ** 2 + at[None] ** 2) ** -beta
    return Psf(plane / plane.sum())


def image(plane: Float[np.ndarray, "k k"], sampling: int, supersampling: int, factor: float, radius: int) -> Psf:
    """A picture of the PSF that has `sampling` steps a pixel, interpolated to `supersampling` of them and `factor`
    times as wide, out to `radius` steps; dark outside."""
    at = np.arange(-radius, radius + 1) * sampling / (supersampling * factor) + (len(plane) - 1) / 2
    rows, columns = np.meshgrid(at, at, indexing="ij")
    found = map_coordinates(plane, [rows, columns], order=1, mode="constant")
    return Psf(found / found.sum())


def reach(kind: str, fwhm: float, pixel_scale: float) -> int:
    """Pixels from which the PSF still reaches into a pixel."""
    far = GAUSSIAN_REACH / FWHM if kind == "gaussian" else MOFFAT_REACH
    return math.ceil(far * fwhm / pixel_scale)
