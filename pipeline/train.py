"""Stage `train`: one backbone on one input with one seed, on the first so many of the shuffled training rows.

    python -m pipeline.train cnn all 0 data/prepared/raw/fit.zarr data/find_lr/raw-cnn/rate.json \
        data/runs/raw-cnn-all-0 data/clock/raw-cnn-all-0.json

Writes `weights.pt` (a state_dict and what is needed to rebuild the network around it), `history.csv` (a line an epoch),
`steps.csv` (a line a step: learning rate, loss, gradient norm), `record.json` (what the schedule decided, and what was
asked for and could not be done) and `fingerprint.json` (the parameters, data, code, versions and hardware that made the
run); and, apart from these because it differs every time and nothing may depend on it, the time and memory it took.

While it trains, a checkpoint lies beside that folder. It carries the fingerprint: a run that was killed goes on from
there, a run of anything else starts over. With train.fit.devices above one, or under torchrun, several processes share
each step.
"""

import json
import logging
import platform
import sys
import time
from collections.abc import Iterable
from contextlib import closing, nullcontext
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch

from models.network import Network
from models.training.device import hardware, peak_memory, pick_device
from models.training.loop import fit
from models.training.record import Record, State
from pipeline import atomic, fingerprint, fitting, params, ranks
from pipeline.checkpoint import Checkpoint, saved
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.logs import logger
from pipeline.params import plain
from pipeline.places import Place, place
from pipeline.progress import Progress
from pipeline.slot import slot
from pipeline.store import Store

COLUMNS = {"rates": "learning_rate", "losses": "loss", "norms": "gradient_norm"}
VERSIONS = ("torch", "timm", "lightning-fabric", "pytorch_optimizer", "albumentations")


def train(
    backbone: str,
    size: str,
    seed: str,
    source: str,
    rate: str,
    target: str,
    clock: str,
    overrides: Iterable[str] = (),
) -> None:
    """Fit `backbone` on the store `source` at the rate that `find_lr` wrote.

    The run goes to the folder `target`, and what it cost to `clock`.
    """
    chosen, watch, options = params.read(overrides, "train.fit", "train.watch", f"backbones.{backbone}")
    ranks.follow()
    world = ranks.world()
    if chosen.devices > 1 and world.size == 1:
        words = (backbone, size, seed, source, rate, target, clock, *overrides)
        ranks.launch(chosen.devices, [sys.executable, "-m", "pipeline.train", *words])
        return
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of every process that it finds
    folder, found = place(target), json.loads(place(rate).read_text())
    task = fitting.Task(Store(source), backbone, options, size)
    made_of = _made_of(task, chosen, found, int(seed), world.size)
    checkpoint = Checkpoint(folder.with_name(f".{folder.name}.checkpoint"), made_of, watch.checkpoint_minutes)
    resume = checkpoint.resumed()
    rows, validation, model = task.rows, task.validation(), task.network(int(seed))
    alone = slot(chosen.device) if world.size == 1 else nullcontext(chosen.device)
    followed = watch.log if world.rank == 0 else "none"
    curves = logger(followed, place(clock).with_suffix(""), since=_epochs(resume))
    with alone as device, closing(curves) as log, fitting.explained(task.store, chosen):
        settings = fitting.settings_of(chosen, found["learning_rate"], found["edge"], device)
        progress = Progress(folder.name, chosen.epochs, checkpoint, log)
        about = {"images": task.images, "ranks": world.size}
        began = time.perf_counter()
        record = fit(model, rows, validation, settings, int(seed), resume, progress, **about)
        seconds = time.perf_counter() - began
    if world.rank == 0:
        _write(folder, {"backbone": backbone, "options": options, **task.sizes}, model, record, made_of)
        steps = len(record.trace.rates) - _steps(resume)
        atomic.write(clock, json.dumps(_cost(seconds, steps * chosen.batch_size, pick_device(device)), indent=1))
        checkpoint.remove()


def _made_of(task: fitting.Task, chosen: params.Fit, found: dict[str, Any], seed: int, size: int) -> dict[str, Any]:
    """All that decides the weights, as far as it can be told: what a checkpoint must share to be gone on from."""
    return {
        "backbone": task.backbone,
        "options": task.options,
        "fit": plain(chosen),
        "rate": found,
        **surroundings(chosen, size),
        "size": task.size,
        "seed": seed,
        "data": task.store.attributes["shards"],
        "code": fingerprint.code("pipeline/train.py", *fitting.CODE, f"models/{task.backbone}.py"),
    }


def surroundings(chosen: params.Fit, ranks: int) -> dict[str, Any]:
    """What two machines can differ in: what Fabric is told, and the versions of what decides weights."""
    try:
        told = hardware(chosen.device, chosen.precision, ranks).arguments()
    except ValueError as error:
        raise InputError(f"train.fit.{error}") from error
    versions = {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}}
    return {"hardware": told, "versions": versions}


def _epochs(state: State | None) -> int:
    return len(state["record"]["epochs"]) if state else 0


def _steps(state: State | None) -> int:
    return len(state["record"]["trace"]["rates"]) if state else 0


def _cost(seconds: float, images: int, device: str) -> dict[str, float]:
    """What this process spent on fitting; of a run that was resumed, its last part."""
    return {
        "seconds": seconds,
        "images_per_second": images / seconds,
        "peak_memory_mib": peak_memory(device),
        "threads": torch.get_num_threads(),
    }


def _write(folder: Place, built: dict[str, Any], model: Network, record: Record, made_of: dict[str, Any]) -> None:
    epochs = pd.DataFrame([asdict(epoch) for epoch in record.epochs])
    steps = pd.DataFrame(vars(record.trace)).rename(columns=COLUMNS)
    atomic.write(folder / "history.csv", epochs.to_csv(index=False))
    atomic.write(folder / "steps.csv", steps.to_csv(index_label="step"))
    atomic.write(folder / "record.json", json.dumps(record.said, indent=1))
    atomic.write(folder / "fingerprint.json", json.dumps(made_of, indent=1))
    atomic.write(folder / "weights.pt", saved(built | {"state_dict": model.cpu().state_dict()}))


if __name__ == "__main__":
    run(train, "BACKBONE SIZE SEED STORE RATE FOLDER CLOCK")
