"""Writing a store: span by span, each by one writer, resumed after a kill, visible when it is whole.

A span of rows is one shard of every sharded array. Whoever writes it streams its blocks into files of their own,
gives these their names, and leaves a record: the digests of its shards, its rows of the columns, and the key of what
it was made from. The next try keeps every span whose record has the key that it would have now.
"""

import hashlib
import io
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import atomic, engine, params
from pipeline.errors import InputError, Refused
from pipeline.places import Place, is_remote, make_room, place, reaching
from pipeline.store import manifest
from pipeline.store.arrays import Array, Cuts, column_file, encode_column, metadata
from pipeline.store.shards import Layout, encode

Produce = Callable[[int, int], Mapping[str, Any]]
Recorded = tuple[dict[str, Any], dict[str, np.ndarray]]  # what a span says, and its columns
RECORDS = ".done"


def write(
    path: str | Place,
    rows: int,
    arrays: Sequence[Array],
    produce: Produce,
    *,
    key: str | Callable[[int, int], str] = "",
    how: params.Engine = engine.SERIAL,
    check: Callable[[Mapping[str, np.ndarray]], None] | None = None,
    **said: Any,
) -> None:
    """Write a store: `produce(start, stop)` gives those rows of every array, asked for in blocks of whole chunks.

    `key`, or `key(start, stop)`, names all that decides those rows; without it nothing of an earlier try is kept.
    `how` says which engine runs the spans; `produce` must be picklable for any but the serial one. `check` is shown the
    columns, all rows of what is not sharded, before there is a store; what it raises leaves none. `said` joins the
    manifest.
    Raises `InputError` if the place cannot be written, and `Refused` with the rows that `produce` refused, all spans
    tried; what is whole then stays for the next try, as after a kill. After any other error nothing is left.
    """
    path, cuts = place(path), Cuts.of(rows, arrays)
    work = path if is_remote(path) else path.with_name(f".{path.name}.partial")
    try:
        with reaching(path, "written", "; no half of it is left"):
            _check_free(path)
            key = key or uuid.uuid4().hex
            keys = {span: key if isinstance(key, str) else key(*span) for span in cuts.spans()}
            todo = _prepared(work, keys)
            job = _Span(work, tuple(arrays), cuts, produce)
            refused: dict[int, tuple[str, str]] = {}
            with engine.progress(path.name, rows, rows - sum(b - a for a, b, _ in todo)) as tick:
                for found in engine.run(how, job, todo, tick):
                    refused |= found
            if refused:
                raise Refused(refused)
            if check:
                check(_columns(_records(work), arrays))
            _finish(path, work, list(arrays), cuts, said)
    except Refused:
        raise
    except Exception:
        with suppress(OSError):  # where we may not write, nothing is left either; what went wrong is told already
            discard(path)
        raise


def discard(path: str | Place) -> None:
    """Remove what an unfinished try has left of a store, if anything has."""
    path = place(path)
    if is_remote(path):
        if not (path / manifest.ROOT).exists():
            _remove(path)
    else:
        _remove(path.with_name(f".{path.name}.partial"))
        _remove(_aside(path))


@dataclass(frozen=True)
class _Span:
    """The job of writing one span: pure but for the files it leaves."""

    work: Place
    arrays: tuple[Array, ...]
    cuts: Cuts
    produce: Produce

    def weight(self, item: tuple[int, int, str]) -> int:
        return item[1] - item[0]

    def __call__(self, item: tuple[int, int, str], tick: engine.Tick) -> dict[int, tuple[str, str]]:
        """Write rows [start, stop) and their record; if some are refused, write nothing and say which and why."""
        start, stop, _ = item
        number = start // self.cuts.shard_rows
        with ExitStack() as stack:
            shards = {a.name: stack.enter_context(_Shard(self.work, *self.cuts.shard(a, number))) for a in self.sharded}
            columns: dict[str, list[Any]] = {array.name: [] for array in self.arrays if not array.sharded}
            refused: dict[int, tuple[str, str]] = {}
            for a, b in self.cuts.blocks(start, stop, self.arrays):
                try:
                    values = self.produce(a, b)
                except Refused as error:
                    refused |= error.reasons
                    continue
                for array in self.arrays:
                    if array.sharded:
                        shards[array.name].append(values[array.name])
                    else:
                        columns[array.name].append(values[array.name])
                tick(b - a)
            if not refused:
                described = dict(shard.close() for shard in shards.values())
                joined = {name: np.concatenate(parts) for name, parts in columns.items()}
                _record(self.work, item, described, joined)
        return refused

    @property
    def sharded(self) -> list[Array]:
        return [array for array in self.arrays if array.sharded]


