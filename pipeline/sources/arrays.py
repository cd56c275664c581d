"""Which array of a file is what: the one of images, the axes of it, and the columns beside it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.errors import InputError

MOST_BANDS = 8  # an axis that short, where the others are longer, is of bands


@dataclass(frozen=True)
class Header:
    """What a file says of one of its arrays."""

    shape: tuple[int, ...] = ()
    dtype: str = ""  # as NumPy spells it, such as "<f4"; "str" for text
    chunk_rows: int = 1  # rows that cannot be read apart
    units: str = ""
    fault: str = ""  # why it cannot be used

    def __str__(self) -> str:
        return f"({self.fault})" if self.fault else f"{self.dtype} {' x '.join(map(str, self.shape))}"


Headers = Mapping[str, Header]
Column = list[Any]  # numbers, or text
Values = Callable[[Path, str, int, int], np.ndarray]  # rows [start, stop) of an array by name


@dataclass(frozen=True)
class Format:
    """A kind of file that holds arrays under names. Both functions raise `InputError`."""

    headers: Callable[[Path], Headers]  # of all arrays, without reading them
    values: Values


def images(path: Path, headers: Headers, wanted: str) -> str:
    """The array of images: the one asked for, or the only one that can be."""
    name = wanted or _only(path, headers)
    if name not in headers:
        raise InputError(f"{path}: no array {name!r}; ingest.dataset may be one of {_listed(headers)}")
    header, place = headers[name], _place(path, name)
    if header.fault:
        raise InputError(f"{place}: {header.fault}")
    if not _real(header):
        raise InputError(f"{place}: images must be of real numbers, not {header.dtype}")
    if 0 in header.shape:
        raise InputError(f"{place}: its shape {header.shape} holds no pixels")
    return name


def _only(path: Path, headers: Headers) -> str:
    for dimensions in ((3, 4), (2,)):
        can_be = {name: h for name, h in headers.items() if len(h.shape) in dimensions and (_real(h) or h.fault)}
        if len(can_be) > 1:
            raise InputError(f"{path}: several arrays may be the images; ingest.dataset chooses: {_listed(can_be)}")
        if can_be:
            return next(iter(can_be))
    raise InputError(f"{path}: no array of images in it; there are {_listed(headers)}")


def axes(place: str, shape: tuple[int, ...]) -> str:
    """Which axis is what, as "hw", "nhw", "nbhw" or "nhwb".

    Three axes are images, never one image in bands; of four, the one short axis is of bands.
    """
    short = ["b" if side <= MOST_BANDS else "-" for side in shape[1:]]
    match "".join(short):
        case "b" | "-":
            return "hw"
        case "--" | "bb":
            return "nhw"
        case "b--":
            return "nbhw"
        case "--b":
            return "nhwb"
    size = " x ".join(map(str, shape))
    raise InputError(
        f"{place}: {size} is not images x height x width, nor has it one axis of at most {MOST_BANDS} bands, first or "
        "last of each image; reshape it"
    )


def column(path: Path, headers: Headers, dataset: str, name: str, rows: int, values: Values) -> Column:
    """One value a row, from the array of that name beside the images: numbers, or text."""
    full = beside(dataset, name)
    if full not in headers:
        known = {key: h for key, h in headers.items() if h.shape == (rows,)}
        raise InputError(f"{path}: no array {full!r} of {rows} values; there are {_listed(known)}")
    header, place = headers[full], _place(path, full)
    if header.fault:
        raise InputError(f"{place}: {header.fault}")
    if header.shape != (rows,):
        raise InputError(f"{place}: a column of {rows} images must have the shape ({rows},), not {header.shape}")
    found = values(path, full, 0, rows)
    if header.dtype == "str":
        try:
            return [word.decode() if isinstance(word, bytes) else str(word) for word in found.tolist()]
        except UnicodeDecodeError as error:
            raise InputError(f"{place}: not text: {error}") from error
    if not _real(header):
        raise InputError(f"{place}: a column must be of real numbers or text, not {header.dtype}")
    return found.tolist()


def beside(dataset: str, name: str) -> str:
    """The name of an array in the group of another."""
    group, _, _ = dataset.rpartition("/")
    return f"{group}/{name}" if group else name


def row_bytes(header: Header) -> int:
    return math.prod(header.shape[1:]) * np.dtype(header.dtype).itemsize


def standing(values: Shaped[np.ndarray, "..."], meaning: str) -> Shaped[np.ndarray, "n b h w"]:
    """Images of any axes with bands first, in native byte order."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    match meaning:
        case "hw":
            return values[None, None]
        case "nhw":
            return values[:, None]
        case "nhwb":
            return np.ascontiguousarray(np.moveaxis(values, -1, 1))
    return values


def _real(header: Header) -> bool:
    return header.dtype[1:2] in ("f", "i", "u")


def _place(path: Path, name: str) -> str:
    return f"{path}: {name}" if name else f"{path}"


def _listed(headers: Headers) -> str:
    shown = [f"{name or 'the array'} {header}" for name, header in headers.items()]
    return ", ".join(shown[:12] + ["…"] * (len(shown) > 12)) or "none at all"
