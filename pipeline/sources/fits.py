"""Source `fits`: a folder of FITS images, chosen by `ingest.pattern`, with the files that belong to each.

`ingest.hdus` says which images of a file are its bands, by index or EXTNAME; without it a file must hold exactly one.
The pixel scale comes from a celestial WCS, else from a keyword, else from `ingest.pixel_scale`.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from jaxtyping import Float, Shaped

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.companions import Companions, companions_of
from pipeline.sources.files import below, chosen_bands, fingerprint_of
from pipeline.sources.frame import Frame
from pipeline.sources.headers import SQUARE, celestial, observed, pixel_scale, to_pixel
from pipeline.sources.rows import open_rows

INFLATION = 8  # a compressed image may be this many times its file,
LEAST = 16 * 2**20  # or this many bytes: files of zeros are small
Images = Mapping[int, Any]  # HDUs that hold an image, by index


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default all .fits and .fit) and is no companion
    of another."""
    root, found = below(ingest, ("**/*.fits", "**/*.fit"), Path.is_file)
    others = {other for name in found for other in companions_of(ingest, root / name).values()}
    names = [name for name in found if root / name not in others]
    if not names:
        raise InputError(f"{root}: every file is a companion of another (ingest.companions); none is an image")
    belonging = sorted(other.relative_to(root).as_posix() for other in others if other.is_file())
    return open_rows(ingest, names, _Load(ingest, root, names), fingerprint_of(root, [*names, *belonging]))


@dataclass(frozen=True)
class _Load:
    ingest: Ingest
    root: Path
    names: list[str]

    def __call__(self, row: int) -> Frame:
        return read_image(self.ingest, self.root / self.names[row])


def read_image(ingest: Ingest, path: Path) -> Frame:
    """The image of a FITS file with its bands, and what its header and its companions say. Raises `InputError`.

    Of several HDUs the first one chosen speaks for all, and the primary header where that is silent.
    """
    with _opened(path) as hdus:
        chosen, primary = _chosen(path, _images(hdus), ingest.hdus), hdus[0].header
        image = _stacked(path, [_bands(path, hdu) for hdu in chosen])
        image = image[chosen_bands(ingest, path, len(image))]
        systems = [(celestial(path, hdu.header, hdus), hdu.header) for hdu in chosen]
        scale = _one_scale(path, [pixel_scale(path, wcs, [header, primary]) for wcs, header in systems])
        said, units = observed([chosen[0].header, primary]), _one_unit(path, chosen)
        sky, _ = systems[0]
    scale = scale if scale > 0 else ingest.pixel_scale or math.nan
    beside = Companions(companions_of(ingest, path), partial(_companion, path), scale)
    mask = beside.mask(image.shape[1:])
    said |= {"pixel_scale": scale, "psf_fwhm": beside.psf_fwhm()}
    return Frame(
        image=image,
        mask=None if mask is None else np.broadcast_to(mask, image.shape),
        noise=beside.noise(image.shape[1:], mask),
        observed={name: value for name, value in said.items() if math.isfinite(value)},
        to_pixel=None if sky is None else partial(to_pixel, sky),
        units=units,
    )


