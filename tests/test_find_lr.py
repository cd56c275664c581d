"""Stage `find_lr`: a rate that is given is passed on, one that is not is found where the loss falls."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.errors import InputError
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.split import split
from pipeline.train import train
from tests.training.miniature import lenses

AUTO = ["train.fit.learning_rate=auto", "train.fit.range_test.steps=60", "train.fit.range_test.lowest=1.0e-4"]


@pytest.fixture
def prepared(tiny: Path) -> Path:
    """A store of blobs whose widths are the labels, which any network learns."""
    (tiny / "source").mkdir()
    maps, target = lenses(400, seed=0)
    np.savez(tiny / "source" / "blobs.npz", images=100 * maps[:, 0].numpy() + 300, mass=10 ** target[:, 0].numpy())
    ingest("images.zarr", "q.csv", ["ingest.source=npz", "ingest.path=source"])
    describe("images.zarr", "lenses.parquet")
    audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    split("images.zarr", "audit.json", "audit/pairs.csv", "split.json")
    engineer("raw", "images.zarr", "raw.zarr")
    normalise("images.zarr", "raw.zarr", "split.json", "raw")
    return tiny


def test_a_given_rate_is_passed_on(prepared: Path) -> None:
    find_lr("cnn", "raw/fit.zarr", "rate", ["train.fit.learning_rate=0.02"])
    said = json.loads((prepared / "rate" / "rate.json").read_text())
    assert said == {"learning_rate": 0.02, "edge": None, "rule": "train.fit.learning_rate"}
    assert [file.name for file in (prepared / "rate").iterdir()] == ["rate.json"]


def test_auto_finds_a_rate_that_learns_and_every_run_takes_it(prepared: Path) -> None:
    """It is where the loss falls; twice the same; ten and more times less learns less in as many steps."""
    fit = ["train.fit.epochs=4", "backbones.cnn={widths: [8, 8]}", *AUTO]
    for folder in ("rate", "again"):
        find_lr("cnn", "raw/fit.zarr", folder, fit)
    said = json.loads((prepared / "rate" / "rate.json").read_text())
    assert said == json.loads((prepared / "again" / "rate.json").read_text())
    curve = pd.read_csv(prepared / "rate" / "curve.csv")
    assert 1e-4 < said["learning_rate"] <= said["edge"] <= curve["learning_rate"].max() * (1 + 1e-5)
    assert curve["loss"].iloc[:10].mean() > 1.5 * curve["loss"].min()
    assert (prepared / "rate" / "curve.png").read_bytes().startswith(b"\x89PNG")
    errors = {}
    for name, rate in (("found", said["learning_rate"]), ("low", said["learning_rate"] / 30)):
        (prepared / f"{name}.json").write_text(json.dumps(said | {"learning_rate": rate}))
        train("cnn", "all", "0", "raw/fit.zarr", f"{name}.json", name, f"{name}.clock", fit)
        assert pd.read_csv(prepared / name / "steps.csv")["learning_rate"].max() == pytest.approx(rate, rel=0.05)
        errors[name] = pd.read_csv(prepared / name / "history.csv")["validation_loss"].min()
    assert errors["found"] < 0.7 * errors["low"]


def test_a_loss_that_never_falls_is_told_and_no_rate_is_made_up(prepared: Path) -> None:
    nothing = [*AUTO, "train.fit.range_test={lowest: 1.0e-9, highest: 1.0e-7, steps: 40}"]
    with pytest.raises(InputError, match=r"^train\.fit\.learning_rate: the loss never fell in the range test"):
        find_lr("cnn", "raw/fit.zarr", "rate", nothing)
    assert not (prepared / "rate" / "rate.json").exists()


def test_auto_is_for_the_batch_size_that_it_is_found_at(prepared: Path) -> None:
    with pytest.raises(InputError, match=r"^train\.fit: scaling: learning_rate: auto is found at this very batch_size"):
        find_lr("cnn", "raw/fit.zarr", "rate", [*AUTO, "train.fit.scaling.rule=linear"])
