"""Stage `train`: one backbone on one input with one seed, on the first so many of the shuffled training rows.

    python -m pipeline.train cnn all 0 data/prepared/raw/fit.zarr data/runs/raw-cnn-all-0

Writes `weights.pt` (a state_dict and what is needed to rebuild the network around it), `history.csv`,
`fingerprint.json` (the parameters, data and code that made the run) and `clock.json` (what depends on the machine's
clock, which nothing reads).

While it trains, a checkpoint lies beside that folder. It carries the fingerprint: a run that was killed goes on from
its last epoch, a run of anything else starts over.
"""

import hashlib
import io
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

import models
from models.training import Epoch, Settings, State, fit
from pipeline import atomic, params
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.params import plain
from pipeline.store import Store

CODE = ("pipeline/train.py", "models/blocks.py", "models/timm_cpu.py", "models/training/*.py")


def train(backbone: str, size: str, seed: str, source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Fit `backbone` on the store `source` and write the run to the folder `target`."""
    settings, options = params.read(overrides, "train.fit", f"backbones.{backbone}")
    store = Store(source)
    maps, target_rows = rows_of(store, "train", size)
    torch.manual_seed(int(seed))
    model = _build(backbone, options, store)
    fingerprint = {
        "backbone": backbone,
        "options": options,
        "fit": plain(settings),
        "size": size,
        "seed": int(seed),
        "data": store.attributes["shards"],
        "code": _code(backbone),
    }
    checkpoint = Path(target).with_name(f".{Path(target).name}.checkpoint")
    started = time.perf_counter()
    try:
        history = fit(
            model,
            (maps, target_rows),
            rows_of(store, "validation"),
            Settings(**plain(settings)),
            int(seed),
            resume=_resumed(checkpoint, fingerprint),
            watch=_Watcher(Path(target).name, settings.epochs, checkpoint, fingerprint),
        )
    except (FloatingPointError, ValueError) as error:
        raise InputError(f"{Path(target).name}: {error}") from error
    clock = {"seconds": time.perf_counter() - started, "threads": torch.get_num_threads(), "torch": torch.__version__}
    network = {
        "backbone": backbone,
        "options": options,
        "in_channels": maps.shape[1],
        "num_targets": target_rows.shape[1],
    }
    _write(Path(target), {**network, "state_dict": model.cpu().state_dict()}, history, fingerprint, clock)
    checkpoint.unlink(missing_ok=True)


def rows_of(store: Store, role: str, size: str = "all") -> tuple[Tensor, Tensor]:
    """Maps and targets of a role, or of the first `size` rows of it."""
    start, stop = store.attributes["roles"][role]
    if size != "all":
        if int(size) > stop - start:
            raise InputError(f"train.sizes: {size} rows, but {store.path} has {stop - start} to train on")
        stop = start + int(size)
    return torch.from_numpy(store.read("maps", start, stop)), torch.from_numpy(store.read("target", start, stop))


def _build(backbone: str, options: dict[str, Any], store: Store) -> torch.nn.Module:
    try:
        return models.build(backbone, len(store.attributes["channels"]), len(store.attributes["targets"]), **options)
    except (ValueError, TypeError) as error:
        raise InputError(f"backbones.{error}") from error


class _Watcher:
    """Shows each epoch (a bar on a terminal, a line in a log) and keeps the checkpoint."""

    def __init__(self, name: str, epochs: int, checkpoint: Path, fingerprint: dict[str, Any]) -> None:
        self.name, self.epochs, self.checkpoint, self.fingerprint = name, epochs, checkpoint, fingerprint
        self.bar = tqdm(total=epochs, desc=name, unit="epoch") if sys.stderr.isatty() else None

    def __call__(self, epoch: Epoch, state: State) -> None:
        losses = f"train {epoch.train_loss:.4f}  validation {epoch.validation_loss:.4f}"
        if self.bar is None:
            print(f"{self.name}  epoch {epoch.epoch + 1}/{self.epochs}  {losses}{'  best' * epoch.best}", flush=True)
        else:
            self.bar.update(epoch.epoch + 1 - self.bar.n)
            self.bar.set_postfix_str(losses)
        atomic.write(self.checkpoint, _saved({"fingerprint": json.dumps(self.fingerprint), "state": state}))


def _resumed(checkpoint: Path, fingerprint: dict[str, Any]) -> State | None:
    """The state of a run that was killed, if it was a run of exactly this."""
    if not checkpoint.exists():
        return None
    saved = torch.load(checkpoint, weights_only=True)
    if saved["fingerprint"] != json.dumps(fingerprint):
        print(f"train: {checkpoint} belongs to other parameters, data or code; starting over")
        return None
    print(f"train: going on from {checkpoint}, epoch {len(saved['state']['history'])}")
    return saved["state"]


def _code(backbone: str) -> dict[str, str]:
    """SHA-256 of every file that decides what a run does."""
    root = Path(__file__).parent.parent
    files = sorted({file for pattern in (*CODE, f"models/{backbone}.py") for file in root.glob(pattern)})
    return {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _write(target: Path, weights: dict[str, Any], history: list[Epoch], *records: dict[str, Any]) -> None:
    atomic.write(target / "history.csv", pd.DataFrame([asdict(epoch) for epoch in history]).to_csv(index=False))
    for name, record in zip(("fingerprint", "clock"), records, strict=True):
        atomic.write(target / f"{name}.json", json.dumps(record, indent=1))
    atomic.write(target / "weights.pt", _saved(weights))


def _saved(thing: dict[str, Any]) -> bytes:
    """What torch.save would put into a file."""
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    run(train, "BACKBONE SIZE SEED STORE FOLDER")