@contextmanager
def _opened(path: Path) -> Iterator[fits.HDUList]:
    """The file; every complaint of the library about it is an `InputError` with its name.

    Only plain FITS is opened: astropy would unpack gzip, bzip2, zip and xz as well, to whatever size.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with warnings.catch_warnings(), path.open("rb") as file:  # astropy would leak the file
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "(?s).*(truncated|corrupted)", AstropyWarning)  # elsewhere only a warning
            if file.read(6) != b"SIMPLE":
                raise InputError(f"{path}: not a readable FITS file: it does not begin with SIMPLE")
            file.seek(0)
            with fits.open(file, memmap=False) as hdus:
                _check_extensions(path, hdus)
                yield hdus
    except InputError:
        raise
    except Exception as error:  # headers of foreign bytes fail in every way there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a readable FITS file: {reason}") from error


def _check_extensions(path: Path, hdus: fits.HDUList) -> None:
    """astropy lets a header pass that has lost its first card, as something that is no image."""
    for i, hdu in enumerate(hdus):
        if i and "XTENSION" not in hdu.header:
            raise InputError(f"{path}: not a readable FITS file: HDU {i} is corrupted: it has no XTENSION card")


def _images(hdus: fits.HDUList) -> Images:
    return {i: hdu for i, hdu in enumerate(hdus) if hdu.is_image and hdu.shape and math.prod(hdu.shape)}


def _chosen(path: Path, images: Images, wanted: list[int | str]) -> list[Any]:
    """The images asked for, in that order and each once, or the only one."""
    if not wanted:
        return [_only(path, images, "ingest.hdus chooses")]
    found: dict[int, Any] = {}
    for name in wanted:
        here = {i: hdu for i, hdu in images.items() if _is_called(name, i, hdu.name)}
        if not here:
            raise InputError(f"{path}: no image {name!r} (ingest.hdus); there are {_listed(images)}")
        found |= {i: hdu for i, hdu in here.items() if i not in found}
    return list(found.values())


def _is_called(wanted: int | str, index: int, name: str) -> bool:
    return index == wanted if isinstance(wanted, int) else fnmatchcase(name.upper(), wanted.upper())


def _only(path: Path, images: Images, otherwise: str) -> Any:
    if len(images) != 1:
        raise InputError(f"{path}: expected exactly one image, found {_listed(images)}; {otherwise}")
    return next(iter(images.values()))


def _listed(images: Images) -> str:
    return ", ".join(f"HDU {i} {hdu.name or 'unnamed'} {hdu.shape}" for i, hdu in images.items()) or "none"


def _bands(path: Path, hdu: Any) -> Shaped[np.ndarray, "b h w"]:
    """The pixels of an HDU, bands first, in native byte order; read only if the file can hold them."""
    if len(hdu.shape) not in (2, 3):
        raise InputError(f"{path}: expected an image of 2 axes, or 3 with the bands first, not of shape {hdu.shape}")
    size, announced = path.stat().st_size, math.prod(hdu.shape) * abs(int(hdu.header["BITPIX"])) // 8
    packed = isinstance(hdu, fits.CompImageHDU)
    room = max(LEAST, INFLATION * size) if packed else size - hdu.fileinfo()["datLoc"]
    if announced > room:
        raise InputError(f"{path}: not a readable FITS file: its header announces {announced} bytes of pixels")
    data = hdu.data.astype(hdu.data.dtype.newbyteorder("="), copy=False)
    return data if data.ndim == 3 else data[None]


def _stacked(path: Path, parts: list[Shaped[np.ndarray, "_ _ _"]]) -> Shaped[np.ndarray, "b h w"]:
    sizes = {part.shape[1:] for part in parts}
    if len(sizes) > 1:
        raise InputError(f"{path}: the bands of an image must have one size, not {sorted(sizes)} (ingest.hdus)")
    return np.concatenate(parts)


def _one_scale(path: Path, scales: list[float]) -> float:
    """The pixel scale of all bands; NaN if none is known."""
    known = [scale for scale in scales if math.isfinite(scale)]
    if known and max(known) > (1 + SQUARE) * min(known):
        raise InputError(f"{path}: the pixels of its bands have {known} arcsec; one image has one scale (ingest.hdus)")
    return known[0] if known else math.nan


def _one_unit(path: Path, chosen: list[Any]) -> str:
    """BUNIT of all bands; "" where none is said."""
    said = {unit for hdu in chosen if (unit := str(hdu.header.get("BUNIT", "")).strip())}
    if len(said) > 1:
        raise InputError(f"{path}: the pixels of its bands are in {' and '.join(sorted(said))} (ingest.hdus)")
    return said.pop() if said else ""


def _companion(image: Path, path: Path) -> Float[np.ndarray, "h w"]:
    if not path.is_file():
        raise InputError(f"{image}: its companion {path.name} is not there (ingest.companions)")
    return plane(path, "ingest.companions")


def plane(path: Path, key: str) -> Float[np.ndarray, "h w"]:
    """The one 2-D image of a file that `key` names."""
    with _opened(path) as hdus:
        bands = _bands(path, _only(path, _images(hdus), "so it must be in a file of its own"))
    if len(bands) != 1:
        raise InputError(f"{path}: one band is needed here, not {len(bands)} ({key})")
    return bands[0].astype(np.float64)
