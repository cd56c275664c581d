"""What the header of a FITS image says of how it was taken."""

import math
from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from pipeline.errors import InputError

SQUARE = 0.01  # relative: pixels whose sides differ by more are refused
SCALES = ("PIXSCALE", "PIXSCAL1", "SECPIX", "PIXELSCL")  # arcsec
STEPS = (("CDELT1",), ("CD1_1", "CD2_1"))  # degrees, without a celestial WCS to say so
KEYWORDS = {  # where the headers of the field have them; the first that is a number counts
    "exposure": ("EXPTIME", "EXPOSURE", "XPOSURE"),
    "gain": ("GAIN", "CCDGAIN", "EGAIN", "ATODGAIN", "CELL.GAIN"),
    "zero_point": ("MAGZPT", "MAGZERO", "ZEROPNT", "PHOTZP", "ZP", "FPA.ZP"),
}


def observed(headers: Sequence[fits.Header]) -> dict[str, float]:
    """Exposure, gain and zero point, each from the first header that has it; what none has is left out."""
    found = {name: _number(headers, keys, signed=name == "zero_point") for name, keys in KEYWORDS.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def pixel_scale(path: Path, wcs: WCS | None, headers: Sequence[fits.Header]) -> float:
    """Arcseconds per pixel, from a celestial WCS or else from a keyword; NaN where nothing is said."""
    if wcs is not None:
        return _square(path, wcs)
    said = _number(headers, SCALES)
    return _step(headers) if math.isnan(said) else said


def celestial(path: Path, header: fits.Header, hdus: fits.HDUList) -> WCS | None:
    """The sky coordinates of an image, distortions included; None if its header has none."""
    try:
        wcs = WCS(header, fobj=hdus)
        return (wcs if wcs.naxis == 2 else wcs.celestial) if wcs.has_celestial else None
    except Exception as error:  # wcslib and the tables of distortions fail in every way there is
        raise InputError(f"{path}: its WCS cannot be used: {error or type(error).__name__}") from error


def to_pixel(wcs: WCS, ra: float, dec: float) -> tuple[float, float]:
    """Where a position [deg] is, in pixels from 0. Raises `ValueError` if the WCS does not reach it."""
    try:
        x, y = (float(at) for at in wcs.all_world2pix(ra, dec, 0))
    except Exception as error:  # as above
        raise ValueError(f"ra = {ra:g}, dec = {dec:g} is nowhere in its WCS: {error}") from error
    if not math.isfinite(x) or not math.isfinite(y):
        raise ValueError(f"ra = {ra:g}, dec = {dec:g} is nowhere in its WCS")
    return x, y


def _square(path: Path, wcs: WCS) -> float:
    across, down = (float(side) * 3600 for side in proj_plane_pixel_scales(wcs))
    if not (across > 0 and abs(across - down) <= SQUARE * across):
        raise InputError(f"{path}: its pixels are {across:g} x {down:g} arcsec; resample them to squares first")
    return across


def _step(headers: Sequence[fits.Header]) -> float:
    """Of a header that steps in degrees; a step of 1 is what FITS assumes where nothing is known, and says nothing."""
    for keys in STEPS:
        length = math.hypot(*(step for key in keys if math.isfinite(step := _number(headers, (key,), signed=True))))
        if length not in (0, 1):
            return 3600 * length
    return math.nan


def _number(headers: Sequence[fits.Header], keys: Sequence[str], signed: bool = False) -> float:
    """The first of the keywords that is a finite number, above zero unless signed; NaN if none is."""
    values = (header[key] for header in headers for key in keys if key in header)
    numbers = (float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    return next((number for number in numbers if math.isfinite(number) and (signed or number > 0)), math.nan)
