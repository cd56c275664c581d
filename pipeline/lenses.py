"""The table of lenses: what `describe` measures of every image, one line a row of the image store."""

import io

import pandas as pd

from pipeline import atomic
from pipeline.errors import InputError
from pipeline.places import Place, place

COLUMNS = {  # name: meaning; NaN where it cannot be known
    "id": "name of the row in its source",
    "row": "of the image store, from 0",
    "group": "rows that must not be parted",
    "kind": "class of the lens; empty where there is none",
    "flux": "sum over the first band, less the level of its border; units of the images times pixels",
    "signal_to_noise": "of all light that stands out, against the noise of the sky alone",
    "ring_radius": "Einstein radius as the image shows it, in `ring_unit`",
    "ring_unit": "arcsec; pixel where the pixel scale is unknown",
    "ring_over_psf": "ring_radius over the FWHM of the PSF",
}


def write(table: pd.DataFrame, path: str | Place) -> None:
    """Write a table whole or not at all."""
    atomic.write(path, table[list(COLUMNS)].to_parquet(index=False))


def read(path: str | Place, rows: int) -> pd.DataFrame:
    """The table of an image store with so many rows, in their order."""
    path = place(path)
    remedy = "python -m pipeline.describe writes it (dvc repro describe)"
    if not path.is_file():
        raise InputError(f"{path}: no such file; {remedy}")
    try:
        table = pd.read_parquet(io.BytesIO(path.read_bytes()), columns=list(COLUMNS))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table of lenses ({error}); {remedy}") from error
    if len(table) != rows:
        raise InputError(f"{path}: made for {len(table)} rows, but the images have {rows}; {remedy}")
    for line, row in enumerate(table["row"].tolist()):
        if line != row:
            raise InputError(f"{path}: line {line} is of row {row}; lines must be the images' rows in order; {remedy}")
    return table
