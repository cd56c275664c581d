"""A sweep of planted faults: every flipped bit and every missing shard is an error that names it; no wrong pixel."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import store
from pipeline.errors import InputError
from pipeline.store import Array, Store, arrays

ROWS = 500
FLIPS = 400
ARRAYS = [
    Array("maps", "float32", (2, 6, 6), ("c", "h", "w")),
    Array("mask", "bool", (2, 6, 6), ("c", "h", "w")),
    Array("vectors", "float32", (5,), ("k",)),
    Array("id", "str"),
]


@pytest.fixture
def values(generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "maps": generator.normal(size=(ROWS, 2, 6, 6)).astype(np.float32),
        "mask": generator.random((ROWS, 2, 6, 6)) < 0.2,
        "vectors": generator.normal(size=(ROWS, 5)).astype(np.float32),
        "id": np.array([f"lens {i}" for i in range(ROWS)]),
    }


@pytest.fixture
def written(tmp_path: Path, values: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Chunks of 16 rows, shards of 64: eight shards of each of two arrays, two columns."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 16 * 288)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64 * 288)
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, lambda a, b: {name: part[a:b] for name, part in values.items()})
    return tmp_path / "a.zarr"


def readings(opened: Store, values: dict[str, np.ndarray], order: np.ndarray) -> dict[str, Callable[[], bool]]:
    """Every way to read everything; each says whether what it read was right."""
    return {
        f"{way} {name}": (lambda name=name, rows=rows, at=at: np.array_equal(rows(name), values[name][at]))
        for way, rows, at in (
            ("read", opened.read, slice(None)),
            ("take", lambda name: opened.take(name, order), order),
        )
        for name in values
    }


@pytest.mark.parametrize("moment", ["before opening", "after opening"])
def test_every_flipped_bit_and_missing_shard_is_told(
    written: Path, values: dict[str, np.ndarray], moment: str, generator: np.random.Generator
) -> None:
    files = sorted(Store(written).attributes["shards"])
    assert len(files) == 18
    order = generator.permutation(ROWS)
    flips = [(file, True) for file in generator.choice(files, FLIPS)]
    told = 0
    for file, flip in flips + [(file, False) for file in files]:
        path = written / file
        good = path.read_bytes()
        early = Store(written) if moment == "after opening" else None
        if flip:
            at = int(generator.integers(len(good)))
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << int(generator.integers(8))]) + good[at + 1 :])
        else:
            path.unlink()
        for way in ("read", "take"):
            name = file.split("/")[0]
            with pytest.raises(InputError, match=rf"^{path}: this shard is (damaged|missing)"):
                readings(early or Store(written), values, order)[f"{way} {name}"]()
        told += 1
        path.write_bytes(good)
    assert told == FLIPS + len(files)
    assert all(right() for right in readings(Store(written), values, order).values())
