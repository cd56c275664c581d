"""The command line of a stage: one clear line for a user's mistake, and nothing left behind."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT


def stage(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("features.tranform=log", "ingest: features.tranform: no such parameter to override; there are transform,"),
        ("ingest.path=/nowhere", "ingest: /nowhere: no such folder; ingest.path names the one that holds your images"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tiny: Path, override: str, line: str) -> None:
    done = stage(tiny, "pipeline.ingest", "out/images.zarr", "out/quarantine.csv", "ingest.source=fits", override)
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert not (tiny / "out" / "images.zarr").exists()


@pytest.mark.parametrize(
    ("module", "names"),
    [("pipeline.split", "STORE AUDIT PAIRS SPLIT"), ("studies.judge", "PLAN STUDY SET RUNS FOLDER")],
)
def test_wrong_words_get_the_usage(module: str, names: str, tiny: Path) -> None:
    done = stage(tiny, module, "images.zarr")
    assert done.returncode == 1
    assert done.stderr == f"usage: python -m {module} {names} [section.key=value ...]\n"


def test_a_run_of_more_rows_than_there_are_or_an_unknown_option_is_one_line(tiny: Path) -> None:
    stage(tiny, "pipeline.ingest", "images.zarr", "quarantine.csv")
    stage(tiny, "pipeline.describe", "images.zarr", "lenses.parquet")
    stage(tiny, "pipeline.audit", "images.zarr", "lenses.parquet", "audit.json", "audit")
    stage(tiny, "pipeline.split", "images.zarr", "audit.json", "audit/pairs.csv", "split.json")
    stage(tiny, "pipeline.engineer", "raw", "images.zarr", "raw.zarr")
    stage(tiny, "pipeline.normalise", "images.zarr", "raw.zarr", "split.json", "raw")
    stage(tiny, "pipeline.find_lr", "cnn", "raw/fit.zarr", "rate")
    words = ("0", "raw/fit.zarr", "rate/rate.json", "raw-cnn", "clock.json")
    for size, override, line in (
        ("34", "train.seeds=[0]", "train: train.sizes: 34 rows, but raw/fit.zarr has 33 to train on\n"),
        ("all", "backbones.cnn={depth: 3}", "train: backbones.cnn: no option 'depth'; there are widths, width, norm"),
        ("all", "backbones.cnn.widths=[]", "train: backbones.cnn: widths: []; there must be one or more"),
        ("all", "train.fit.device=cuda:99", "train: train.fit.device: 'cuda:99' is not there"),
        ("30", "train.fit.batch_size=31", "train: train.fit.batch_size: 31 is more than the 30 training rows; choose"),
        ("all", "train.fit.learning_rate=0.0", "train: train.fit.learning_rate: 0.0 is not a learning rate; give a"),
        ("all", "train.fit.optimiser.kind=adamm", "train: train.fit.optimiser: no 'adamm'; there are "),
        ("all", "train.fit.loss.kind=hubber", "train: train.fit.loss.kind: 'hubber' is not valid: input should be"),
        ("all", "train.fit.loss={kind: huber, detla: 1}", "train: train.fit.loss: no option 'detla' for huber; there"),
        ("all", "train.fit.augment=[RandomScale]", "train: train.fit.augment: RandomScale changes theta_E, and with"),
        ("all", "train.fit.augment=[rotatee]", "train: train.fit.augment: no 'rotatee'; there are d4, rotate, shift"),
    ):
        done = stage(tiny, "pipeline.train", "cnn", size, *words, override)
        assert done.returncode == 1
        assert done.stderr.startswith(line)
        assert done.stderr.count("\n") == 1
    done = stage(tiny, "pipeline.train", "cnn", "20", *words)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tiny / "raw-cnn").iterdir()} == {
        "weights.pt",
        "history.csv",
        "steps.csv",
        "record.json",
        "fingerprint.json",
    }
    assert not (tiny / ".raw-cnn.checkpoint").exists()


def test_an_unknown_feature_or_option_is_one_line(tiny: Path) -> None:
    (tiny / "lenses").mkdir()
    np.save(tiny / "lenses" / "a.npy", np.ones((24, 24)))
    stage(tiny, "pipeline.ingest", "images.zarr", "q.csv", "ingest.source=deeplense", "ingest.path=lenses")
    for maps, line in (
        ("{rign: {}}", "maps: no feature 'rign'; there are pixels, intensity,"),
        ("{ridge: {width: 1}}", "maps.ridge: no option 'width'; there are sigmas, definition"),
        ("{ridge: {sigmas: [9]}}", "maps.ridge: sigmas: 9 pixels; it must be above zero"),
        ("{intensity: {transform: asinh}}", "maps.intensity: transform: no stretch 'asinh'; there are linear, sqrt"),
        ("{intensity: {softening: -3.0}}", "maps.intensity: softening: -3 must be above zero"),
        ("{radial_residual: {width: .nan}}", "maps.radial_residual: width: an annulus nan pixels wide"),
        ("{radial_residual: {width: 0}}", "maps.radial_residual: width: an annulus 0 pixels wide"),
    ):
        override = f"features.recipes.engineered.maps={maps}"
        done = stage(tiny, "pipeline.engineer", "engineered", "images.zarr", "out.zarr", override)
        assert done.returncode == 1
        assert done.stderr.startswith(f"engineer: features.recipes.engineered.{line}"), done.stderr
        assert not (tiny / "out.zarr").exists()


def test_a_missing_input_is_one_line(tiny: Path) -> None:
    stage(tiny, "pipeline.ingest", "images.zarr", "quarantine.csv")
    stage(tiny, "pipeline.engineer", "raw", "images.zarr", "raw.zarr")
    done = stage(tiny, "pipeline.normalise", "images.zarr", "raw.zarr", "split.json", "raw")
    assert done.stderr == "normalise: split.json: no such file; run the stage that writes it (dvc repro)\n"
    done = stage(tiny, "pipeline.predict", "runs/a", "raw", "a.parquet")
    assert done.stderr == "predict: runs/a/weights.pt: no such file; run the stage that writes it (dvc repro)\n"
