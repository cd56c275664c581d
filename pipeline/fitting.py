"""What the stages `train` and `find_lr` begin from: rows, a network, and settings, each checked against the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

import models
from models.network import Network
from models.network.initial import lsuv
from models.training.memory import does_not_fit, out_of_memory
from models.training.preparation import Images
from models.training.record import NotFinite
from models.training.settings import Settings, scaled
from pipeline import params
from pipeline.errors import InputError
from pipeline.params import plain
from pipeline.rows import Rows, of_role
from pipeline.store import Store

CODE = (
    "pipeline/fitting.py",
    "pipeline/checkpoint.py",
    "pipeline/rows.py",
    "models/blocks/*.py",
    "models/heads/*.py",
    "models/network/*.py",
    "models/timm_cpu.py",
    "models/training/**/*.py",
)
LSUV_IMAGES = 64


@dataclass(frozen=True)
class Task:
    """A backbone with its options, and the rows of a prepared store that it is to learn from."""

    store: Store
    backbone: str
    options: dict[str, Any]
    size: str = "all"  # how many of the training rows

    @property
    def vectors(self) -> bool:
        """Whether the network is to see vector features: its options fuse them in, and the store has some."""
        return self.options.get("fusion", "none") != "none" and bool(self.store.attributes["columns"])

    @cached_property
    def rows(self) -> Rows:
        return of_role(self.store, "train", self.size, self.vectors)

    def validation(self) -> tuple[Tensor, ...]:
        """Maps, targets and, where there are any, vectors: all rows at once."""
        rows = of_role(self.store, "validation", "all", self.vectors)
        return tuple(torch.from_numpy(rows.read(name, 0, rows.rows)) for name in rows.names)

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers that a network for this store is built for."""
        said = self.store.attributes
        columns = len(said["columns"]) if self.vectors else 0
        return {"in_channels": len(said["channels"]), "num_targets": len(said["targets"]), "num_vectors": columns}

    @property
    def images(self) -> Images:
        """What augmentations are to know of the rows."""
        said = self.store.attributes
        vectors = said["symmetries"] if self.vectors else {}
        return Images(said["channels"], said["statistics"]["maps"], said["observation"], vectors)

    def network(self, seed: int) -> Network:
        """A fresh network. `lsuv` among the names of `init` scales its layers on the first training rows."""
        torch.manual_seed(seed)
        names = self.options.get("init", "default")
        names = [names] if isinstance(names, str) else list(names)
        others = [name for name in names if name != "lsuv"] or ["default"]
        try:
            model = models.build(self.backbone, **{**self.sizes, **self.options, "init": others})
            if "lsuv" in names:
                seen = (name for name in self.rows.names if name != "target")
                lsuv(model, *(torch.from_numpy(self.rows.read(name, 0, LSUV_IMAGES)) for name in seen))
        except (ValueError, TypeError, ModuleNotFoundError) as error:
            raise InputError(f"backbones.{self.backbone}: {error}") from error
        return model


def settings_of(fit: params.Fit, rate: float, edge: float | None, device: str) -> Settings:
    """Settings at a learning rate, on a device. `edge`, of the range test, is how far the warm-up of AutoWU goes."""
    given = plain(fit)
    chosen = {field.name: given[field.name] for field in fields(Settings)}
    scaled_rate = scaled(rate, fit.batch_size, fit.scaling.rule, fit.scaling.batch_size)
    schedule = given["schedule"]
    if edge is not None and fit.schedule.kind == "autowu" and schedule.get("maximum") is None:
        schedule = {**schedule, "maximum": edge}
    return Settings(**{**chosen, "learning_rate": scaled_rate, "schedule": schedule, "device": device})


@contextmanager
def explained(store: Store, fit: params.Fit) -> Iterator[None]:
    """What goes wrong in a run, told as the user's: which setting, which rows, or how much smaller a batch."""
    try:
        yield
    except NotFinite as error:
        start, _ = store.attributes["roles"]["train"]
        ids = store.read("id")[start + np.array(error.rows, dtype=int)]
        named = f": {', '.join(map(str, ids[:8]))}{' …' if len(ids) > 8 else ''}" if len(ids) else ""
        raise InputError(f"{error}{named}") from error
    except InputError:  # of the store: maps are read as they are asked for, and one of its shards may be damaged
        raise
    except ValueError as error:
        raise InputError(f"train.fit.{error}") from error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise InputError(f"train.fit.{does_not_fit(fit.batch_size, fit.device, fit.accumulate)}") from error
