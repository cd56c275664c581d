"""Writing is resumed span by span, and ends in the bytes of an undisturbed run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import store
from pipeline.errors import InputError, Refused
from pipeline.store import Array, Store, arrays

ROWS = 300
ARRAYS = [Array("maps", "float32", (8, 8), ("h", "w")), Array("id", "str"), Array("vectors", "float32", (3,), ("k",))]


class Killed(BaseException):
    """As a kill does, it passes every `except Exception`."""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 64 rows: five spans."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 16 * 256)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64 * 256)
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 32 * 256)


def row(start: int, stop: int) -> dict[str, np.ndarray]:
    """Rows that know their number."""
    number = np.arange(start, stop)
    return {
        "maps": np.broadcast_to(number[:, None, None], (len(number), 8, 8)).astype(np.float32),
        "id": np.array([f"row {i}" for i in number]),
        "vectors": np.stack([number] * 3, axis=1).astype(np.float32),
    }


def until(limit: int, asked: list[int]) -> Callable[[int, int], dict[str, np.ndarray]]:
    """Produces rows, noting which it was asked for, until it is killed at `limit`."""

    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        if stop > limit:
            raise Killed
        asked.append(start)
        return row(start, stop)

    return produce


def digests(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("limit", [0, 40, 64, 150, 299])
def test_a_killed_write_goes_on_from_the_last_whole_shard(tmp_path: Path, limit: int) -> None:
    store.write(tmp_path / "undisturbed.zarr", ROWS, ARRAYS, row)
    with pytest.raises(Killed):
        store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(limit, []), key="same")
    assert not (tmp_path / "a.zarr").exists()
    asked: list[int] = []
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(ROWS, asked), key="same")
    assert min(asked) == limit // 64 * 64, "what was whole is not made again"
    assert digests(tmp_path / "a.zarr") == digests(tmp_path / "undisturbed.zarr")
    assert not (tmp_path / ".a.zarr.partial").exists()


def test_a_kill_while_the_old_store_is_removed_stands_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its root is gone and its shards are still there: what is left is neither a store nor a free place."""
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, row)

    remove = shutil.rmtree

    def half(folder: Path) -> None:
        if not (folder / "zarr.json").exists():
            return remove(folder)
        (folder / "zarr.json").unlink()
        raise Killed

    monkeypatch.setattr(shutil, "rmtree", half)
    with pytest.raises(Killed):
        store.write(tmp_path / "a.zarr", ROWS, ARRAYS, row)
    monkeypatch.undo()
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, row)
    store.verify(tmp_path / "a.zarr")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("key", ["other", ""])
def test_what_was_made_of_something_else_is_made_again(tmp_path: Path, key: str) -> None:
    with pytest.raises(Killed):
        store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(150, []), key="same" if key else "")
    asked: list[int] = []
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(ROWS, asked), key=key)
    assert min(asked) == 0
    store.verify(tmp_path / "a.zarr")


def test_a_shard_that_was_damaged_meanwhile_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(150, []), key="same")
    shard = tmp_path / ".a.zarr.partial" / "maps" / "c" / "1" / "0" / "0"
    shard.write_bytes(b"x" + shard.read_bytes()[1:])
    asked: list[int] = []
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(ROWS, asked), key="same")
    assert min(asked) == 64
    store.verify(tmp_path / "a.zarr")


def test_refused_rows_of_all_spans_are_told_at_once_and_whole_spans_are_kept(tmp_path: Path) -> None:
    asked: list[int] = []

    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        bad = [i for i in (70, 75, 290) if start <= i < stop]
        if bad:
            raise Refused({i: (f"row {i}", "planted") for i in bad})
        asked.append(start)
        return row(start, stop)

    with pytest.raises(Refused) as caught:
        store.write(tmp_path / "a.zarr", ROWS, ARRAYS, produce, key="same")
    assert set(caught.value.reasons) == {70, 75, 290}
    asked.clear()
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, until(ROWS, asked), key="same")
    assert {start // 64 for start in asked} == {1, 4}


def test_rows_in_any_order_are_those_rows(tmp_path: Path, generator: np.random.Generator) -> None:
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, row)
    opened, wanted = Store(tmp_path / "a.zarr"), generator.integers(0, ROWS, 500)
    for name in ("maps", "id", "vectors"):
        np.testing.assert_array_equal(opened.take(name, wanted), opened.read(name)[wanted])
    assert opened.take("maps", wanted[:0]).shape == (0, 8, 8)


def test_a_store_of_no_rows_is_a_store(tmp_path: Path) -> None:
    store.write(tmp_path / "a.zarr", 0, ARRAYS, row)
    opened = Store(tmp_path / "a.zarr")
    assert [opened.read(name).shape for name in ("maps", "id", "vectors")] == [(0, 8, 8), (0,), (0, 3)]


def test_nothing_but_a_store_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis: holds chapter1\.tex and is no store"):
        store.write(tmp_path / "thesis", ROWS, ARRAYS, row)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"
