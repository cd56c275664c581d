"""Stores: checked Zarr v3 groups, the only thing that stages hand to each other. Nothing else imports zarr.

On disk a store is a few dozen files: one folder an array, one file a column or a shard of pixels (256 MB at most), and
the root's `zarr.json`, whose attributes are the manifest (schema version, rows, the size and digest of every shard, and
what the stage wants to say). No clock and no host name goes in: equal input gives equal bytes.

Zarr alone would return zeros for a missing shard and wrong numbers for a flipped bit. Here every chunk carries a
CRC-32C that every read checks, opening checks that every shard is there with its size, and

    python -m pipeline.store verify STORE ...

checks the SHA-256 of each. A store appears under its name when it is whole and not before.
"""

import hashlib
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from pipeline.errors import InputError

SCHEMA = 1
SHARD_BYTES = 256 * 2**20  # what one writer holds in memory
CHUNK_BYTES = 2**20  # what one checksum covers
REMEDY = "restore it (dvc checkout) or rerun the stage that wrote it"


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
        return max(1, math.prod(self.shape)) * (1 if self.dtype == "str" else np.dtype(self.dtype).itemsize)

    @property
    def sharded(self) -> bool:
        """Pixels are sharded; a column or a table of vectors is one file."""
        return len(self.shape) > 1

    @property
    def chunk_rows(self) -> int:
        return max(1, CHUNK_BYTES // self.row_bytes)

    @property
    def shard_rows(self) -> int:
        return self.chunk_rows * max(1, SHARD_BYTES // (self.chunk_rows * self.row_bytes))


Produce = Callable[[int, int], Mapping[str, Any]]


def write(path: str | Path, rows: int, arrays: Sequence[Array], produce: Produce, **manifest: Any) -> None:
    """Write a store shard by shard: `produce(start, stop)` gives those rows of every array.

    The store is built under a hidden name beside `path` and renamed when it is complete, so a crash, a full disk or a
    kill leaves nothing that a later stage would accept. Raises `InputError` if the place cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        _fill(partial, rows, arrays, produce)
        shards = {shard.relative_to(partial).as_posix(): _described(shard) for shard in _shards(partial)}
        attributes = {"schema": SCHEMA, "rows": rows, **manifest, "shards": shards}
        zarr.open_group(partial, mode="a", zarr_format=3).attrs.update(attributes)
        _remove(path)
        partial.rename(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}; no half of it is left") from error
    finally:
        _remove(partial)


def _fill(partial: Path, rows: int, arrays: Sequence[Array], produce: Produce) -> None:
    """Create the arrays and fill them; a shard of the pixels is written once, by one call."""
    group = zarr.open_group(partial, mode="w", zarr_format=3)
    made = {array.name: _create(group, array, rows) for array in arrays}
    columns: dict[str, list[Any]] = {array.name: [] for array in arrays if not array.sharded}
    for start, stop in _spans(rows, arrays):
        values = produce(start, stop)
        for array in arrays:
            if array.sharded:
                made[array.name][start:stop] = values[array.name]
            else:
                columns[array.name].append(values[array.name])
    for name, parts in columns.items():
        made[name][:] = np.concatenate(parts)


def _create(group: zarr.Group, array: Array, rows: int) -> zarr.Array:
    """The array, still empty. It must be filled through this object: opened anew, it would leave out zeros."""
    whole = (*array.shape,)
    return group.create_array(
        array.name,
        shape=(rows, *whole),
        dtype=array.dtype,
        chunks=(array.chunk_rows if array.sharded else rows, *whole),
        shards=(array.shard_rows, *whole) if array.sharded else None,
        compressors=[Crc32cCodec()],  # zstd saves 7 % on noisy pixels and costs 2-6 x
        dimension_names=("n", *array.axes),
        attributes={"units": array.units, "long_name": array.long_name},
        config={"write_empty_chunks": True},  # so that a missing chunk is always a fault
    )


def _spans(rows: int, arrays: Sequence[Array]) -> Iterator[tuple[int, int]]:
    """Row ranges that are whole shards of every sharded array."""
    sizes = {array.shard_rows for array in arrays if array.sharded}
    if len(sizes) > 1:
        raise ValueError(f"arrays of one store must agree on their shards, not have {sorted(sizes)} rows in each")
    step = sizes.pop() if sizes else rows
    yield from ((start, min(start + step, rows)) for start in range(0, rows, step))


class Store:
    """A store opened for reading.

    `attributes` is its manifest. Raises `InputError` if it is not a store, is of another schema, or lacks a shard.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "zarr.json").is_file():
            raise InputError(f"{self.path}: no store here; run the stage that writes it (dvc repro)")
        try:
            self._group = zarr.open_group(self.path, mode="r")
        except ValueError as error:
            raise InputError(f"{self.path / 'zarr.json'}: this manifest is damaged ({error}); {REMEDY}") from error
        self.attributes: dict[str, Any] = dict(self._group.attrs)
        if self.attributes.get("schema") != SCHEMA:
            raise InputError(f"{self.path}: schema {self.attributes.get('schema')}, not {SCHEMA}; write it anew")
        self.rows: int = self.attributes["rows"]
        for shard in self.attributes["shards"]:
            self._check_shard(shard)

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._array(name).shape)

    def shard_rows(self, name: str) -> int:
        array = self._array(name)
        return int((array.shards or array.chunks)[0])

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows [start, stop) of an array, every checksum checked; a damaged shard is an `InputError` naming it."""
        array = self._array(name)
        stop = self.rows if stop is None else min(stop, self.rows)
        step = self.shard_rows(name)
        cuts = [start, *range((start // step + 1) * step, stop, step), stop]
        parts = [self._read_shard(array, a, b, a // step) for a, b in pairwise(cuts)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _array(self, name: str) -> zarr.Array:
        return cast(zarr.Array, self._group[name])  # our groups hold nothing else

    def _read_shard(self, array: zarr.Array, start: int, stop: int, shard: int) -> np.ndarray:
        name = "/".join(map(str, (array.name.strip("/"), "c", shard, *(0 for _ in array.shape[1:]))))
        self._check_shard(name)
        try:
            values = np.asarray(array[start:stop])
        except Exception as error:  # zarr raises whatever its codecs raise; all of it means the bytes are not ours
            raise InputError(f"{self.path / name}: this shard is damaged ({error}); {REMEDY}") from error
        return np.array(values.tolist(), dtype=str) if values.dtype.kind == "T" else values

    def _check_shard(self, name: str) -> None:
        """Raise unless a shard is there in its full length: zarr takes an absent or empty one for zeros."""
        path, expected = self.path / name, self.attributes["shards"][name]["bytes"]
        if not path.is_file():
            raise InputError(f"{path}: this shard is missing; {REMEDY}")
        if path.stat().st_size != expected:
            raise InputError(f"{path}: this shard is damaged ({path.stat().st_size} bytes of {expected}); {REMEDY}")


def verify(path: str | Path) -> None:
    """Raise `InputError` unless every shard of a store has the digest that its manifest gives."""
    store = Store(path)
    for shard, description in store.attributes["shards"].items():
        if _described(store.path / shard) != description:
            raise InputError(f"{store.path / shard}: its SHA-256 is not the manifest's; {REMEDY}")


def _shards(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != "zarr.json")


def _described(shard: Path) -> dict[str, Any]:
    """What the manifest says of a shard."""
    with shard.open("rb") as file:
        return {"bytes": shard.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _remove(path: Path) -> None:
    """Remove a store, or what is left of one. Where we may not, the writing that comes next says so."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        shutil.rmtree(path)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] != "verify":
        sys.exit("usage: python -m pipeline.store verify STORE ...")
    try:
        for place in sys.argv[2:]:
            verify(place)
            print(f"{place}: {len(Store(place).attributes['shards'])} shards as written")
    except InputError as error:
        sys.exit(f"verify: {error}")
