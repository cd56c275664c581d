"""SIGKILL at random moments of a training, of the whole of it or of one rank: the weights are those of a calm one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.split import split
from tests.conftest import ROOT, environment

pytestmark = pytest.mark.proof
KILLS = 12
FIT = [  # whatever has a state of its own
    "train.fit.epochs=30",
    "train.fit.optimiser.kind=radam",
    "train.fit.average.kind=ema",
    "train.fit.label_noise=0.1",
    "train.fit.loss={kind: huber, delta: mad}",
    "backbones.cnn={widths: [8, 8], head: {dropout: 0.2}}",
]


@pytest.fixture
def prepared(tiny: Path) -> Path:
    ingest("images.zarr", "quarantine.csv", ["simulation.images=400"])
    describe("images.zarr", "lenses.parquet")
    audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    split("images.zarr", "audit.json", "audit/pairs.csv", "split.json")
    engineer("raw", "images.zarr", "raw.zarr")
    normalise("images.zarr", "raw.zarr", "split.json", "raw")
    find_lr("cnn", "raw/fit.zarr", "rate")
    return tiny


def start(folder: Path, run: str, *overrides: str) -> subprocess.Popen[str]:
    words = ("cnn", "all", "0", "raw/fit.zarr", "rate/rate.json", run, f"{run}.json")
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.train", *words, *FIT, *overrides],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def weights(folder: Path, run: str) -> dict[str, torch.Tensor]:
    return torch.load(folder / run / "weights.pt", weights_only=True)["state_dict"]


def same(folder: Path, first: str, second: str) -> bool:
    """Weights to the bit, and every number of the history."""
    one, other = weights(folder, first), weights(folder, second)
    assert one.keys() == other.keys()
    histories = [(folder / run / name).read_bytes() for run in (first, second) for name in ("history.csv", "steps.csv")]
    return all(torch.equal(one[name], other[name]) for name in one) and histories[:2] == histories[2:]


def test_a_dozen_kills_change_no_bit(prepared: Path) -> None:
    """Each hits what the one before has left; a checkpoint is written after every step, so that many hit that."""
    calm = start(prepared, "calm")
    assert calm.communicate()[1] == ""
    assert calm.returncode == 0
    moments = np.random.default_rng(0).uniform(0, 1, KILLS)
    struck, resumed = 0, 0
    for moment in moments:
        process = start(prepared, "killed")
        seen = ""
        assert process.stdout
        for line in process.stdout:  # until it trains
            seen += line
            if "epoch" in line:
                break
        time.sleep(0.5 * moment)
        struck += process.poll() is None
        process.kill()
        process.communicate()
        resumed += "going on from" in seen
    assert struck >= 10
    assert resumed >= 9
    last = start(prepared, "killed")
    assert "going on from" in last.communicate()[0]
    assert same(prepared, "calm", "killed")


def test_a_killed_rank_ends_the_run_with_one_line_and_the_run_goes_on(prepared: Path) -> None:
    two = "train.fit.devices=2"
    calm = start(prepared, "calm", two)
    assert calm.communicate()[1] == ""
    process = start(prepared, "killed", two)
    assert process.stdout
    for line in process.stdout:
        if re.search(r"epoch 8/", line):
            break
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == (
        "train: rank 1 of 2 was killed (SIGKILL); the checkpoint is kept, run the same command again to go on\n"
    )
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    again, said = start(prepared, "killed", two).communicate()
    assert re.search(r"going on from .*\.killed\.checkpoint, after \d+ epochs", again)
    assert said == ""
    assert same(prepared, "calm", "killed")
    assert json.loads((prepared / "killed" / "fingerprint.json").read_text())["hardware"]["devices"] == 2
