"""Classes from folders of images to a network's probabilities."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline import tables
from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.params import PROBABILITY
from pipeline.predict import predict
from pipeline.split import split
from pipeline.store import Store
from pipeline.train import train
from pipeline.verdict.cells import read

KINDS, EACH, SIDE = ("no_sub", "sphere", "vort"), 30, 24


def write(folder: Path, generator: np.random.Generator) -> None:
    """A ring in noise, with a spot in it in one class and a bar across it in another, as files of DeepLense."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    ring = np.exp(-0.5 * ((np.hypot(x, y) - 7) / 1.5) ** 2)
    marks = {"no_sub": 0.0, "sphere": np.exp(-(x**2 + y**2) / 8), "vort": np.exp(-(y**2) / 2)}
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for i in range(EACH):
            frame = (
                (1 + 0.1 * generator.normal()) * ring + 1.5 * marks[kind] + 0.1 * generator.normal(size=(SIDE, SIDE))
            )
            np.save(folder / kind / f"{i}.npy", frame)


@pytest.mark.proof
def test_folders_of_classes_become_probabilities(tiny: Path, generator: np.random.Generator) -> None:
    """Three classes that differ to the eye: each is told from the others, by squares, in answers near 0 and 1."""
    write(tiny / "lenses", generator)
    asked = ", ".join(f"{kind}: {{classes: [{kind}]}}" for kind in KINDS)
    ingest(
        "images.zarr",
        "quarantine.csv",
        ["ingest.source=deeplense", "ingest.path=lenses", f"ingest.targets={{{asked}}}"],
    )
    describe("images.zarr", "lenses.parquet")
    audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    accepted = "audit.accept=[duplicates, near_duplicates, shortcut_class, shortcut_label]"
    chosen = [f"split.targets=[{', '.join(KINDS)}]", accepted]
    split("images.zarr", "audit.json", "audit/pairs.csv", "split.json", chosen)
    engineer("raw", "images.zarr", "raw.zarr")
    normalise("images.zarr", "raw.zarr", "split.json", "prepared")
    assert Store("prepared/fit.zarr").attributes["target_units"] == dict.fromkeys(KINDS, PROBABILITY)
    fit = ["train.fit.epochs=30", "train.fit.loss={kind: mse}"]
    find_lr("cnn", "prepared/fit.zarr", "rate", fit)
    train("cnn", "all", "0", "prepared/fit.zarr", "rate/rate.json", "run", "clock.json", fit)
    predict("run", "prepared", "predictions/raw-cnn-all-0.parquet")
    assert tables.of_classes(tables.read("predictions/raw-cnn-all-0.parquet")) == set(KINDS)
    cells, said = read(tiny / "predictions", [("raw", "cnn", "all")], [0])
    assert (said, [cell.target for cell in cells]) == ([], list(KINDS))
    for cell in cells:
        assert set(cell.truth) == {0, 1}
        assert [name.split("/")[0] == cell.target for name in cell.id] == (cell.truth == 1).tolist()
        assert roc_auc_score(cell.truth, cell.prediction[0]) > 0.9
