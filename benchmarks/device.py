"""What each backbone costs on a device: images a second, and the time to the default task's accuracy.

    python -m pipeline.simulate --arrays lenses.npz simulation.images=3000
    python -m benchmarks.device lenses.npz benchmarks/results [backbone ...]

It takes no store, so that a bare machine with torch and timm can run it on arrays that were carried there. Every
backbone is trained as params.yaml has it, with and without torch.compile, until its validation loss is `GOAL`, or to
the last epoch. The first epoch, in which kernels are chosen and compiled, counts for the time and not for the speed.
Results are written to a file with the device's name.
"""

import json
import platform
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import models
from models.training.device import pick_device
from models.training.loop import fit
from models.training.record import Epoch, NotFinite, State
from models.training.settings import Settings

GOAL = 0.1  # Huber's loss of the normalised label; the default's networks end at 0.08 to 0.10
TARGET, SHARES = "log10_axion_mass", (0.7, 0.8)  # train to the first, validation to the second
Rows = tuple[Tensor, Tensor]


class Clock:
    """The time at the end of every epoch, and when the goal was reached."""

    def __init__(self) -> None:
        self.began, self.ends, self.reached = time.perf_counter(), list[float](), None

    def stepped(self, step: int, state: Callable[[], State]) -> None: ...

    def ended(self, epoch: Epoch, state: Callable[[], State]) -> None:
        self.ends.append(time.perf_counter() - self.began)
        if self.reached is None and epoch.validation_loss <= GOAL:
            self.reached: float | None = self.ends[-1]


def rows(path: str) -> tuple[Rows, Rows]:
    """Training and validation rows, by the statistics of the first."""
    arrays = np.load(path, allow_pickle=False)
    train, validation = (int(share * len(arrays["images"])) for share in SHARES)
    maps, labels = (torch.from_numpy(arrays[name].astype(np.float32)) for name in ("images", TARGET))
    maps = (maps - maps[:train].mean()) / maps[:train].std()
    labels = (labels - labels[:train].mean()) / labels[:train].std()
    return (maps[:train, None], labels[:train, None]), (maps[train:validation, None], labels[train:validation, None])


def measured(name: str, compile: str, train: Rows, validation: Rows) -> dict[str, Any]:
    """One training."""
    torch.manual_seed(0)
    clock = Clock()
    try:
        record = fit(models.build(name, 1, 1), train, validation, Settings(compile=compile), 0, watcher=clock)
    except NotFinite as error:
        return {"backbone": name, "compile": compile, "failed": str(error)}
    seen = len(train[0]) // Settings.batch_size * Settings.batch_size * (len(clock.ends) - 1)
    return {
        "backbone": name,
        "compile": compile,
        "images_per_second": seen / (clock.ends[-1] - clock.ends[0]) if seen else None,
        "first_epoch_seconds": clock.ends[0],
        "seconds_to_goal": clock.reached,
        "best_validation_loss": min(epoch.validation_loss for epoch in record.epochs),
        "said": record.said["notes"],
    }


def device_name() -> str:
    return torch.cuda.get_device_name() if pick_device("auto") == "cuda" else f"cpu {platform.machine()}"


def main(arrays: str, folder: str, *names: str) -> None:
    device = device_name()
    machine = {"device": device, "torch": torch.__version__, "threads": torch.get_num_threads(), "goal": GOAL}
    file = Path(folder) / f"{re.sub(r'[^a-z0-9]+', '_', device.lower())}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    train, validation = rows(arrays)
    results = []
    for name in names or models.BACKBONES:
        for compile in ("none", "default") if torch.cuda.is_available() else ("none",):
            results.append(measured(name, compile, train, validation))
            print(json.dumps(results[-1]), flush=True)
            file.write_text(json.dumps(machine | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
