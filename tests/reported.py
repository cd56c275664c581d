"""A folder with all that `report` reads, of lenses whose every pixel says which row, input and channel it is."""

import io
import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import models
from pipeline import lenses, params, store, tables
from pipeline.chapters.sources import Sources, read
from pipeline.compare import compare
from pipeline.store import Array
from tests.conftest import TINY, yaml

ROWS, SIDE, SEEDS = 60, 12, (0, 1, 2)
CHANNELS = {"raw": ["pixels"], "engineered": ["intensity", "ridge"], "engineered_shuffled": ["intensity", "ridge"]}
TARGETS = {"mass": "dex(eV)", "slope": ""}
TEST, CALIBRATION = np.random.default_rng(5).permutation(ROWS)[:44], np.arange(30)
PLACES = (
    *("images.zarr", "lenses.parquet", "split.json", "audit.json", "engineered", "runs", "clock", "predictions"),
    *("by_bin.csv", "verdict.json"),
)
NAMES = ("images", "lenses", "split", "audit", "engineered", "runs", "clock", "predictions", "by_bin", "details")
KEYS = [(name, "cnn", "all") for name in CHANNELS]
SECONDS = {0: 10.0, 1: 90.0, 2: 20.0}
MEMORY = {0: 900.0, 1: 400.0, 2: 500.0}  # MiB
TOOK = {"pixels": 0.5, "intensity": 3.0, "ridge": 40.0, "radial_profile": 7.0}  # microseconds
FINDING = {"code": "noise_free", "severity": "warning", "summary": "no noise", "evidence": {}, "remedy": "add it"}


def shade(row: int, source: str, channel: int) -> float:
    """What every pixel is of a row's picture, but for a mark in its corner; `source` is an input, or `images`."""
    return row + 100.0 * ["images", *CHANNELS].index(source) + 1000.0 * channel


def write_store(path: Path, source: str, planes: int, **said: Any) -> None:
    array = Array("images" if source == "images" else "maps", "float32", (planes, SIDE, SIDE), ("c", "h", "w"))
    values = [[shade(row, source, c) for c in range(planes)] for row in range(ROWS)]
    pixels = np.array(values, dtype=np.float32)[..., None, None] * np.ones((SIDE, SIDE), np.float32)
    pixels[..., 0, -1] += 0.25  # the upper right corner of the array
    made = {"targets": labels(), array.name: pixels}
    described = [Array("targets", "float64", (len(TARGETS),), ("t",)), array]
    store.write(path, ROWS, described, lambda a, b: {name: values[a:b] for name, values in made.items()}, **said)


def labels() -> np.ndarray:
    """(n, t)"""
    return np.random.default_rng(1).normal([-22.0, 2.0], [0.4, 0.1], (ROWS, len(TARGETS)))


def ids(rows: np.ndarray) -> np.ndarray:
    return np.array([f"lens {row:03d}" for row in rows])


def write_predictions(path: Path, error: float, generator: np.random.Generator, **more: Any) -> None:
    """Of a run or a baseline that is wrong by about `error` times the label's spread."""
    parts = []
    for role, rows in (("test", TEST), ("calibration", CALIBRATION)):
        truth = labels()[rows]
        off = error * np.array([0.4, 0.1]) * generator.normal(size=truth.shape)
        said = {"truth": truth, "prediction": truth + off, "spread": np.full(truth.shape, error)}
        parts.append(tables.lines(role, ids(rows), list(TARGETS), list(TARGETS.values()), said))
    tables.write(pd.concat(parts, ignore_index=True).assign(**more), path)


def write_run(folder: Path, run: str, channels: int, seed: int, fit: Mapping[str, Any]) -> None:
    target = folder / "runs" / run
    target.mkdir(parents=True)
    saved = {"backbone": "cnn", "options": {"widths": [4, 6]}, "in_channels": channels, "num_targets": 2}
    network = models.build("cnn", channels, 2, widths=[4, 6])
    data = io.BytesIO()
    torch.save(saved | {"num_vectors": 0, "state_dict": network.state_dict()}, data)
    (target / "weights.pt").write_bytes(data.getvalue())
    losses = {"train_loss": [0.5, 0.3 - 0.01 * seed], "validation_loss": [0.6, 0.4 + 0.01 * seed]}
    pd.DataFrame({"epoch": [0, 1]} | losses).to_csv(target / "history.csv", index=False)
    pd.DataFrame({"step": range(6)}).to_csv(target / "steps.csv", index=False)
    made = {"options": {}, "fit": fit, "rate": {"learning_rate": 0.003}, "versions": {"python": "3.11.7", "torch": "2"}}
    made |= {"hardware": {"accelerator": "cpu"}}
    (target / "fingerprint.json").write_text(json.dumps(made))
    took = {"seconds": SECONDS[seed], "images_per_second": 100 / SECONDS[seed], "peak_memory_mib": MEMORY[seed]}
    write_clock(folder, run, took | {"threads": 2})


