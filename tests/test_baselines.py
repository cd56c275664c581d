"""Baselines: the constant is the training mean, the tree learns what the vectors hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import store
from pipeline.baselines import baselines
from pipeline.scores.point import mae, r2
from pipeline.store import Array
from pipeline.tables import read

ROLES = {
    "fit.zarr": {"train": [0, 300], "validation": [300, 340], "calibration": [340, 380]},
    "test.zarr": {"test": [0, 100]},
}
MEAN, STD = np.array([-23.7, 4.0]), np.array([0.4, 2.0])


def prepare(folder: Path, vectors: bool = True) -> np.ndarray:
    """A prepared input whose second and third vector columns are the targets; returns the training truths."""
    generator = np.random.default_rng(0)
    statistics = {"target": {"mean": MEAN.tolist(), "std": STD.tolist()}}
    arrays = [Array("target", "float32", (2,), ("t",)), Array("id", "str")]
    arrays += [Array("vectors", "float32", (3,), ("k",))] * vectors
    train = np.empty(0)
    for name, roles in ROLES.items():
        rows = max(stop for _, stop in roles.values())
        target = generator.normal(size=(rows, 2)).astype(np.float32)
        if name == "fit.zarr":
            target[:300] = (target[:300] - target[:300].mean(axis=0)) / target[:300].std(axis=0)
            train = target[:300] * STD + MEAN
        nothing = generator.normal(size=(rows, 1)).astype(np.float32)
        made = {"target": target, "id": np.arange(rows).astype(str), "vectors": np.hstack([nothing, target])}
        manifest = {
            "roles": roles,
            "targets": ["mass", "slope"],
            "statistics": statistics,
            "target_units": {"mass": "dex(eV)", "slope": ""},
        }
        store.write(
            folder / name, rows, arrays, lambda a, b, made=made: {k: v[a:b] for k, v in made.items()}, **manifest
        )
    return train


def test_the_constant_is_the_training_mean_and_explains_nothing(tiny: Path) -> None:
    train = prepare(tiny / "toy")
    baselines("toy", "out.parquet")
    for i, target in enumerate(("mass", "slope")):
        lines = read("out.parquet", model="constant", target=target)
        assert len(lines) == 180
        (answer,) = lines["prediction"].unique()
        assert answer == pytest.approx(train[:, i].mean(), abs=1e-6)
        assert r2(train[:, i], np.full((1, 300), answer)).value[0] == pytest.approx(0, abs=1e-9)


def test_the_tree_finds_the_target_among_the_vectors(tiny: Path) -> None:
    prepare(tiny / "toy")
    baselines("toy", "out.parquet", ["baselines.iterations=60"])
    for target in ("mass", "slope"):
        found = {}
        for model in ("constant", "tree"):
            lines = read("out.parquet", model=model, target=target, role="test")
            found[model] = lines["truth"].to_numpy(), lines["prediction"].to_numpy()[None]
        assert mae(*found["tree"]).value[0] < 0.2 * mae(*found["constant"]).value[0]
        assert r2(*found["tree"]).value[0] > 0.9


def test_more_trees_follow_closer(tiny: Path) -> None:
    """The parameters arrive."""
    prepare(tiny / "toy")
    errors = []
    for override in ("baselines.iterations=1", "baselines.iterations=20", "baselines.learning_rate=0.5"):
        baselines("toy", "out.parquet", [override])
        lines = read("out.parquet", model="tree", role="test")
        errors.append((lines["prediction"] - lines["truth"]).abs().mean())
    assert errors[0] > 1.3 * errors[1] > 2 * errors[2]


def test_an_input_without_vectors_has_no_tree(tiny: Path) -> None:
    prepare(tiny / "toy", vectors=False)
    baselines("toy", "out.parquet")
    assert set(read("out.parquet")["model"]) == {"constant"}


def test_the_same_data_give_the_same_bytes(tiny: Path) -> None:
    prepare(tiny / "toy")
    for name in ("first.parquet", "second.parquet"):
        baselines("toy", name)
    assert Path("first.parquet").read_bytes() == Path("second.parquet").read_bytes()


def test_no_baseline_sees_the_test_rows_labels(tiny: Path) -> None:
    """Other test labels, same answers."""
    prepare(tiny / "toy")
    baselines("toy", "before.parquet")
    arrays = [Array("target", "float32", (2,), ("t",)), Array("id", "str"), Array("vectors", "float32", (3,), ("k",))]
    opened = store.Store("toy/test.zarr")
    made = {name: opened.read(name) for name in ("target", "id", "vectors")}
    made["target"] = made["target"] * 5 + 3
    manifest = {
        key: value for key, value in opened.attributes.items() if key not in ("schema", "cuts", "arrays", "shards")
    }
    store.write("toy/test.zarr", 100, arrays, lambda a, b: {k: v[a:b] for k, v in made.items()}, **manifest)
    baselines("toy", "after.parquet")
    before, after = pd.read_parquet("before.parquet"), pd.read_parquet("after.parquet")
    assert before["prediction"].equals(after["prediction"])
    assert not before["truth"].equals(after["truth"])