class _Shard:
    """A shard being written: a file of its own until it is whole."""

    def __init__(self, work: Place, file: str, layout: Layout) -> None:
        self.target, self.file, self.layout = work / file, file, layout
        folder = Path(tempfile.gettempdir()) if is_remote(work) else work / RECORDS
        self.scratch = folder / f"lensprep-{uuid.uuid4().hex}"
        self.out = self.scratch.open("xb", buffering=0)
        self.digest, self.bytes = hashlib.sha256(), 0
        self.thread = ThreadPoolExecutor(1)  # the digest costs as much as the writing: it runs beside it
        self.hashed = self.thread.submit(self._hash, [])

    def __enter__(self) -> "_Shard":
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown()
        self.out.close()
        self.scratch.unlink(missing_ok=True)

    def append(self, block: np.ndarray) -> None:
        """Write a block's bytes; it must not change afterwards."""
        self._put(list(encode(self.layout, block)))

    def close(self) -> tuple[str, dict[str, Any]]:
        """Give the shard its name; what the manifest is to say of it.

        The disk is not waited for, which would halve the speed: what a power cut takes is missed by its digest.
        """
        self._put([self.layout.index])
        self.hashed.result()
        self.out.close()
        make_room(self.target)
        if is_remote(self.target):
            self.target.fs.put_file(str(self.scratch), self.target.path)
        else:
            self.scratch.replace(self.target)
        return self.file, {"bytes": self.bytes, "sha256": self.digest.hexdigest()}

    def _put(self, pieces: Sequence[np.ndarray | bytes]) -> None:
        views = [memoryview(piece).cast("B") for piece in pieces]  # type: ignore[arg-type]
        self.hashed.result()
        self.hashed = self.thread.submit(self._hash, views)
        for view in views:
            while view:
                written = self.out.write(view)
                self.bytes, view = self.bytes + written, view[written:]

    def _hash(self, views: Sequence[memoryview]) -> None:
        for view in views:
            self.digest.update(view)


def _record(work: Place, item: tuple[int, int, str], shards: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    """Leave word that a span is done: written last, so that it is true."""
    start, stop, key = item
    words = json.dumps({"start": start, "stop": stop, "key": key, "shards": shards})
    content = io.BytesIO()
    np.savez(content, words=np.array(words), **{f"column {name}": values for name, values in columns.items()})
    atomic.write(work / RECORDS / f"{start}.npz", content.getvalue())


def _prepared(work: Place, keys: Mapping[tuple[int, int], str]) -> list[tuple[int, int, str]]:
    """Make room for the work, keep of an earlier try what still holds, and say which spans are left to write."""
    whole = {}
    for words, _ in _records(work):
        span = words["start"], words["stop"]
        if keys.get(span) == words["key"] and all(_is_whole(work / f, d) for f, d in words["shards"].items()):
            whole[span] = words["shards"]
    keep = {f"{RECORDS}/{start}.npz" for start, _ in whole} | {file for shards in whole.values() for file in shards}
    for file in sorted(_files(work), key=lambda file: file != manifest.ROOT):  # the root first: it is no store now
        if file not in keep:
            (work / file).unlink()
    if not is_remote(work):
        (work / RECORDS).mkdir(parents=True, exist_ok=True)
    return [(*span, key) for span, key in keys.items() if span not in whole]


def _records(work: Place) -> list[Recorded]:
    """What the finished spans say, in the order of their rows, and their columns."""
    found = []
    for file in _files(work):
        if file.startswith(RECORDS) and file.endswith(".npz"):
            with np.load(io.BytesIO((work / file).read_bytes()), allow_pickle=False) as record:
                columns = {name.removeprefix("column "): record[name] for name in record.files if name != "words"}
                found.append((json.loads(record["words"].item()), columns))
    return sorted(found, key=lambda record: record[0]["start"])


def _columns(records: Sequence[Recorded], arrays: Sequence[Array]) -> dict[str, np.ndarray]:
    """All rows of every array that is not sharded."""
    return {
        array.name: np.concatenate([columns[array.name] for _, columns in records])
        if records
        else np.empty((0, *array.shape), array.dtype)
        for array in arrays
        if not array.sharded
    }


def _finish(path: Place, work: Place, arrays: list[Array], cuts: Cuts, said: Mapping[str, Any]) -> None:
    """Columns, metadata, and last the root; then the store is there."""
    records = _records(work)
    shards = {file: described for words, _ in records for file, described in words["shards"].items()}
    columns = _columns(records, arrays)
    for array in arrays:
        if not array.sharded:
            data = encode_column(array, columns[array.name])
            atomic.write(work / column_file(array), data)
            shards[column_file(array)] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        atomic.write(work / array.name / manifest.ROOT, metadata(array, cuts))
    _remove(work / RECORDS)
    atomic.write(work / manifest.ROOT, manifest.root(arrays, cuts, dict(sorted(shards.items())), said))
    if work != path:
        _put(work, path)


def _put(work: Path, path: Path) -> None:
    """The work in the place of the store that may stand there, which is moved aside whole before it is removed:
    a kill halfway would else leave a part of it in the way of every later try.
    """
    aside = _aside(path)
    _remove(aside)
    if path.exists():
        path.rename(aside)
    work.rename(path)
    _remove(aside)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _check_free(path: Place) -> None:
    """Refuse to write a store over anything but a store, or what is left of one."""
    files = _files(path)
    if files and manifest.ROOT not in files and not any(file.startswith(RECORDS) for file in files):
        raise InputError(f"{path}: holds {files[0]} and is no store; name a place that is free")


def _is_whole(file: Place, described: Mapping[str, Any]) -> bool:
    if not file.exists():
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == described["sha256"]


def _files(folder: Place) -> list[str]:
    """Every file below a folder, relative to it; none if there is no folder."""
    if is_remote(folder):
        start = len(folder.path.rstrip("/")) + 1
        return [name[start:] for name in folder.fs.find(folder.path)]
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()]


def _remove(folder: Place) -> None:
    """Remove a folder and what is in it, if it is there."""
    if is_remote(folder):
        for file in _files(folder):
            (folder / file).unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
