"""Source `deeplense`: a folder of .npy files as the public DeepLense generator writes them, read recursively.

A file holds a plain 2-D array, or a pickled object array `[image, mass]`; the mass arrives as the label `mass`.
A pickle is a program: `pipeline/sources/pickles.py` reads it without letting it do anything.
"""

import math
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.files import Labels, find, open_files
from pipeline.sources.pickles import read_pickled


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default `**/*.npy`)."""
    if ingest.labels:
        raise InputError(f"ingest.labels: the masses of source deeplense are in its files, not in {ingest.labels!r}")
    for name, how in ingest.targets.items():
        if how.column != "mass":
            raise InputError(f"ingest.targets.{name}.column: the files of deeplense have 'mass', not {how.column!r}")
    _, names = find(ingest.path, ingest.pattern or "**/*.npy")
    return open_files(ingest, names, load)


def load(path: Path) -> tuple[np.ndarray, Labels]:
    """The image of one file, in its own dtype, and its labels."""
    try:
        array = _array(path)
    except Exception as error:  # headers and pickles of foreign bytes fail in every way there is
        raise InputError(f"{path}: not a readable .npy file: {error}") from error
    if array.dtype == object and array.shape == (2,):
        image, mass = array
        if not isinstance(image, np.ndarray) or not isinstance(mass, float | int | np.floating | np.integer):
            raise InputError(f"{path}: an object array must be [image, mass], not {_kinds(array)}")
        return _image(path, image), {"mass": float(mass)}
    return _image(path, array), {}


def _image(path: Path, array: np.ndarray) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected a 2-D array of numbers, not {array.dtype} of shape {array.shape}")
    return array


def _array(path: Path) -> np.ndarray:
    """What np.load would give, without its trust in pickles and in the sizes that headers announce."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
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
