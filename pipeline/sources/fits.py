"""Source `fits`: a folder of FITS images, chosen by `ingest.pattern`, with an optional CSV of labels.

A file must hold exactly one 2-D image, in whichever HDU. A row of the CSV belongs to the file that its
`ingest.label_id` column names; an empty cell is an unknown target, and without a CSV every target is unknown.
"""

import math
import warnings
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.utils.exceptions import AstropyWarning

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.files import Labels, find, open_files


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default `**/*.fits`)."""
    root, names = find(ingest.path, ingest.pattern or "**/*.fits")
    labels = _labels(ingest, root, names) if ingest.labels else {}
    return open_files(ingest, names, partial(load, root, labels))


def load(root: Path, labels: dict[str, Labels], path: Path) -> tuple[np.ndarray, Labels]:
    """The image of one file and its row of the labels."""
    return _image(path), labels.get(path.relative_to(root).as_posix(), {})


def _image(path: Path) -> np.ndarray:
    """The one 2-D image of a FITS file, in native byte order."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            warnings.filterwarnings("error", message=".*truncated", category=AstropyWarning)  # elsewhere only a warning
            with path.open("rb") as file, fits.open(file, memmap=False) as hdus:  # astropy would leak the file
                images = {i: hdu.data for i, hdu in enumerate(hdus) if hdu.is_image and hdu.data is not None}
    except (OSError, ValueError, TypeError, KeyError, VerifyError, AstropyWarning) as error:
        raise InputError(f"{path}: not a readable FITS file: {error}") from error
    if len(images) != 1:
        found = ", ".join(f"HDU {i} {data.shape}" for i, data in images.items()) or "none"
        raise InputError(f"{path}: expected exactly one image, found {found}")
    (image,) = images.values()
    if image.ndim != 2:
        raise InputError(f"{path}: expected a 2-D image, not one of shape {image.shape}")
    return image.astype(image.dtype.newbyteorder("="))


def _labels(ingest: Ingest, root: Path, names: list[str]) -> dict[str, Labels]:
    """{file: {column: value}} for the columns that the targets need."""
    path = root / ingest.labels
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"ingest.labels: {ingest.labels} lies outside {root}; put it in, so that DVC sees it change")
    table = _table(path)
    columns = sorted({how.column for how in ingest.targets.values()})
    for column in (ingest.label_id, *columns):
        if column not in table:
            raise InputError(f"{path}: no column {column!r}; there are {', '.join(table.columns)}")
    rows: dict[str, Labels] = {}
    known = _by_name(names)
    for line, (identity, *cells) in enumerate(table[[ingest.label_id, *columns]].itertuples(index=False), start=2):
        if not identity:
            raise InputError(f"{path}: line {line} has no {ingest.label_id}; it must name its image file")
        name = known.get(identity, identity)
        if name in rows:
            raise InputError(f"{path}: line {line}: {identity} is there twice; one row an image")
        rows[name] = {column: _number(path, line, column, cell) for column, cell in zip(columns, cells, strict=True)}
    absent = [name for name in names if name not in rows]
    if absent:
        raise InputError(
            f"{path}: no row for {absent[0]} and {len(absent) - 1} more of {len(names)} images; "
            f"give each a row (an empty cell means unknown), with its path in column {ingest.label_id!r}"
        )
    return rows


def _by_name(names: list[str]) -> dict[str, str]:
    """Files by name, and by name without ending where that means one file only."""
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in names]
    once = {stem: name for stem, name in zip(stems, names, strict=True) if stems.count(stem) == 1}
    return once | {name: name for name in names}


def _table(path: Path) -> pd.DataFrame:
    """The CSV as text: nothing in it is guessed."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; ingest.labels is a CSV inside ingest.path") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable CSV: {error}") from error


def _number(path: Path, line: int, column: str, cell: str) -> float:
    """A cell as a number; an empty one is NaN."""
    try:
        value = float(cell) if cell.strip() else math.nan
    except ValueError:
        raise InputError(f"{path}: line {line}: {column} is {cell!r}, not a number") from None
    if math.isinf(value):
        raise InputError(f"{path}: line {line}: {column} is {cell!r}; leave the cell empty if it is unknown")
    return value
