"""Vector features from a prepared store to a network that fuses them, and back from its weights."""

import io
from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.answering import load
from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.predict import predict
from pipeline.split import split
from pipeline.store import Store
from pipeline.train import train


@pytest.fixture
def prepared(tiny: Path) -> Path:
    """The engineered input in miniature, with its vectors."""
    ingest("images.zarr", "quarantine.csv")
    describe("images.zarr", "lenses.parquet")
    audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    split("images.zarr", "audit.json", "audit/pairs.csv", "split.json")
    engineer("engineered", "images.zarr", "engineered.zarr")
    normalise("images.zarr", "engineered.zarr", "split.json", "prepared")
    return tiny


@pytest.mark.parametrize(
    "options",
    [
        "{widths: [8], fusion: film, head: {kind: gaussian}}",
        "{widths: [8], fusion: concat}",
        "{widths: [8], fusion: concat, init: [orthogonal, lsuv]}",  # which takes images to draw, and none to read
        "{widths: [8]}",
    ],
    ids=["film", "concat", "lsuv", "none"],
)
def test_a_network_that_fuses_vectors_is_given_them_and_rebuilt_with_them(prepared: Path, options: str) -> None:
    find_lr("cnn", "prepared/fit.zarr", "rate")
    train("cnn", "all", "0", "prepared/fit.zarr", "rate/rate.json", "run", "clock.json", [f"backbones.cnn={options}"])
    predict("run", "prepared", "answers.parquet")
    store, model = Store("prepared/test.zarr"), load(prepared / "run" / "weights.pt").eval()
    columns = len(store.attributes["columns"]) if "fusion" in options else 0
    saved = torch.load(io.BytesIO((prepared / "run" / "weights.pt").read_bytes()), weights_only=True)
    assert saved["num_vectors"] == columns
    assert (model.fusion is not None) == bool(columns)
    maps, vectors = (torch.from_numpy(store.read(name)) for name in ("maps", "vectors"))
    with torch.no_grad():
        found = model.head.point(model(maps, vectors))[:, 0].double()
        other = model.head.point(model(maps, vectors + 1))[:, 0].double()
    assert torch.equal(found, other) == (not columns)
    scale = store.attributes["statistics"]["target"]
    table = pd.read_parquet("answers.parquet")
    said = table.loc[table["role"] == "test", "prediction"].to_numpy()
    assert said == pytest.approx((found * scale["std"][0] + scale["mean"][0]).numpy(), rel=1e-4)
