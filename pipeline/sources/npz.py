"""Source `npz`: arrays of images in .npz archives, with labels as one-dimensional arrays beside them; and .npy cubes.

Nothing is unpickled, and nothing is allocated because a header announces it: the directory of the archive, the header
of the array and the bytes that are there must agree. Rows are read where they lie; a deflated array is written out
once a process to a temporary file ($TMPDIR says where), since one cannot begin in its middle.
"""

import io
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.arrays import Format, Header
from pipeline.sources.cubes import open_cubes
from pipeline.sources.files import below

PATTERNS = ("**/*.npz", "**/*.npy")

HEADER_BYTES = 2**16  # the longest header that is read
INFLATION = 200  # most bytes that a compressed byte may announce; a bomb has 1000, images of zeros and noise 10
HARMLESS = 16 * 2**20  # bytes that any array may announce: a column of one value compresses without end
PIECE = 2**20


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default all .npz and .npy)."""
    return open_cubes(ingest, Format(headers, values), *below(ingest, PATTERNS, Path.is_file))


def headers(path: Path) -> dict[str, Header]:
    """Every array of an archive; of an .npy file its only one, whose name is empty."""
    with _readable(path):
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return {"": _header(*_npy(file), size=path.stat().st_size)}
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            names = [entry.filename.removesuffix(".npy") for entry in entries]
            if len(set(names)) < len(names):
                raise InputError("one of its arrays is there twice")
            return {name: _entry(archive, entry, path) for name, entry in zip(names, entries, strict=True)}


def values(path: Path, name: str, start: int, stop: int) -> Shaped[np.ndarray, "n ..."]:
    """Rows [start, stop) of an array, in its own type."""
    with _readable(path):
        state = path.stat()
        data = _data(path, name, state.st_size, state.st_mtime_ns)
        if data.fortran:  # rows are spread over the whole array
            whole = np.memmap(data.file, data.dtype, "r", data.offset, data.shape, order="F")
            return np.array(whole[start:stop])
        row = math.prod(data.shape[1:])
        array = np.empty((stop - start) * row, dtype=data.dtype)
        data.file.seek(data.offset + start * row * data.dtype.itemsize)
        if data.file.readinto(array.view(np.uint8)) != array.nbytes:
            raise EOFError("it ends in the middle of an array")
        return array.reshape(stop - start, *data.shape[1:])


class _Data:
    """An uncompressed array in an open file."""

    def __init__(self, file: Any, start: int) -> None:
        self.file = file
        file.seek(start)
        self.shape, self.fortran, self.dtype, length = _npy(file)
        self.offset = start + length

    def __del__(self) -> None:
        self.file.close()


@lru_cache(maxsize=1)
def _data(path: Path, name: str, size: int, changed: int) -> _Data:
    """Where the bytes of an array lie, once they are known to be whole: zip keeps a CRC-32 of each."""
    if not name:
        return _Data(path.open("rb"), 0)
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type == zipfile.ZIP_STORED:
            with archive.open(entry) as stream:
                while stream.read(PIECE):  # its end checks the CRC
                    pass
            return _Data(path.open("rb"), _start(path, entry))
        with ExitStack() as opened, archive.open(entry) as stream:
            spilled = opened.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, spilled, PIECE)
            opened.pop_all()  # _Data closes it
            return _Data(spilled, 0)


def _start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Offset of an entry's bytes: behind its local header, whose name and extra field have lengths of their own."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + 26)
        lengths = file.read(4)
    name, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
    return entry.header_offset + 30 + name + extra


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Header:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Header(fault="it is compressed in a way that NumPy does not write")
    if entry.compress_size > path.stat().st_size or entry.file_size > max(HARMLESS, INFLATION * entry.compress_size):
        return Header(fault=f"it announces {entry.file_size} bytes, and {entry.compress_size} are stored")
    with archive.open(entry) as file:
        return _header(*_npy(file), size=entry.file_size)


def _header(shape: tuple[int, ...], fortran: bool, dtype: np.dtype, length: int, size: int) -> Header:
    announced = math.prod(shape) * dtype.itemsize
    fault = ""
    if dtype.hasobject:
        fault = "it holds pickled objects; save plain arrays"
    elif announced != size - length:
        fault = f"its header announces {announced} bytes of data, there are {size - length}"
    return Header(shape=shape, dtype="str" if dtype.kind in "US" else dtype.str, fault=fault)


def _npy(file: Any) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order and type that the header of an .npy file gives, and its length."""
    head = io.BytesIO(file.read(HEADER_BYTES))  # a length field in it may say gigabytes
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(head)
    if any(side < 0 for side in shape):
        raise ValueError(f"its header announces a shape of {shape}")
    return shape, fortran, dtype, head.tell()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Archives and headers of foreign bytes fail in every way there is; a full disk fails like one."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{path}: not a readable .npz or .npy file: {error or type(error).__name__}") from error
