"""Stage `train`: one backbone on one input with one seed, on the first so many of the shuffled training rows.

    python -m pipeline.train cnn all 0 data/prepared/raw/fit.zarr data/runs/raw-cnn-all-0 data/clock/raw-cnn-all-0.json

Writes `weights.pt` (a state_dict and what is needed to rebuild the network around it), `history.csv` and
`fingerprint.json` (the parameters, data, code and hardware that made the run); and, apart from these because it differs
every time and nothing may depend on it, the time and memory that the run took.

While it trains, a checkpoint lies beside that folder. It carries the fingerprint: a run that was killed goes on from
its last epoch, a run of anything else starts over.
"""

import io
import json
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

import models
from models.training.loop import Epoch, Settings, State, Train, fit, hardware
from pipeline import atomic, fingerprint, params
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.params import plain
from pipeline.places import Place, place
from pipeline.store import Store

CODE = (
    "pipeline/train.py",
    "models/blocks/*.py",
    "models/heads/*.py",
    "models/network/*.py",
    "models/timm_cpu.py",
    "models/training/*.py",
)


def train(
    backbone: str, size: str, seed: str, source: str, target: str, clock: str, overrides: Iterable[str] = ()
) -> None:
    """Fit `backbone` on the store `source`, write the run to the folder `target`, and what it cost to `clock`."""
    settings, options = params.read(overrides, "train.fit", f"backbones.{backbone}")
    folder, store = place(target), Store(source)
    name = folder.name
    vectors = _takes_vectors(options, store)
    rows, validation = rows_of(store, "train", size, vectors), rows_of(store, "validation", "all", vectors)
    _check(settings, rows[0])
    torch.manual_seed(int(seed))
    sizes: dict[str, Any] = {
        "in_channels": rows[0].shape[1],
        "num_targets": rows[1].shape[1],
        "num_vectors": len(store.attributes["columns"]) if vectors else 0,
    }
    model = _build(backbone, options, sizes)
    made_of = {
        "backbone": backbone,
        "options": options,
        "fit": plain(settings),
        "hardware": hardware(settings.device, settings.precision),
        "torch": torch.__version__,
        "size": size,
        "seed": int(seed),
        "data": store.attributes["shards"],
        "code": fingerprint.code(*CODE, f"models/{backbone}.py"),
    }
    checkpoint = folder.with_name(f".{name}.checkpoint")
    resume = _resumed(checkpoint, made_of)
    watcher = _Watcher(name, settings.epochs, checkpoint, made_of)
    began = time.perf_counter()
    try:
        history = fit(model, rows, validation, Settings(**plain(settings)), int(seed), resume, watcher)
    except FloatingPointError as error:
        raise InputError(f"{name}: {error}") from error
    cost = _cost(time.perf_counter() - began, (len(history) - _epochs(resume)) * len(rows[0]))
    weights = {"backbone": backbone, "options": options, **sizes, "state_dict": model.cpu().state_dict()}
    _write(folder, weights, history, made_of)
    atomic.write(clock, json.dumps(cost, indent=1))
    checkpoint.unlink(missing_ok=True)


def _takes_vectors(options: dict[str, Any], store: Store) -> bool:
    """Whether a network is to see vector features: its options fuse them in, and the store has some."""
    return options.get("fusion", "none") != "none" and bool(store.attributes["columns"])


def rows_of(store: Store, role: str, size: str = "all", vectors: bool = False) -> Train:
    """Maps and targets of a role, and its vectors if they are asked for; or of the first `size` rows of it."""
    start, stop = store.attributes["roles"][role]
    if size != "all":
        if int(size) > stop - start:
            raise InputError(f"train.sizes: {size} rows, but {store.path} has {stop - start} to train on")
        stop = start + int(size)
    maps, target = (torch.from_numpy(store.read(name, start, stop)) for name in ("maps", "target"))
    return (maps, target, torch.from_numpy(store.read("vectors", start, stop))) if vectors else (maps, target)


def _check(settings: params.Fit, maps: Tensor) -> None:
    """Refuse what the loop cannot do before anything is built for it."""
    try:
        hardware(settings.device, settings.precision)
    except ValueError as error:
        raise InputError(f"train.fit.device: {error}") from error
    height, width = maps.shape[2:]
    if settings.augment == "d4" and height != width:
        raise InputError(f"train.fit.augment: d4 needs square frames, not {height} x {width}; choose none")


def _build(backbone: str, options: dict[str, Any], sizes: dict[str, Any]) -> torch.nn.Module:
    try:
        return models.build(backbone, **sizes, **options)
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        raise InputError(f"backbones.{backbone}: {error}") from error


def _epochs(state: State | None) -> int:
    return len(state["history"]) if state else 0


def _cost(seconds: float, images: int) -> dict[str, float]:
    """What this process spent on fitting; of a run that was resumed, its last part."""
    return {
        "seconds": seconds,
        "images_per_second": images / seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": torch.get_num_threads(),
    }


class _Watcher:
    """Shows each epoch (a bar on a terminal, a line in a log) and keeps the checkpoint."""

    def __init__(self, name: str, epochs: int, checkpoint: Place, made_of: dict[str, Any]) -> None:
        self.name, self.epochs, self.checkpoint, self.made_of = name, epochs, checkpoint, made_of
        self.bar = tqdm(total=epochs, desc=name, unit="epoch") if sys.stderr.isatty() else None

    def __call__(self, epoch: Epoch, state: State) -> None:
        losses = f"train {epoch.train_loss:.4f}  validation {epoch.validation_loss:.4f}"
        if self.bar is None:
            print(f"{self.name}  epoch {epoch.epoch + 1}/{self.epochs}  {losses}{'  best' * epoch.best}", flush=True)
        else:
            self.bar.update(epoch.epoch + 1 - self.bar.n)
            self.bar.set_postfix_str(losses)
        atomic.write(self.checkpoint, _saved({"fingerprint": json.dumps(self.made_of), "state": state}))


def _resumed(checkpoint: Place, made_of: dict[str, Any]) -> State | None:
    """The state of a run that was killed, if it was a run of exactly this."""
    if not checkpoint.exists():
        return None
    saved = torch.load(io.BytesIO(checkpoint.read_bytes()), weights_only=True)
    if saved["fingerprint"] != json.dumps(made_of):
        print(f"train: {checkpoint} belongs to other parameters, data or code; starting over")
        return None
    print(f"train: going on from {checkpoint}, epoch {len(saved['state']['history'])}")
    return saved["state"]


def _write(target: Place, weights: dict[str, Any], history: list[Epoch], made_of: dict[str, Any]) -> None:
    atomic.write(target / "history.csv", pd.DataFrame([asdict(epoch) for epoch in history]).to_csv(index=False))
    atomic.write(target / "fingerprint.json", json.dumps(made_of, indent=1))
    atomic.write(target / "weights.pt", _saved(weights))


def _saved(thing: dict[str, Any]) -> bytes:
    """What torch.save would put into a file."""
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    run(train, "BACKBONE SIZE SEED STORE FOLDER CLOCK")
