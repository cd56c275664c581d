"""Source `deeplense`: a folder of .npy files as the public DeepLense generator writes them, read recursively.

A file holds an image (height x width, or with an axis of bands first or last), or a pickled object array
`[image, mass]`, whose mass arrives as the label `mass`. The folder that a file lies in is its class. A pickle is a
program: `pipeline/sources/pickles.py` reads it without letting it do anything.
"""

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.arrays import MOST_BANDS
from pipeline.sources.files import below, chosen_bands, fingerprint_of
from pipeline.sources.frame import Frame
from pipeline.sources.pickles import read_pickled
from pipeline.sources.rows import open_rows

LONGEST_HEADER = 10_000  # bytes, NumPy's own bound


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default `**/*.npy`)."""
    for name, how in ingest.targets.items():
        if not ingest.labels and how.column != "mass":
            raise InputError(
                f"ingest.targets.{name}.column: the files of deeplense have 'mass', not {how.column!r}; "
                "ingest.labels can name a table that has it"
            )
    root, names = below(ingest, ("**/*.npy",), Path.is_file)
    return open_rows(ingest, names, _Load(ingest, root, names), fingerprint_of(root, names))


@dataclass(frozen=True)
class _Load:
    ingest: Ingest
    root: Path
    names: list[str]

    def __call__(self, row: int) -> Frame:
        name = self.names[row]
        return read_image(self.ingest, self.root / name, kind=PurePosixPath(name).parent.name)


def read_image(ingest: Ingest, path: Path, kind: str = "") -> Frame:
    """The image of one .npy file, in its own dtype, and its mass. Raises `InputError`."""
    array, labels = _read(path), {}
    if array.dtype == object and array.shape == (2,):
        image, mass = array
        if not isinstance(image, np.ndarray) or not isinstance(mass, float | int | np.floating | np.integer):
            raise InputError(f"{path}: an object array must be [image, mass], not {_kinds(array)}")
        array, labels = image, {"mass": float(mass)}
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected an image of real numbers, not {array.dtype} of shape {array.shape}")
    bands = _bands_first(path, array.astype(array.dtype.newbyteorder("="), copy=False))
    return Frame(image=bands[chosen_bands(ingest, path, len(bands))], labels=labels, kind=kind)


def _bands_first(path: Path, image: np.ndarray) -> np.ndarray:
    size = " x ".join(map(str, image.shape))
    if image.ndim == 4:
        raise InputError(f"{path}: {size} is many images in one file; ingest.source: npz reads those")
    if image.ndim == 2:
        return image[None]
    short = [axis for axis, side in enumerate(image.shape) if side <= MOST_BANDS]
    if image.ndim != 3 or short not in ([0], [2]):
        raise InputError(
            f"{path}: {size} is not height x width, nor has it one axis of at most {MOST_BANDS} bands, first or last"
        )
    return image if short == [0] else np.moveaxis(image, 2, 0)


def _read(path: Path) -> np.ndarray:
    try:
        return _array(path)
    except Exception as error:  # headers and pickles of foreign bytes fail in every way there is
        raise InputError(f"{path}: not a readable .npy file: {error}") from error


def _array(path: Path) -> np.ndarray:
    """What np.load would give, without its trust in pickles and in the sizes that headers announce."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        if version != (1, 0) and int.from_bytes(file.peek(4)[:4], "little") > LONGEST_HEADER:
            raise ValueError("its header is longer than any that NumPy writes")
        shape, fortran, dtype = header(file)
        data = file.read()
    if dtype.hasobject:
        array = read_pickled(data)
        if array.shape != shape:
            raise ValueError(f"its header announces shape {shape}, its pickle holds {array.shape}")
        return array
    announced = dtype.itemsize * math.prod(shape)
    if len(data) != announced:
        raise ValueError(f"its header announces {announced} bytes of data, there are {len(data)}")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _kinds(array: np.ndarray) -> str:
    return "[" + ", ".join(type(part).__name__ for part in array) + "]"
