"""What a user gives to the simulation: pictures of galaxies to be its sources, and a picture of the PSF."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipeline.errors import InputError
from pipeline.sources.fits import plane as fits_plane
from pipeline.sources.labels import inside

WHOLE = 1e-3  # by which the sum of a PSF may differ from one


def file(folder: str, name: str, key: str) -> str:
    """The absolute path of a file inside `ingest.path`; "" for none."""
    return str(inside(Path(folder), name, key).absolute()) if name else ""


@lru_cache(maxsize=2)
def pictures(path: str) -> Float[np.ndarray, "p h w"]:
    """A cube of galaxies, a plane each, sky-subtracted; mapped, not read. Their fluxes are made alike later."""
    cube = _array(path, "simulation.pictures")
    if cube.ndim != 3 or 0 in cube.shape:
        raise InputError(f"{path}: pictures are a cube (number, height, width), not {cube.shape} (simulation.pictures)")
    for number, plane in enumerate(cube):
        if not np.isfinite(plane).all() or not plane.sum(dtype=np.float64) > 0:
            raise InputError(f"{path}: picture {number} has a NaN or no light in it (simulation.pictures)")
    return cube


@lru_cache(maxsize=2)
def psf(path: str) -> Float[np.ndarray, "k k"]:
    """A PSF with its peak in the middle of odd sides."""
    if path.endswith(".npy"):
        plane = _array(path, "simulation.psf_image").astype(np.float64)
    else:
        plane = fits_plane(Path(path), "simulation.psf_image")
    if plane.ndim != 2 or plane.shape[0] != plane.shape[1] or len(plane) % 2 == 0:
        raise InputError(f"{path}: a PSF is square with odd sides, not {plane.shape} (simulation.psf_image)")
    if not np.isfinite(plane).all() or abs(plane.sum() - 1) > WHOLE:
        raise InputError(f"{path}: this PSF adds up to {plane.sum():.4g}; divide it by that (simulation.psf_image)")
    if np.unravel_index(plane.argmax(), plane.shape) != (len(plane) // 2, len(plane) // 2):
        raise InputError(f"{path}: the peak of this PSF is not in its middle pixel (simulation.psf_image)")
    return plane


def _array(path: str, key: str) -> np.ndarray:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file ({key} is inside ingest.path)") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy array of numbers: {error} ({key})") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf":
        raise InputError(f"{path}: not an array of real numbers ({key})")
    return found
