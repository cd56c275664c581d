"""A store opened for reading: every checksum checked, every missing or damaged shard an error that names it."""

import hashlib
import io
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from pipeline.errors import InputError
from pipeline.places import Place, is_remote, place, reaching
from pipeline.store import manifest, shards
from pipeline.store.arrays import Array, Cuts, column_file, decode_column
from pipeline.store.manifest import REMEDY
from pipeline.store.shards import Damaged, Layout, Mapped


class Store:
    """A store at a local path or a URL.

    `attributes` is its manifest. Raises `InputError` if it is not a store, is of another schema, or lacks a shard.
    """

    def __init__(self, path: str | Place) -> None:
        self.path = place(path)
        self.attributes: dict[str, Any] = manifest.read(self.path)
        self._arrays = manifest.arrays_of(self.attributes)
        self._cuts = Cuts(**self.attributes["cuts"])
        self.rows = self._cuts.rows
        self._maps: dict[str, Mapped] = {}
        sizes = _sizes(self.path)
        for file in self.attributes["shards"]:
            self._check_size(file, sizes.get(file))

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (str(self.path),)  # a worker opens it anew

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    @property
    def arrays(self) -> list[Array]:
        """What each array is: as it was given to `write`."""
        return list(self._arrays.values())

    def shape(self, name: str) -> tuple[int, ...]:
        return (self.rows, *self._arrays[name].shape)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Row ranges that are whole shards."""
        return self._cuts.spans()

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Row ranges of bounded size: how to go through a store that memory may not hold."""
        for start, stop in self.spans():
            yield from self._cuts.blocks(start, stop, list(self._arrays.values()))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Shaped[np.ndarray, "..."]:
        """Rows [start, stop) of an array."""
        array = self._arrays[name]
        stop = self.rows if stop is None else min(stop, self.rows)
        if not array.sharded:
            return self._column(array)[start:stop]
        out = np.empty((max(0, stop - start), *array.shape), dtype=array.dtype)
        step = self._cuts.shard_rows
        cuts = [start, *range((start // step + 1) * step, stop, step), stop] if stop > start else []
        for a, b in pairwise(cuts):
            file, layout = self._cuts.shard(array, a // step)
            first = a - a % step
            with self._intact(file):
                shards.read(layout, partial(self._open, file), a - first, b - first, out[a - start : b - start])
        return out

    def take(self, name: str, rows: Int[np.ndarray, " m"]) -> Shaped[np.ndarray, "m ..."]:
        """Rows of an array in any order, from shards mapped into memory; a remote one is fetched first, once."""
        array = self._arrays[name]
        if not array.sharded:
            return self._column(array)[rows]
        out = np.empty((len(rows), *array.shape), dtype=array.dtype)
        number, within = np.divmod(rows, self._cuts.shard_rows)
        for shard in np.unique(number):
            here = number == shard
            out[here] = self._gather(array, int(shard), within[here])
        return out

    def _gather(self, array: Array, shard: int, rows: Int[np.ndarray, " m"]) -> Shaped[np.ndarray, "m ..."]:
        file, layout = self._cuts.shard(array, shard)
        with self._intact(file):
            if file not in self._maps:
                self._maps[file] = self._mapped(file, layout)
            return self._maps[file].take(rows)

    def _mapped(self, file: str, layout: Layout) -> Mapped:
        local = self.path / file
        if is_remote(self.path):
            local = self._scratch / file.replace("/", "-")
            self.path.fs.get_file((self.path / file).path, str(local))
        return Mapped(layout, local)

    @cached_property
    def _scratch(self) -> Path:
        """Where fetched shards lie for as long as this store is open."""
        folder = Path(mkdtemp(prefix="lensprep-"))
        weakref.finalize(self, shutil.rmtree, folder)
        return folder

    def _column(self, array: Array) -> Shaped[np.ndarray, "..."]:
        file = column_file(array)
        with self._intact(file):
            return decode_column(array, self.rows, (self.path / file).read_bytes())

    def _open(self, file: str, begin: int, end: int) -> io.FileIO | io.BytesIO:
        """A shard from byte `begin` to at least `end`."""
        if is_remote(self.path):
            where = self.path / file
            return io.BytesIO(where.fs.cat_file(where.path, start=begin, end=end))
        opened = (self.path / file).open("rb", buffering=0)
        opened.seek(begin)
        return opened

    @contextmanager
    def _intact(self, file: str) -> Iterator[None]:
        """Name the shard in whatever is wrong with it."""
        try:
            if not is_remote(self.path):  # a remote one is read, or is not there
                where = self.path / file
                self._check_size(file, where.stat().st_size if where.is_file() else None)
            with reaching(self.path / file, "read"), self._missing_is_an_error(file):
                yield
        except Damaged as error:
            raise InputError(f"{self.path / file}: this shard is damaged ({error}); {REMEDY}") from error

    @contextmanager
    def _missing_is_an_error(self, file: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError(f"{self.path / file}: this shard is missing; {REMEDY}") from error

    def _check_size(self, file: str, size: int | None) -> None:
        expected = self.attributes["shards"][file]["bytes"]
        if size is None:
            raise InputError(f"{self.path / file}: this shard is missing; {REMEDY}")
        if size != expected:
            raise InputError(f"{self.path / file}: this shard is damaged ({size} bytes of {expected}); {REMEDY}")


def verify(path: str | Place) -> int:
    """The number of shards. Raises `InputError` unless each has the digest that the manifest gives."""
    store = Store(path)
    for file, described in store.attributes["shards"].items():
        with store._intact(file), (store.path / file).open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != described["sha256"]:
                raise Damaged("its SHA-256 is not the manifest's")
    return len(store.attributes["shards"])


def _sizes(path: Place) -> dict[str, int]:
    """The size of every file of a store, by its name in it: one listing, however far away."""
    with reaching(path, "listed"):
        if is_remote(path):
            found = path.fs.find(path.path, detail=True)
            start = len(path.path.rstrip("/")) + 1
            return {name[start:]: described["size"] for name, described in found.items()}
        return {f.relative_to(path).as_posix(): f.stat().st_size for f in path.rglob("*") if f.is_file()}
