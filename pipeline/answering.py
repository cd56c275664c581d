"""A run's network, ready to answer for prepared images: the one place where an answer is made, shifted or not."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

import models
from models.heads.spread import said
from models.network import Network
from models.training.augment import build as augmentation
from models.training.device import pick_device
from models.training.predict import answers
from models.training.symmetric import Orientations
from pipeline import tables
from pipeline.errors import InputError
from pipeline.places import Place, place
from pipeline.store import Store


@dataclass(frozen=True)
class Answering:
    """What a network says of normalised arrays."""

    network: Network
    symmetric: bool  # averages over the eight orientations

    @property
    def arrays(self) -> tuple[str, ...]:
        """What it looks at: maps, and vectors if it fuses them."""
        return ("maps",) if self.network.fusion is None else ("maps", "vectors")

    def __call__(
        self,
        seen: Mapping[str, Float[np.ndarray, "n ..."]],
        targets: Float[np.ndarray, "n t"],
        rows: Int[np.ndarray, " n"],
    ) -> tables.Answer:
        """In one pass over the maps, and in units of the normalised targets, which decide the density at the truth
        alone. `rows` are those of the image store: what is left to chance depends on them."""
        maps, *fused = (torch.from_numpy(seen[name]) for name in self.arrays)
        vectors = fused[0] if fused else None
        one = self.network
        views = answers(Orientations(one), maps, vectors) if self.symmetric else answers(one, maps, vectors)[:, None]
        levels = torch.tensor(tables.LEVELS) / 100
        found = said(one.head, views, torch.from_numpy(targets), rows, levels)
        values: dict[str, Any] = {name: each.numpy() for name, each in found.items()}
        return tables.Answer(**values)

    def of(self, store: Store, start: int, stop: int) -> tables.Answer:
        """Of rows [start, stop) of a prepared store."""
        self.check(store)
        seen = {name: store.read(name, start, stop) for name in self.arrays}
        return self(seen, store.read("target", start, stop), store.read("row", start, stop))

    def check(self, store: Store) -> None:
        """Refuse to turn channels and vectors that do not turn with their image, as training on turned images would."""
        if not self.symmetric:
            return
        about = store.attributes
        columns = about["symmetries"] if "vectors" in self.arrays else {}
        try:
            turned = augmentation(["d4"], about["channels"], columns=columns)
            turned.check(*store.shape("maps")[2:])
        except ValueError as error:
            raise InputError(f"predict.symmetric: {error}") from error


def of_run(folder: str, device: str, symmetric: bool) -> Answering:
    """The network of the run in `folder`, on a device."""
    try:
        network = load(place(folder) / "weights.pt").to(pick_device(device))
    except ValueError as error:
        raise InputError(f"train.fit.device: {error}") from error
    return Answering(network, symmetric)


def load(weights: Place) -> Network:
    """The network that a run wrote, with its weights."""
    saved = torch.load(io.BytesIO(weights.read_bytes()), weights_only=True)
    sizes: dict[str, Any] = {name: saved[name] for name in ("in_channels", "num_targets", "num_vectors")}
    # by no initialisation that needs images: the weights are here
    model = models.build(saved["backbone"], **{**sizes, **saved["options"], "init": "default"})
    model.load_state_dict(saved["state_dict"])
    return model
