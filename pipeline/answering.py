"""A run's network, ready to answer for prepared images."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

import models
from models.network import Network
from models.training.augment import build as augmentation
from models.training.device import pick_device
from models.training.predict import predict as answers
from models.training.symmetric import symmetric
from pipeline.errors import InputError
from pipeline.places import Place, place
from pipeline.store import Store


@dataclass(frozen=True)
class Answering:
    """Normalised predictions for normalised arrays."""

    network: nn.Module
    arrays: tuple[str, ...]  # what it looks at: maps, and vectors if it fuses them
    symmetric: bool  # averages over the eight orientations

    def __call__(self, seen: Mapping[str, Float[np.ndarray, "n ..."]]) -> Float[np.ndarray, "n t"]:
        return answers(self.network, *(torch.from_numpy(seen[name]) for name in self.arrays)).numpy()

    def of(self, store: Store, start: int, stop: int) -> Float[np.ndarray, "n t"]:
        """For rows [start, stop) of a prepared store."""
        self.check(store)
        return self({name: store.read(name, start, stop) for name in self.arrays})

    def check(self, store: Store) -> None:
        """Refuse to turn channels and vectors that do not turn with their image, as training on turned images would."""
        if not self.symmetric:
            return
        said = store.attributes
        try:
            turned = augmentation(
                ["d4"], said["channels"], columns=said["symmetries"] if "vectors" in self.arrays else {}
            )
            turned.check(*store.shape("maps")[2:])
        except ValueError as error:
            raise InputError(f"predict.symmetric: {error}") from error


def of_run(folder: str, device: str, turned: bool) -> Answering:
    """The network of the run in `folder`, on a device; `turned` has each answer averaged over orientations."""
    try:
        network = load(place(folder) / "weights.pt").to(pick_device(device))
    except ValueError as error:
        raise InputError(f"train.fit.device: {error}") from error
    arrays = ("maps",) if network.fusion is None else ("maps", "vectors")
    return Answering(symmetric(network) if turned else network, arrays, turned)


def load(weights: Place) -> Network:
    """The network that a run wrote, with its weights."""
    saved = torch.load(io.BytesIO(weights.read_bytes()), weights_only=True)
    sizes: dict[str, Any] = {name: saved[name] for name in ("in_channels", "num_targets", "num_vectors")}
    model = models.build(saved["backbone"], **sizes, **saved["options"])
    model.load_state_dict(saved["state_dict"])
    return model
