"""Source `deeplense`: a folder of .npy files as the public DeepLense generator writes them, read recursively.

A file holds a plain 2-D array, or a pickled object array `[image, mass]`; the mass arrives as the label `mass`.
A pickle is a program. It is run by an unpickler that can build NumPy arrays and numbers and nothing else, so that
a hostile file is refused before any of it is executed.
"""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.files import Labels, find, open_files


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default `**/*.npy`)."""
    if ingest.labels:
        raise InputError(f"ingest.labels: the masses of source deeplense are in its files, not in {ingest.labels!r}")
    _, names = find(ingest.path, ingest.pattern or "**/*.npy")
    return open_files(ingest, names, load)


def load(path: Path) -> tuple[np.ndarray, Labels]:
    """The image of one file, in its own dtype, and its labels."""
    try:
        array = _array(path)
    except (ValueError, EOFError, OSError, pickle.UnpicklingError, TypeError, AttributeError, IndexError) as error:
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
    """What np.load would give, with the restricted unpickler in place of pickle's own."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if not dtype.hasobject:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        array = _ArrayUnpickler(file).load()
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(f"its header announces an array of shape {shape} and its pickle holds something else")
    return array


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and numbers; any other name in the pickle ends it."""

    def __init__(self, file: io.BufferedReader) -> None:
        super().__init__(file, encoding="latin1")  # arrays pickled under Python 2 hold their bytes as str

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core.", "numpy.core.")  # renamed in NumPy 2
        if (module, name) in _HARMLESS:
            return _HARMLESS[module, name]
        raise pickle.UnpicklingError(f"it pickles {module}.{name}; only NumPy arrays and numbers are read")


def _reconstruct(_subtype: type, _shape: tuple[int, ...], _dtype: str | bytes) -> np.ndarray:
    """The empty array that a pickled one is poured into; whatever size the pickle asks for here, it gets none."""
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _frombuffer(data: bytes | bytearray, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """A pickled array of protocol 5, where its bytes come first."""
    if dtype.hasobject or not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError(f"it pickles a buffer of type {dtype}")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: np.dtype, data: bytes) -> Any:
    """A pickled NumPy number."""
    if dtype.hasobject or not isinstance(data, bytes):
        raise pickle.UnpicklingError(f"it pickles a scalar of type {dtype}")
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """How protocols below 3 spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes bytes as {encoding!r}")
    return text.encode("latin1")


_HARMLESS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
}


def _kinds(array: np.ndarray) -> str:
    return "[" + ", ".join(type(part).__name__ for part in array) + "]"
