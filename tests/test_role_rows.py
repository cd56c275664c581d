"""The rows of a role, read from a store as training streams them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training.loading import Resident, Streaming, choose
from pipeline import params, rows, store
from pipeline.errors import InputError
from pipeline.fitting import explained
from pipeline.store import Array, Store, arrays

ARRAYS = [
    Array("maps", "float32", (2, 4, 4), ("c", "h", "w")),
    Array("vectors", "float32", (3,), ("k",)),
    Array("target", "float32", (1,), ("t",)),
]
ROLES = {"train": [10, 90], "validation": [90, 120]}


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {array.name: random.normal(size=(120, *array.shape)).astype(np.float32) for array in ARRAYS}


@pytest.fixture
def prepared(tmp_path: Path, values: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Store:
    """Of many shards, none of which begins where a role does."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 4 * 128)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 16 * 128)
    cut = {array.name: values[array.name] for array in ARRAYS}
    store.write(
        tmp_path / "fit.zarr", 120, ARRAYS, lambda a, b: {name: part[a:b] for name, part in cut.items()}, roles=ROLES
    )
    return Store(tmp_path / "fit.zarr")


def test_has_the_rows_of_its_role_and_no_others(prepared: Store, values: dict[str, np.ndarray]) -> None:
    train = rows.of_role(prepared, "train", vectors=True)
    assert (train.rows, train.chunk, train.names) == (80, 4, ("maps", "target", "vectors"))
    for name in train.names:
        np.testing.assert_array_equal(train.read(name, 3, 41), values[name][13:51])
    first = rows.of_role(prepared, "train", "12")
    assert (first.rows, first.names) == (12, ("maps", "target"))
    for name in first.names:
        np.testing.assert_array_equal(first.read(name, 0, 12), values[name][10:22])
        np.testing.assert_array_equal(first.read(name, 5, 999), values[name][15:22])  # validation begins at 90


def test_more_rows_than_there_are_is_an_error_that_says_how_many(prepared: Store) -> None:
    with pytest.raises(InputError, match=r"^train\.sizes: 81 rows, but .*fit\.zarr has 80 to train on$"):
        rows.of_role(prepared, "train", "81")


@pytest.mark.parametrize(("memory", "kind"), [(10**6, Resident), (8000, Streaming)])
def test_loaders_give_what_the_store_holds(
    prepared: Store, values: dict[str, np.ndarray], memory: int, kind: type
) -> None:
    loader = choose(rows.of_role(prepared, "train", vectors=True), 8, "cpu", memory)
    assert isinstance(loader, kind)
    batches = list(loader.epoch(torch.Generator().manual_seed(0)))
    order = torch.cat([batch.rows for batch in batches]).numpy()
    np.testing.assert_array_equal(np.sort(order), np.arange(80))
    for name in ("maps", "target", "vectors"):
        found = torch.cat([getattr(batch, name) for batch in batches]).numpy()
        np.testing.assert_array_equal(found, values[name][10:90][order])


def test_a_missing_shard_is_named_by_the_stream_as_by_the_store_and_is_no_setting_s_fault(prepared: Store) -> None:
    loader = choose(rows.of_role(prepared, "train"), 8, "cpu", 8000)
    missing = sorted((Path(str(prepared.path)) / "maps" / "c").iterdir())[3]
    gone = next(file for file in missing.rglob("*") if file.is_file())
    gone.unlink()
    fit = params.read([], "train.fit")
    fault = rf"^{re.escape(str(prepared.path))}.*: this shard is missing"
    with pytest.raises(InputError, match=fault), explained(prepared, fit):
        list(loader.epoch(torch.Generator().manual_seed(0)))
