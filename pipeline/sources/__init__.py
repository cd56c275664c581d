"""Where images come from: one file a source, and the table of them.

A source is opened with its section of the parameters and answers `read(rows)` with those rows as `Lenses`, in any
order and from any process. To add one: a file with an `open_source` function, and its name in `Ingest.source` of
`pipeline/params/ingest.py`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pipeline.errors import Refused as Refused

OBSERVED = {  # what may be known of how an image was taken, and its unit
    "pixel_scale": "arcsec",
    "psf_fwhm": "arcsec",
    "exposure": "s",
    "gain": "electron / adu",
    "zero_point": "mag",
}


@dataclass(frozen=True)
class Lenses:
    """A batch of lens images and what is known about each."""

    images: Float[np.ndarray, "n b h w"]  # float32, physical units
    targets: Mapping[str, Float[np.ndarray, " n"]]  # float64; NaN: unknown
    id: Shaped[np.ndarray, " n"]  # str, unique in the source
    group: Int[np.ndarray, " n"]  # rows of one group share a halo, a source galaxy or a file, and are never parted
    noise: Float[np.ndarray, " n"]  # sky rms per pixel, units of the images; NaN: unknown
    mask: Bool[np.ndarray, "n b h w"] | None = None  # True: not measured, the value was filled in; None: all measured
    kind: Shaped[np.ndarray, " n"] | None = None  # str, class of dark matter or whatever a source sorts by; "" unknown
    identities: Shaped[np.ndarray, "n i"] | None = None  # str, names of halo, source galaxy, parent image; "" unknown
    observed: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)  # keys of OBSERVED; NaN: unknown


@dataclass(frozen=True)
class Source:
    """An opened source: how many rows, how to read them, and what holds for all of them."""

    rows: int
    shape: tuple[int, int, int]  # bands, height, width
    target_units: Mapping[str, str]  # of every target, after its transform
    read: Callable[[Int[np.ndarray, " n"]], Lenses]  # raises Refused; can be pickled
    units: str  # of the pixels; "": unknown
    provenance: dict[str, Any]  # what the manifest says of the source: no clock, no absolute path
    fingerprint: str  # changes when any file of the source does
    pixel_scale: float | None = None  # arcsec, where one holds for all
    psf_fwhm: float | None = None  # arcsec, likewise
    masked: bool = False  # its Lenses carry masks
    identities: tuple[str, ...] = ()  # what the columns of Lenses.identities name


def group_of(name: str) -> int:
    """A group number for a file that stands alone: stable when files are added or renamed around it."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)
