"""Files that belong to an image: its noise map, its PSF and its mask."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import map_coordinates

from pipeline.errors import InputError
from pipeline.params import Ingest

REACH = 50  # pixels from the peak of a PSF in which it must fall to half
FLOOR = 1e-5  # of the peak of a PSF: fainter pixels count as this
ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)


def companions_of(ingest: Ingest, image: Path) -> dict[str, Path]:
    """Where the companions of an image below `ingest.path` should be; those that nothing was said of are left out."""
    root, found = Path(ingest.path), {}
    for what in ("noise", "psf", "mask"):
        if pattern := getattr(ingest.companions, what):
            beside = image.relative_to(root).parent / pattern.replace("{stem}", image.stem)
            name = Path(os.path.normpath(beside))
            if name.is_absolute() or name.parts[0] == "..":
                raise InputError(
                    f"ingest.companions.{what}: {pattern!r} leads out of {root}, which is what DVC watches"
                )
            found[what] = root / name
    return found


@dataclass(frozen=True)
class Companions:
    """The companions of one image; each is read when it is asked for. Raises `InputError`, naming the file."""

    files: Mapping[str, Path]
    read: Callable[[Path], Float[np.ndarray, "h w"]]
    pixel_scale: float  # arcsec, of the image and its PSF; NaN: unknown

    def mask(self, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"] | None:
        """Pixels not to be used: those that are not 0 in the mask, as in PyAutoLens's `mask_extra_galaxies`, where 1
        is light that does not belong to the lens."""
        plane = self._plane("mask", shape)
        return None if plane is None else plane != 0

    def noise(self, shape: tuple[int, ...], mask: Bool[np.ndarray, "h w"] | None) -> float:
        """The median of the noise map over pixels that count: the sky rms where the sky is most of the frame. Lost is
        how the noise grows on bright pixels, and where the exposure was shorter."""
        plane = self._plane("noise", shape)
        if plane is None:
            return np.nan
        good = plane[np.isfinite(plane) & (plane > 0) & (True if mask is None else ~mask)]
        if not len(good):
            raise InputError(f"{self.files['noise']}: no unmasked pixel of this noise map is above zero")
        return float(np.median(good))

    def psf_fwhm(self) -> float:
        """Full width at half maximum of the PSF [arcsec], whose pixels are taken to be those of the image."""
        if "psf" not in self.files:
            return np.nan
        file, width = self.files["psf"], fwhm(self.read(self.files["psf"]))
        if not width > 0:
            raise InputError(f"{file}: this PSF does not fall to half of its peak within its frame or {REACH} pixels")
        if not self.pixel_scale > 0:
            raise InputError(f"{file}: the pixel scale of its image is unknown; state ingest.pixel_scale")
        return self.pixel_scale * width

    def _plane(self, what: str, shape: tuple[int, ...]) -> Float[np.ndarray, "h w"] | None:
        if what not in self.files:
            return None
        plane = self.read(self.files[what])
        if plane.shape != shape:
            size, expected = (" x ".join(map(str, s)) for s in (plane.shape, shape))
            raise InputError(f"{self.files[what]}: {size} pixels, but its image has {expected}")
        return plane


def fwhm(kernel: Float[np.ndarray, "h w"]) -> float:
    """Full width at half maximum of a kernel [pixels]; NaN if it has none.

    Twice the radius where the mean over azimuth falls to half of the peak: unlike second moments it does not care for
    the wings. The logarithm of the kernel is interpolated (cubic) about the subpixel peak, exactly for a Gaussian.
    """
    kernel = np.where(np.isfinite(kernel), kernel, 0)
    if min(kernel.shape) < 3 or not kernel.max() > 0:
        return np.nan
    logarithm = np.log(np.maximum(kernel / kernel.max(), FLOOR))
    row, column = np.unravel_index(np.argmax(logarithm), kernel.shape)
    down = row + _summit(logarithm[max(row - 1, 0) : row + 2, column])
    across = column + _summit(logarithm[row, max(column - 1, 0) : column + 2])
    reach = min(down, across, kernel.shape[0] - 1 - down, kernel.shape[1] - 1 - across, REACH)
    radii = np.arange(0, reach, 0.05)[:, None]
    at = np.stack(np.broadcast_arrays(down + radii * np.sin(ANGLES), across + radii * np.cos(ANGLES)))
    profile = np.exp(map_coordinates(logarithm, at, order=3, mode="mirror")).mean(axis=1)
    below = np.flatnonzero(profile < profile[:1] / 2)
    if not len(below):
        return np.nan
    here = slice(below[0] - 1, below[0] + 1)
    return 2 * float(np.interp(-profile[0] / 2, -profile[here], radii[here, 0]))


def _summit(three: Float[np.ndarray, " three"]) -> float:
    """Where a parabola through three values has its top, from the middle one, which is the highest; 0 at an edge."""
    if len(three) < 3 or (bend := three[0] - 2 * three[1] + three[2]) == 0:
        return 0.0
    return float((three[0] - three[2]) / (2 * bend))
