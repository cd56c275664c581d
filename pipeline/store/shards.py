"""The bytes of a shard, as the Zarr v3 `sharding_indexed` codec lays them down: chunk after chunk, each with its
CRC-32C, and at the end the index of where each begins, with its own.

We write them ourselves for speed and for what zarr does not do: rows stream into a shard without being held in memory,
a read checks every checksum straight from the file, and a shard can be mapped into memory, since nothing is
compressed (zstd saves 7 % on noisy pixels and costs 2-6 x). Zarr reads what is written here; tests hold it to that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO, FileIO
from math import prod
from pathlib import Path

import google_crc32c
import numpy as np
from jaxtyping import Bool, Int, Shaped, UInt64

CHECKSUM = 4  # bytes
ABSENT = np.uint64(2**64 - 1)  # what the index says of a chunk beyond the last row


OpenAt = Callable[[int, int], FileIO | BytesIO]


class Damaged(Exception):
    """Bytes that are not what was written."""


def checksum(data: np.ndarray | bytes) -> bytes:
    """CRC-32C of contiguous bytes, as it stands in the file."""
    return google_crc32c.value(data).to_bytes(CHECKSUM, "little")


@dataclass(frozen=True)
class Layout:
    """A shard that holds `rows` rows in chunks of `chunk_rows`, with an index of `slots` chunks."""

    rows: int
    chunk_rows: int
    slots: int
    shape: tuple[int, ...]  # of one row
    dtype: np.dtype

    @property
    def row_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_bytes(self) -> int:
        return self.chunk_rows * self.row_bytes

    @property
    def stride(self) -> int:
        """From one chunk to the next."""
        return self.chunk_bytes + CHECKSUM

    @property
    def chunks(self) -> int:
        return -(-self.rows // self.chunk_rows)

    @property
    def index(self) -> bytes:
        """The end of the file. It says nothing that the layout does not, so it is compared, not believed."""
        table: UInt64[np.ndarray, "s 2"] = np.full((self.slots, 2), ABSENT, dtype=np.uint64)
        table[: self.chunks, 0] = np.arange(self.chunks, dtype=np.uint64) * np.uint64(self.stride)
        table[: self.chunks, 1] = self.stride
        return table.tobytes() + checksum(table)

    def check_index(self, found: bytes) -> None:
        """Raise `Damaged` unless these bytes are the index."""
        if found != self.index:
            raise Damaged("its index is not where its chunks are")

    @property
    def bytes(self) -> int:
        return self.chunks * self.stride + self.slots * 16 + CHECKSUM


def encode(layout: Layout, block: Shaped[np.ndarray, "..."]) -> Iterator[np.ndarray | bytes]:
    """A block of rows as the next bytes of a shard; every block but the shard's last is of whole chunks."""
    rows = np.ascontiguousarray(block, dtype=layout.dtype)
    for start in range(0, len(rows), layout.chunk_rows):
        chunk = rows[start : start + layout.chunk_rows]
        if len(chunk) < layout.chunk_rows:
            short = layout.chunk_rows - len(chunk)
            chunk = np.concatenate([chunk, np.zeros((short, *layout.shape), layout.dtype)])
        yield chunk.reshape(-1).view(np.uint8)
        yield checksum(chunk)


def read(
    layout: Layout,
    open_at: Callable[[int, int], FileIO | BytesIO],
    start: int,
    stop: int,
    out: Shaped[np.ndarray, "..."],
) -> None:
    """Rows [start, stop) of a shard into `out`, chunk by chunk, every checksum checked.

    `open_at(begin, end)` gives a file that stands at byte `begin` and goes on to `end` at least. Raises `Damaged`.
    """
    first, last = start // layout.chunk_rows, -(-stop // layout.chunk_rows)
    with open_at(layout.chunks * layout.stride, layout.bytes) as file:
        layout.check_index(file.read())
    buffer = np.empty(layout.stride, dtype=np.uint8)  # stays in the processor's cache
    rows = buffer[: layout.chunk_bytes].view(layout.dtype).reshape(layout.chunk_rows, *layout.shape)
    with open_at(first * layout.stride, last * layout.stride) as file:
        for chunk in range(first, last):
            if file.readinto(memoryview(buffer)) != layout.stride:  # type: ignore[arg-type]
                raise Damaged(f"it ends within chunk {chunk}")
            _check(buffer, chunk)
            begin = chunk * layout.chunk_rows
            a, b = max(start, begin), min(stop, begin + layout.chunk_rows)
            out[a - start : b - start] = rows[a - begin : b - begin]


class Mapped:
    """A shard mapped into memory, for rows in any order. A chunk is checked once, when it is first touched."""

    def __init__(self, layout: Layout, path: Path) -> None:
        self.layout = layout
        with path.open("rb") as file:
            file.seek(layout.chunks * layout.stride)
            layout.check_index(file.read())
        self._bytes = np.memmap(path, dtype=np.uint8, mode="r", shape=(layout.bytes,))
        strides = [layout.stride, *np.empty((1, *layout.shape), layout.dtype).strides]
        shape = (layout.chunks, layout.chunk_rows, *layout.shape)
        self._rows = np.ndarray(shape, layout.dtype, buffer=self._bytes, strides=strides)
        self._checked: Bool[np.ndarray, " c"] = np.zeros(layout.chunks, dtype=bool)

    def take(self, rows: Int[np.ndarray, " m"]) -> Shaped[np.ndarray, "m ..."]:
        """Those rows of the shard. Raises `Damaged`."""
        chunk, row = np.divmod(rows, self.layout.chunk_rows)
        touched = np.unique(chunk)
        for new in touched[~self._checked[touched]]:
            begin = int(new) * self.layout.stride
            _check(self._bytes[begin : begin + self.layout.stride], int(new))
            self._checked[new] = True
        return self._rows[chunk, row]


def _check(chunk: np.ndarray, number: int) -> None:
    """Raise `Damaged` unless the bytes of a chunk have the checksum that follows them."""
    if checksum(np.asarray(chunk[:-CHECKSUM])) != chunk[-CHECKSUM:].tobytes():
        raise Damaged(f"the checksum of chunk {number} is not that of its bytes")