def write_clock(folder: Path, name: str, said: Mapping[str, Any]) -> None:
    path = folder / "clock" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))


def fabricate(folder: Path) -> None:
    """Write everything, and let `compare` judge it. The working folder must be `folder`."""
    generator = np.random.default_rng(0)
    (folder / "params.yaml").write_text(
        TINY.read_text()
        .replace("inputs: [raw, engineered]", f"inputs: [{', '.join(CHANNELS)}]")
        .replace("seeds: [0]", f"seeds: {list(SEEDS)}")
    )
    given = {"target_names": list(TARGETS), "target_units": TARGETS, "pixel_scale": 0.1, "psf_fwhm": 0.16}
    given |= {"units": "electron / s", "identities": [], "quarantined": 0}
    provenance = {"source": "simulation", "simulation": {"psf_image": "", "priors": {"x": {"fixed": None}}, "seed": 0}}
    write_store(folder / "images.zarr", "images", 1, **given, provenance=provenance)
    placebo = {"placebo": {"kind": "shuffled", "recipe": "engineered", "kept": 1}}
    for name, channels in CHANNELS.items():
        said = placebo if "_" in name else {}
        write_store(folder / "engineered" / f"{name}.zarr", name, len(channels), channels=channels, **said)
        times = {label: {"work_us": took, "wall_us": 1.1 * took} for label, took in TOOK.items()}
        vectors = {"radial_profile": times["radial_profile"]} if name != "raw" else {}
        took = {"maps": {label: times[label] for label in channels}, "vectors": vectors}
        write_clock(folder, f"features/{name}", {"images": 64, "turns": 7, "threads": 1, "device": "cpu"} | took)
    fit = yaml(TINY)["train"]["fit"] | {"learning_rate": 0.003}
    for (name, channels), seed in product(CHANNELS.items(), SEEDS):
        run = f"{name}-cnn-all-{seed}"
        write_predictions(folder / "predictions" / f"{run}.parquet", 0.3 if name == "engineered" else 0.5, generator)
        write_run(folder, run, len(channels), seed, fit)
        write_predictions(folder / "baselines" / f"{name}.parquet", 1.0, generator, model="constant")
    write_predictions(folder / "baselines" / "shortcuts.parquet", 1.1, generator, model="constant")
    noise = np.random.default_rng(3).lognormal(3, 0.5, ROWS)
    noise[TEST[7]] = np.nan
    described = {"id": ids(np.arange(ROWS)), "row": np.arange(ROWS), "group": np.arange(ROWS)}
    described |= {"signal_to_noise": noise, "ring_over_psf": np.linspace(4, 9, ROWS)}
    described |= {"kind": "", "flux": 1.0, "ring_radius": 1.0, "ring_unit": "arcsec"}
    lenses.write(pd.DataFrame(described), folder / "lenses.parquet")
    split = {"counts": {"train": 100, "test": len(TEST)}, "rows": ROWS, "left_out": 3, "groups": ROWS}
    split |= {"scheme": {"name": "holdout", "seed": 4}, "test_ids_sha256": "abc" * 20}
    (folder / "split.json").write_text(json.dumps(split))
    (folder / "audit.json").write_text(json.dumps({"findings": [FINDING]}))
    compare(
        *("predictions", "baselines", "lenses.parquet", "runs", "split.json", "audit.json", "shifted"),
        *("metrics.json", "verdict.md", "by_bin.csv", "verdict.json"),
    )


def made(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder of its own with everything in it."""
    folder = factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fabricate(folder)
    return folder


def sources(folder: Path) -> Sources:
    seeds = params.read((), "train.seeds", path=folder / "params.yaml")
    where = {name: str(folder / file) for name, file in zip(NAMES, PLACES, strict=True)}
    return read(KEYS, seeds, list(CHANNELS), **where)
