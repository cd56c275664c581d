"""Seconds and peak memory of `report` as a process, and the size of its page, at full size.

    python -m benchmarks.report [lenses]

What `benchmarks.verdict` makes (2 inputs x 2 backbones x 10 seeds, 20,000 test lenses by default, a distribution for
each answer), with images of 64 x 64 and their channels, and `compare`'s findings about it.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import models
from benchmarks import verdict
from benchmarks.memory import stage
from pipeline import store
from pipeline.store import Array

SIDE = 64
CHANNELS = {"raw": ["pixels"], "engineered": ["intensity", "radial_residual", "ridge", "log_power"]}
PLACES = ("images.zarr", "lenses.parquet", "split.json", "audit.json", "engineered", "runs", "clock", "predictions")
BAR_SECONDS, BAR_PAGE = 60, 10.0  # s, MB; on two cores


def fabricate(folder: Path, lenses: int) -> None:
    """Everything that `report` reads beside what `compare` reads and writes."""
    write_images(folder, lenses)
    table = pd.read_parquet(folder / "lenses.parquet")
    table.assign(row=np.arange(lenses)).to_parquet(folder / "lenses.parquet")
    split = json.loads((folder / "split.json").read_text())
    split |= {"scheme": {"name": "holdout", "seed": 0}, "rows": lenses, "left_out": 0, "groups": lenses}
    (folder / "split.json").write_text(json.dumps(split | {"test_ids_sha256": "0" * 64}))
    (folder / "clock" / "features").mkdir(parents=True)
    for name, channels in CHANNELS.items():
        maps = {channel: {"work_us": 10.0, "wall_us": 11.0} for channel in channels}
        (folder / "clock" / "features" / f"{name}.json").write_text(json.dumps({"maps": maps, "vectors": {}}))
    for name, backbone, seed in verdict.RUNS:
        write_run(folder, f"{name}-{backbone}-all-{seed}", backbone, len(CHANNELS[name]))


def write_images(folder: Path, lenses: int) -> None:
    """Pixels and channels of noise, which is what takes most room on the page."""
    given = {"target_names": ["mass"], "target_units": {"mass": "dex(eV)"}, "pixel_scale": 0.1, "psf_fwhm": 0.16}
    given |= {"units": "electron / s", "identities": [], "quarantined": 0, "provenance": {"source": "fabricated"}}
    write_noise(folder / "images.zarr", "images", lenses, 1, **given)
    (folder / "engineered").mkdir()
    for name, channels in CHANNELS.items():
        write_noise(folder / "engineered" / f"{name}.zarr", "maps", lenses, len(channels), channels=channels)


def write_noise(path: Path, array: str, lenses: int, planes: int, **said: object) -> None:
    generator, shape = np.random.default_rng(0), (planes, SIDE, SIDE)
    described = [
        Array("targets", "float64", (1,), ("t",)),
        Array(array, "float32", shape, ("b" if array == "images" else "c", "h", "w")),
    ]
    store.write(
        path,
        lenses,
        described,
        lambda start, stop: {
            "targets": np.full((stop - start, 1), -22.0),
            array: generator.normal(size=(stop - start, *shape)).astype(np.float32),
        },
        **said,
    )


def write_run(folder: Path, run: str, backbone: str, channels: int) -> None:
    """Weights, history and times of a run that was never trained."""
    target = folder / "runs" / run
    target.mkdir(parents=True)
    saved = {"backbone": backbone, "options": {}, "in_channels": channels, "num_targets": 1, "num_vectors": 0}
    network = models.build(backbone, channels, 1)
    data = io.BytesIO()
    torch.save(saved | {"state_dict": network.state_dict()}, data)
    (target / "weights.pt").write_bytes(data.getvalue())
    epochs = np.arange(60)
    losses = {"train_loss": np.exp(-epochs / 20), "validation_loss": np.exp(-epochs / 25)}
    pd.DataFrame({"epoch": epochs} | losses).to_csv(target / "history.csv", index=False)
    made = {"versions": {"python": "3.11"}, "hardware": {"accelerator": "cpu"}}
    (target / "fingerprint.json").write_text(json.dumps(made))
    took = {"seconds": 60.0, "images_per_second": 1000.0, "peak_memory_mib": 500.0, "threads": 2}
    (folder / "clock" / f"{run}.json").write_text(json.dumps(took))


def main(lenses: int) -> None:
    seeds = f"train.seeds={list(range(10))}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        verdict.fabricate(folder, lenses)
        stage(folder, "pipeline.compare", *verdict.PLACES, *verdict.WRITTEN, seeds)
        fabricate(folder, lenses)
        seconds, peak = stage(folder, "pipeline.report", *PLACES, "by_bin.csv", "verdict.json", "report", seeds)
        page = (folder / "report" / "index.html").stat().st_size / 1e6
    fast, light = verdict.met(seconds <= BAR_SECONDS), verdict.met(page <= BAR_PAGE)
    print(
        f"report: {len(verdict.RUNS)} runs, {lenses} test lenses: {seconds:.1f} s   bar {BAR_SECONDS} s: {fast}; ",
        end="",
    )
    print(f"page {page:.1f} MB   bar {BAR_PAGE} MB: {light}; peak {peak:.2f} GB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
