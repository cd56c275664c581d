"""Where images come from: one file a source, and the table of them.

A source is opened with its section of the parameters and answers `read(start, stop)` with those rows as `Lenses`, in
any order and from any process. To add one: a file with an `open_source` function, and its name in `Ingest.source` of
`pipeline/params.py`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped


@dataclass(frozen=True)
class Lenses:
    """A batch of lens images and what is known about each."""

    images: Float[np.ndarray, "n b h w"]  # float32, physical units
    targets: dict[str, Float[np.ndarray, " n"]]  # float64; NaN: unknown
    id: Shaped[np.ndarray, " n"]  # str, unique in the source
    group: Int[np.ndarray, " n"]  # rows of one group share a halo, a source galaxy or a file, and are never parted
    noise: Float[np.ndarray, " n"]  # sky rms per pixel, units of the images; NaN: unknown


@dataclass(frozen=True)
class Source:
    """An opened source: how many rows, how to read them, and what holds for all of them."""

    rows: int
    shape: tuple[int, int, int]  # bands, height, width
    target_names: tuple[str, ...]
    read: Callable[[int, int], Lenses]
    pixel_scale: float | None  # arcsec
    psf_fwhm: float | None  # arcsec
    units: str  # of the pixels
    provenance: dict[str, Any]


def group_of(name: str) -> int:
    """A group number for a file that stands alone: stable when files are added or renamed around it."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)
