"""Files that belong to an image: its noise map, its PSF and its mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from pipeline import params
from pipeline.errors import InputError


def companions_of(named: params.Companions, image: Path) -> dict[str, Path]:
    """Where the companions of an image should be; those that nothing was said of are left out."""
    patterns = {"noise": named.noise, "psf": named.psf, "mask": named.mask}
    return {
        what: image.with_name(pattern.replace("{stem}", image.stem)) for what, pattern in patterns.items() if pattern
    }


@dataclass(frozen=True)
class Companions:
    """The companions of one image; each is read when it is asked for. Raises `InputError`, naming the file."""

    files: Mapping[str, Path]
    read: Callable[[Path], Float[np.ndarray, "h w"]]
    pixel_scale: float  # arcsec

    def mask(self, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"] | None:
        """Pixels not to be used: those that are not zero in the mask, as PyAutoLens writes its extra galaxies."""
        plane = self._plane("mask", shape)
        return None if plane is None else plane != 0

    def noise(self, shape: tuple[int, ...], mask: Bool[np.ndarray, "h w"] | None) -> float:
        """The median of the noise map over pixels that count: the sky rms where the sky is most of the frame. Lost is
        how the noise grows on bright pixels."""
        plane = self._plane("noise", shape)
        if plane is None:
            return np.nan
        good = plane[np.isfinite(plane) & (plane > 0) & (True if mask is None else ~mask)]
        if not len(good):
            raise InputError(f"{self.files['noise']}: no pixel of this noise map is above zero")
        return float(np.median(good))

    def psf_fwhm(self) -> float:
        """Full width at half maximum of the PSF [arcsec]: twice the radius where its azimuthal mean falls to half."""
        if "psf" not in self.files:
            return np.nan
        width = self.pixel_scale * fwhm(self.read(self.files["psf"]))
        if not width > 0:
            raise InputError(f"{self.files['psf']}: this PSF does not fall to half of its peak")
        return width

    def _plane(self, what: str, shape: tuple[int, ...]) -> Float[np.ndarray, "h w"] | None:
        if what not in self.files:
            return None
        plane = self.read(self.files[what])
        if plane.shape != shape:
            raise InputError(f"{self.files[what]}: {plane.shape} pixels, where its image has {shape}")
        return plane


def fwhm(kernel: Float[np.ndarray, "h w"]) -> float:
    """Full width at half maximum of a kernel about its brightest pixel [pixels]; NaN if it has none.

    From the pixels in order of their distance, averaged at equal distances and interpolated between: unlike second
    moments it does not care for the wings.
    """
    y, x = np.indices(kernel.shape)
    centre = np.unravel_index(np.nanargmax(kernel), kernel.shape) if np.isfinite(kernel).any() else (0, 0)
    distance, ring = np.unique(np.hypot(y - centre[0], x - centre[1]).ravel(), return_inverse=True)
    profile = np.bincount(ring, kernel.ravel()) / np.bincount(ring)
    below = np.flatnonzero(profile < profile[0] / 2)
    if not len(below) or not profile[0] > 0:
        return np.nan
    after = below[0]
    return 2 * float(np.interp(profile[0] / 2, profile[[after, after - 1]], distance[[after, after - 1]]))
