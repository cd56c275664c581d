"""Stores: what goes in comes out, and nothing else is ever passed off as it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import store
from pipeline.errors import InputError
from pipeline.store import Array, Store, arrays
from tests.conftest import ROOT

ROWS = 1000
ARRAYS = [
    Array("maps", "float32", (2, 8, 8), ("c", "h", "w")),
    Array("vectors", "float32", (5,), ("k",)),
    Array("id", "str"),
    Array("group", "int64"),
]


@pytest.fixture
def values(generator: np.random.Generator) -> dict[str, np.ndarray]:
    maps = generator.normal(size=(ROWS, 2, 8, 8)).astype(np.float32)
    maps[100:400] = 0  # whole chunks of zeros: zarr would leave them out if it were let
    return {
        "maps": maps,
        "vectors": generator.normal(size=(ROWS, 5)).astype(np.float32),
        "id": np.array([f"Größe-{i}" for i in range(ROWS)]),
        "group": generator.integers(-(2**62), 2**62, ROWS),
    }


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 64 rows, shards of 256: several of each in a small store."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 64 * 512)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 256 * 512)


@pytest.fixture
def written(tmp_path: Path, values: dict[str, np.ndarray], small_shards: None) -> Path:
    write(tmp_path / "a.zarr", values)
    return tmp_path / "a.zarr"


def write(path: Path, values: dict[str, np.ndarray], **manifest: Any) -> None:
    store.write(path, ROWS, ARRAYS, lambda a, b: {name: part[a:b] for name, part in values.items()}, **manifest)


@pytest.mark.parametrize(("start", "stop"), [(0, ROWS), (0, 1), (255, 257), (256, 512), (999, 1000), (300, 2000)])
def test_reads_back_what_was_written(written: Path, values: dict[str, np.ndarray], start: int, stop: int) -> None:
    opened = Store(written)
    for name, expected in values.items():
        np.testing.assert_array_equal(opened.read(name, start, stop), expected[start:stop])


def test_names_its_axes_and_keeps_its_manifest(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    write(tmp_path / "a.zarr", values, recipe={"maps": {"pixels": {}}})
    opened = Store(tmp_path / "a.zarr")
    assert opened.attributes["recipe"] == {"maps": {"pixels": {}}}
    assert opened.rows == ROWS
    assert "vectors" in opened
    assert "noise" not in opened


def test_the_same_values_give_the_same_bytes(tmp_path: Path, values: dict[str, np.ndarray], written: Path) -> None:
    write(tmp_path / "b.zarr", values)
    files = sorted(file.relative_to(written) for file in written.rglob("*") if file.is_file())
    assert len(files) > 8
    for file in files:
        assert (written / file).read_bytes() == (tmp_path / "b.zarr" / file).read_bytes(), file


def test_every_flipped_bit_is_an_error_that_names_the_shard(written: Path, generator: np.random.Generator) -> None:
    opened = Store(written)
    for shard in opened.attributes["shards"]:
        path = written / shard
        good = path.read_bytes()
        for position in generator.integers(0, len(good), 12):
            spoilt = bytearray(good)
            spoilt[position] ^= 1 << int(generator.integers(8))
            path.write_bytes(spoilt)
            with pytest.raises(InputError, match=str(path)):
                store.verify(written)
            with pytest.raises(InputError, match=str(path)):
                opened.read(shard.split("/")[0])
        path.write_bytes(good)
    store.verify(written)


@pytest.mark.parametrize("length", [0, 10, 5000])
def test_a_truncated_shard_is_an_error_that_names_it(written: Path, length: int) -> None:
    path = written / "maps" / "c" / "1" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=f"{path}: this shard is damaged"):
        Store(written).read("maps")


def test_a_shard_that_vanishes_after_opening_is_an_error_too(written: Path) -> None:
    opened = Store(written)
    path = written / "maps" / "c" / "1" / "0" / "0" / "0"
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: this shard is missing"):
        opened.read("maps")


def test_a_missing_shard_is_an_error_that_names_it(written: Path) -> None:
    for shard in Store(written).attributes["shards"]:
        path = written / shard
        path.rename(written / "away")
        with pytest.raises(InputError, match=f"{path}: this shard is missing"):
            Store(written)
        (written / "away").rename(path)


def test_zeros_are_stored_like_anything_else(tmp_path: Path, small_shards: None) -> None:
    """Zarr leaves them out if it may, and then cannot tell a chunk of zeros from a missing one."""
    zeros = {
        "maps": np.zeros((ROWS, 2, 8, 8), np.float32),
        "vectors": np.zeros((ROWS, 5), np.float32),
        "id": np.full(ROWS, ""),
        "group": np.zeros(ROWS, np.int64),
    }
    write(tmp_path / "a.zarr", zeros)
    opened = Store(tmp_path / "a.zarr")
    assert len(opened.attributes["shards"]) == 4 + 3
    assert opened.attributes["shards"]["maps/c/0/0/0/0"]["bytes"] > 256 * 512
    for name, expected in zeros.items():
        np.testing.assert_array_equal(opened.read(name), expected)


def test_a_store_that_is_not_there_or_not_ours_is_refused(tmp_path: Path, written: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.zarr: no store here"):
        Store(tmp_path / "nothing.zarr")
    text = (written / "zarr.json").read_text()
    (written / "zarr.json").write_text(text.replace('"schema": 2', '"schema": 0'))
    with pytest.raises(InputError, match="schema 0, not 2"):
        Store(written)
    (written / "zarr.json").write_text(text.replace('"rows": 1000', '"rows": 1001'))
    with pytest.raises(InputError, match="this manifest is damaged: its digest"):
        Store(written)
    (written / "zarr.json").write_text(text[:-100])
    with pytest.raises(InputError, match="damaged, or not ours"):
        Store(written)


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, values: dict[str, np.ndarray], small_shards: None) -> None:
    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        if start >= 512:
            raise RuntimeError("boom")
        return {name: part[start:stop] for name, part in values.items()}

    with pytest.raises(RuntimeError, match="boom"):
        store.write(tmp_path / "a.zarr", ROWS, ARRAYS, produce)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_store_that_was_there(written: Path, values: dict[str, np.ndarray]) -> None:
    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        store.write(written, ROWS, ARRAYS, produce)
    np.testing.assert_array_equal(Store(written).read("maps"), values["maps"])


def test_what_a_kill_left_behind_is_cleared(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    (tmp_path / ".a.zarr.partial" / "maps").mkdir(parents=True)
    (tmp_path / ".a.zarr.partial" / "maps" / "junk").write_text("x")
    write(tmp_path / "a.zarr", values)
    store.verify(tmp_path / "a.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert not list((tmp_path / "a.zarr").rglob("junk"))


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow past `size`: what a full disk does, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    with (
        files_limited_to(50_000),
        pytest.raises(InputError, match=r"a\.zarr: cannot be written: .*no half of it is left"),
    ):
        write(tmp_path / "a.zarr", values)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_read_only_folder_is_one_error_for_root(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    """Root may write anywhere, so root steps down for the attempt."""
    os.seteuid(65534)
    try:
        with pytest.raises(InputError, match=r"a\.zarr: cannot be written: Permission denied"):
            write(tmp_path / "a.zarr", values)
    finally:
        os.seteuid(0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_error(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"a\.zarr: cannot be written: Permission denied"):
        write(tmp_path / "a.zarr", values)
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_one_error(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "data" / "a.zarr", values)


def test_verify_on_the_command_line(written: Path) -> None:
    command = [sys.executable, "-m", "pipeline.store", "verify", str(written)]
    good = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "shards as written" in good.stdout
    shard = written / "group" / "c" / "0"
    shard.write_bytes(b"x" + shard.read_bytes()[1:])
    bad = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert bad.stderr.startswith(f"verify: {shard}: this shard is damaged (its SHA-256")


@pytest.mark.proof
@pytest.mark.parametrize("channels", [1, 4])
def test_forty_thousand_images_are_at_most_32_files(tmp_path: Path, channels: int) -> None:
    """The widest store of the pipeline: a prepared input, with every column it may have."""
    arrays = [
        Array("maps", "float32", (channels, 64, 64), ("c", "h", "w")),
        Array("target", "float32", (1,), ("t",)),
        Array("id", "str"),
        Array("row", "int64"),
        Array("vectors", "float32", (80,), ("k",)),
    ]

    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        n = stop - start
        return {
            "maps": np.ones((n, channels, 64, 64), np.float32),
            "target": np.ones((n, 1), np.float32),
            "id": np.array([str(i) for i in range(start, stop)]),
            "row": np.arange(start, stop),
            "vectors": np.ones((n, 80), np.float32),
        }

    store.write(tmp_path / "a.zarr", 40_000, arrays, produce)
    files = [file for file in (tmp_path / "a.zarr").rglob("*") if file.is_file()]
    print(f"{len(files)} files for 40,000 images of {channels} x 64 x 64")
    assert len(files) <= 32
