"""Source `fits`: a folder of FITS images, chosen by `ingest.pattern`, with the files that belong to each.

`ingest.hdus` says which images of a file are its bands, by index or EXTNAME; without it a file must hold exactly one.
The pixel scale comes from a celestial WCS, else from a keyword, else from `ingest.pixel_scale`.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, WcsError
from astropy.wcs.utils import proj_plane_pixel_scales

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.companions import Companions, companions_of
from pipeline.sources.files import below, chosen_bands, fingerprint_of
from pipeline.sources.frame import Frame
from pipeline.sources.rows import open_rows

INFLATION = 64  # a compressed image may be this many times its file
SQUARE = 0.01  # relative: pixels whose sides differ by more are refused
KEYWORDS = {  # where the headers of the field have them; the first that is a number counts
    "pixel_scale": ("PIXSCALE", "PIXSCAL1", "SECPIX", "PIXELSCL"),
    "exposure": ("EXPTIME", "EXPOSURE"),
    "gain": ("GAIN", "CCDGAIN", "EGAIN", "ATODGAIN", "CELL.GAIN"),
    "zero_point": ("MAGZPT", "MAGZERO", "ZEROPNT", "PHOTZP", "ZP", "FPA.ZP"),
}


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default all .fits and .fit) and is no companion
    of another."""
    root, found = below(ingest, ("**/*.fits", "**/*.fit"), Path.is_file)
    others = {other for name in found for other in companions_of(ingest.companions, root / name).values()}
    names = [name for name in found if root / name not in others]
    if not names:
        raise InputError(f"{root}: every file is a companion of another (ingest.companions); none is an image")
    belonging = sorted(other.relative_to(root).as_posix() for other in others if other.is_file())
    changed = fingerprint_of(root, [*names, *belonging])
    units = ingest.units or _units(ingest, root / names[0])
    return open_rows(ingest, names, _Load(ingest, root, names), changed, units=units)


@dataclass(frozen=True)
class _Load:
    ingest: Ingest
    root: Path
    names: list[str]

    def __call__(self, row: int) -> Frame:
        return read_image(self.ingest, self.root / self.names[row])


def read_image(ingest: Ingest, path: Path) -> Frame:
    """The image of a FITS file with its bands, and what its header and its companions say. Raises `InputError`."""
    with _opened(path) as hdus:
        chosen = _chosen(path, hdus, ingest.hdus)
        header = hdus[0].header + chosen[0].header  # the first image's own cards come last, and count
        image = np.concatenate([_bands(path, hdu) for hdu in chosen])
        image = image[chosen_bands(ingest, path, len(image))]
        wcs = _celestial(path, chosen[0].header)
        observed = {name: _number(header, keys) for name, keys in KEYWORDS.items()}
    if wcs is not None:
        observed["pixel_scale"] = _scale(path, wcs)
    if math.isnan(observed["pixel_scale"]):
        observed["pixel_scale"] = ingest.pixel_scale or math.nan
    beside = Companions(companions_of(ingest.companions, path), partial(_plane, path), observed["pixel_scale"])
    mask, observed["psf_fwhm"] = beside.mask(image.shape[1:]), beside.psf_fwhm()
    return Frame(
        image=image,
        mask=None if mask is None else np.broadcast_to(mask, image.shape),
        noise=beside.noise(image.shape[1:], mask),
        observed={name: value for name, value in observed.items() if math.isfinite(value)},
        to_pixel=None if wcs is None else partial(_to_pixel, wcs),
    )


@contextmanager
def _opened(path: Path) -> Iterator[fits.HDUList]:
    """The file, every complaint of the library an `InputError` with its name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=".*truncated", category=AstropyWarning)  # elsewhere only a warning
            with path.open("rb") as file, fits.open(file, memmap=False) as hdus:  # astropy would leak the file
                yield hdus
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path}: not a readable FITS file: {error}") from error
    except (VerifyError, WcsError, AstropyWarning, MemoryError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable FITS file: {error}") from error


def _chosen(path: Path, hdus: fits.HDUList, wanted: list[int | str]) -> list[Any]:
    """The HDUs asked for, in that order, or the only one with an image."""
    images = {i: hdu for i, hdu in enumerate(hdus) if hdu.is_image and hdu.shape}
    listed = ", ".join(f"{i} {hdu.name or 'unnamed'} {hdu.shape}" for i, hdu in images.items()) or "none"
    if not wanted:
        if len(images) != 1:
            raise InputError(f"{path}: expected exactly one image, found {listed}; ingest.hdus chooses")
        return list(images.values())
    found: list[Any] = []
    for name in wanted:
        here = [hdu for i, hdu in images.items() if i == name or fnmatchcase(hdu.name, str(name).upper())]
        if not here:
            raise InputError(f"{path}: no image {name!r} (ingest.hdus); there are {listed}")
        found += here
    return found


def _bands(path: Path, hdu: Any) -> np.ndarray:
    """The pixels of an HDU, bands first, in native byte order; read only if the file can hold them."""
    size, announced = path.stat().st_size, math.prod(hdu.shape) * abs(int(hdu.header["BITPIX"])) // 8
    bound = size * INFLATION if isinstance(hdu, fits.CompImageHDU) else size
    if announced > bound:
        raise InputError(f"{path}: its header announces {announced} bytes of pixels, and the file has {size}")
    data = hdu.data
    if data.ndim not in (2, 3):
        raise InputError(f"{path}: expected an image of 2 axes, or 3 with the bands first, not of shape {data.shape}")
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    return data if data.ndim == 3 else data[None]


def _plane(image: Path, path: Path) -> np.ndarray:
    """The one 2-D image of a companion file."""
    if not path.is_file():
        raise InputError(f"{image}: its companion {path.name} is not there (ingest.companions)")
    with _opened(path) as hdus:
        plane = _bands(path, _chosen(path, hdus, [])[0])
        if len(plane) != 1:
            raise InputError(f"{path}: a companion has one band, not {len(plane)}")
        return plane[0].astype(np.float64)


def _celestial(path: Path, header: fits.Header) -> WCS | None:
    wcs = WCS(header)
    return wcs.celestial if wcs.has_celestial and wcs.celestial.naxis == 2 else None


def _scale(path: Path, wcs: WCS) -> float:
    """Arcseconds per pixel of square pixels."""
    across, down = (float(side) * 3600 for side in proj_plane_pixel_scales(wcs))
    if not across > 0 or abs(across - down) > SQUARE * across:
        raise InputError(f"{path}: its pixels are {across:g} x {down:g} arcsec; resample them to squares first")
    return across


def _to_pixel(wcs: WCS, ra: float, dec: float) -> tuple[float, float]:
    x, y = wcs.all_world2pix(ra, dec, 0)
    return float(x), float(y)


def _number(header: fits.Header, keys: tuple[str, ...]) -> float:
    values = (header[key] for key in keys if key in header)
    numbers = (float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    return next((number for number in numbers if math.isfinite(number)), math.nan)


def _units(ingest: Ingest, path: Path) -> str:
    """BUNIT of a file; "" if it has none, or cannot be read: then its row is refused later."""
    try:
        with _opened(path) as hdus:
            return str(_chosen(path, hdus, ingest.hdus)[0].header.get("BUNIT", "")).strip()
    except InputError:
        return ""
