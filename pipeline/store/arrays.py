"""What an array of a store is, how its rows are cut into chunks and shards, and the Zarr v3 metadata that says so."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.store.shards import CHECKSUM, Damaged, Layout, checksum

SHARD_BYTES = 256 * 2**20  # the largest file of a store
CHUNK_BYTES = 2**20  # what one checksum covers
BLOCK_BYTES = 16 * 2**20  # about what one call of `produce` is asked for


@dataclass(frozen=True)
class Array:
    """One array of a store: the shape and type of a row, and what it means."""

    name: str
    dtype: str  # NumPy's name, or "str"
    shape: tuple[int, ...] = ()  # of one row
    axes: tuple[str, ...] = ()  # their letters
    units: str = ""
    long_name: str = ""

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * (1 if self.dtype == "str" else np.dtype(self.dtype).itemsize)

    @property
    def sharded(self) -> bool:
        """Pixels are sharded; a column or a table of vectors is one file."""
        return len(self.shape) > 1


@dataclass(frozen=True)
class Cuts:
    """How the rows of a store are cut, alike in all its arrays, so that a span of rows is one shard of each."""

    rows: int
    chunk_rows: int
    shard_rows: int

    @classmethod
    def of(cls, rows: int, arrays: Sequence[Array]) -> "Cuts":
        """The widest row decides; a store of columns alone is one span."""
        widest = max((array.row_bytes for array in arrays if array.sharded), default=0)
        if not widest:
            return cls(rows, max(1, rows), max(1, rows))
        chunk_rows = max(1, CHUNK_BYTES // widest)
        return cls(rows, chunk_rows, chunk_rows * max(1, SHARD_BYTES // (chunk_rows * widest)))

    def spans(self) -> Iterator[tuple[int, int]]:
        """Row ranges [start, stop) that are whole shards."""
        yield from self._steps(0, self.rows, self.shard_rows)

    def blocks(self, start: int, stop: int, arrays: Sequence[Array]) -> Iterator[tuple[int, int]]:
        """A span in whole chunks of bounded size: what is in memory at a time."""
        row_bytes = sum(array.row_bytes for array in arrays)
        chunks = max(1, BLOCK_BYTES // max(1, self.chunk_rows * row_bytes))
        yield from self._steps(start, stop, self.chunk_rows * chunks)

    @staticmethod
    def _steps(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
        yield from ((first, min(first + step, stop)) for first in range(start, stop, step))

    def shard(self, array: Array, number: int) -> tuple[str, Layout]:
        """The file of a shard, relative to the store, and its layout."""
        rows = min(self.shard_rows, self.rows - number * self.shard_rows)
        slots = self.shard_rows // self.chunk_rows
        layout = Layout(rows, self.chunk_rows, slots, array.shape, np.dtype(array.dtype).newbyteorder("<"))
        return _chunk_key(array, number), layout


def column_file(array: Array) -> str:
    """The file of an array that is not sharded, relative to the store."""
    return _chunk_key(array, 0)


def _chunk_key(array: Array, number: int) -> str:
    return "/".join(map(str, (array.name, "c", number, *(0 for _ in array.shape))))


def encode_column(array: Array, values: Shaped[np.ndarray, "..."]) -> bytes:
    """The one chunk of an array that is not sharded, as Zarr's codecs `bytes` or `vlen-utf8`, and `crc32c`, give it."""
    if array.dtype == "str":
        words = [word.encode() for word in values.ravel().tolist()]
        lengths = (len(words), *map(len, words))
        parts = [np.uint32(length).tobytes() for length in lengths]
        data = b"".join([parts[0], *(part for pair in zip(parts[1:], words, strict=True) for part in pair)])
    else:
        data = np.ascontiguousarray(values, dtype=np.dtype(array.dtype).newbyteorder("<")).tobytes()
    return data + checksum(data)


def decode_column(array: Array, rows: int, data: bytes) -> Shaped[np.ndarray, "..."]:
    """The values of such a chunk. Raises `Damaged`."""
    content = data[:-CHECKSUM]
    if checksum(content) != data[-CHECKSUM:]:
        raise Damaged("its checksum is not that of its bytes")
    shape = (rows, *array.shape)
    if array.dtype != "str":
        return np.frombuffer(content, np.dtype(array.dtype).newbyteorder("<")).reshape(shape).astype(array.dtype)
    words, at = [], 4
    for _ in range(math.prod(shape)):
        end = at + 4 + int.from_bytes(content[at : at + 4], "little")
        words.append(content[at + 4 : end].decode())
        at = end
    return np.array(words, dtype=str).reshape(shape)


def metadata(array: Array, cuts: Cuts) -> str:
    """The array's `zarr.json`: written here, not by a library, so that its bytes do not change with a version."""
    plain = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    sharding = {
        "chunk_shape": [cuts.chunk_rows, *array.shape],
        "codecs": plain,
        "index_codecs": plain,
        "index_location": "end",
    }
    columns = [{"name": "vlen-utf8", "configuration": {}}, {"name": "crc32c"}] if array.dtype == "str" else plain
    described: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [cuts.rows, *array.shape],
        "data_type": "string" if array.dtype == "str" else array.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [cuts.shard_rows if array.sharded else max(1, cuts.rows), *array.shape]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": {"str": "", "bool": False}.get(array.dtype, 0),
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}] if array.sharded else columns,
        "attributes": {"units": array.units, "long_name": array.long_name},
        "dimension_names": ["n", *array.axes],
        "storage_transformers": [],
    }
    return json.dumps(described, indent=2)
