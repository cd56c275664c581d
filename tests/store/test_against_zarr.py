"""Our bytes are Zarr's: the library reads what we write, and its own CRC finds what we find."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from pipeline import store
from pipeline.errors import InputError
from pipeline.store import Array, arrays

ROWS = 300
ARRAYS = [
    Array("images", "float32", (2, 8, 8), ("b", "h", "w"), "electron / s", "image"),
    Array("mask", "bool", (2, 8, 8), ("b", "h", "w")),
    Array("targets", "float64", (2,), ("t",)),
    Array("id", "str"),
    Array("names", "str", (2,), ("i",)),
    Array("group", "int64"),
    Array("known", "bool"),
]


@pytest.fixture
def values(generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "images": generator.normal(size=(ROWS, 2, 8, 8)).astype(np.float32),
        "mask": generator.random((ROWS, 2, 8, 8)) < 0.1,
        "targets": generator.normal(size=(ROWS, 2)),
        "id": np.array([f"Größe-{i}" for i in range(ROWS)]),
        "names": np.array([[f"halo {i}", ""] for i in range(ROWS)]),
        "group": generator.integers(-(2**62), 2**62, ROWS),
        "known": generator.random(ROWS) < 0.5,
    }


@pytest.fixture
def written(tmp_path: Path, values: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Chunks of 16 rows, shards of 64: the last chunk and the last shard are not full."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 16 * 512)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64 * 512)
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, lambda a, b: {name: part[a:b] for name, part in values.items()})
    return tmp_path / "a.zarr"


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.name)
def test_zarr_reads_what_we_write(written: Path, values: dict[str, np.ndarray], array: Array) -> None:
    theirs = zarr.open_group(written, mode="r")[array.name]
    np.testing.assert_array_equal(np.asarray(theirs[:]).astype(values[array.name].dtype), values[array.name])
    assert theirs.metadata.dimension_names == ("n", *array.axes)
    assert theirs.attrs["units"] == array.units
    assert theirs.nchunks_initialized >= theirs.nchunks
    if array.sharded:
        assert (theirs.shards[0], theirs.chunks[0]) == (64, 16)


def test_a_shard_is_to_the_byte_what_zarr_would_have_written(
    written: Path, values: dict[str, np.ndarray], tmp_path: Path
) -> None:
    theirs = zarr.open_group(tmp_path / "theirs.zarr", mode="w", zarr_format=3).create_array(
        "images",
        shape=(ROWS, 2, 8, 8),
        dtype="float32",
        chunks=(16, 2, 8, 8),
        shards=(64, 2, 8, 8),
        compressors=[zarr.codecs.Crc32cCodec()],
        config={"write_empty_chunks": True},
    )
    theirs[:256] = values["images"][:256]
    for shard in range(4):
        name = f"images/c/{shard}/0/0/0"
        assert (written / name).read_bytes() == (tmp_path / "theirs.zarr" / name).read_bytes()


def test_foreign_arrays_are_read_as_they_are(written: Path, values: dict[str, np.ndarray]) -> None:
    found = store.foreign(written)
    assert set(found) == set(values)
    np.testing.assert_array_equal(found["images"][10:20], values["images"][10:20])


@pytest.mark.parametrize("version", [2, 3])
def test_a_foreign_chunk_that_is_missing_is_refused(tmp_path: Path, version: int) -> None:
    group = zarr.open_group(tmp_path / "theirs.zarr", mode="w", zarr_format=version)
    array = group.create_array("inner/images", shape=(40, 8, 8), chunks=(10, 8, 8), dtype="float32")
    array[:30] = 1
    with pytest.raises(InputError, match="images: 1 of 4 chunks are missing"):
        store.foreign(tmp_path / "theirs.zarr")
    array[30:] = 1
    assert set(store.foreign(tmp_path / "theirs.zarr")) == {"inner/images"}


def test_what_is_no_zarr_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a readable Zarr group|cannot be read"):
        store.foreign(tmp_path)
