"""How to fit: what params.yaml says under train.fit, where the meaning of each is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Kind = Mapping[str, Any]  # {"kind": name, and its options}


def options(kind: Kind) -> dict[str, Any]:
    """The options of a kind, without its name."""
    return {name: value for name, value in kind.items() if name != "kind"}


@dataclass(frozen=True)
class Settings:
    """Defaults are params.yaml's, or leave out what is optional."""

    epochs: int = 20
    batch_size: int = 64  # over all ranks
    accumulate: int = 1
    learning_rate: float = 3e-3
    schedule: Kind = field(default_factory=lambda: {"kind": "one_cycle"})
    optimiser: Kind = field(default_factory=lambda: {"kind": "adamw"})
    discriminative: float = 1.0
    weight_decay: float = 1e-2
    l1: float = 0.0
    clip: float | None = None
    loss: Kind = field(default_factory=lambda: {"kind": "auto"})
    target_weights: Sequence[float] = ()
    label_noise: float = 0.0
    average: Kind = field(default_factory=lambda: {"kind": "none"})
    patience: int = 10
    augment: Sequence[str | Mapping[str, Any]] = ("d4",)
    progressive: Mapping[str, Any] | None = None
    memory: int = 4096  # MiB
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    channels_last: bool = True
    compile: str = "none"


def scaled(rate: float, batch_size: int, rule: str, reference: int) -> float:
    """A learning rate found at batches of `reference` images, for others: Goyal et al. 2017 scale it linearly (the
    noise of SGD's steps stays), Malladi et al. 2022 by the square root (that of adaptive optimisers' steps does)."""
    return rate * {"none": 1.0, "linear": batch_size / reference, "sqrt": (batch_size / reference) ** 0.5}[rule]
