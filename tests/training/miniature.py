"""A small thing to learn, that every lever of the training is tried on."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import models
from models.training.record import Epoch, State
from models.training.settings import Settings

SETTINGS = Settings(
    epochs=6, batch_size=16, learning_rate=1e-2, patience=100, augment=[], device="cpu", precision="32-true"
)


def lenses(count: int, seed: int, size: int = 12) -> tuple[Tensor, Tensor]:
    """Blobs in noise; the target, of unit variance, is the logarithm of a blob's width."""
    generator = torch.Generator().manual_seed(seed)
    width = 1 + 2 * torch.rand(count, 1, generator=generator)
    axis = torch.arange(size) - (size - 1) / 2
    square = axis[:, None] ** 2 + axis**2
    blobs = torch.exp(-square / (2 * width[..., None] ** 2))
    maps = blobs + 0.05 * torch.randn(count, size, size, generator=generator)
    target = (width.log() - 0.65) / 0.31
    return (maps[:, None] - maps.mean()) / maps.std(), target


def cnn(seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return models.build("cnn", 1, 1, **{"widths": [8, 8], **options})


def settings(**changes: Any) -> Settings:
    return replace(SETTINGS, **changes)


def distance(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Between two sets of weights."""
    return float(torch.cat([(first[name] - second[name]).flatten().double() for name in first]).norm())


class Steps:
    """A watcher that keeps the state after every step, as a file would."""

    def __init__(self) -> None:
        self.files: list[bytes] = []

    def stepped(self, step: int, state: Callable[[], State]) -> None:
        file = io.BytesIO()
        torch.save(state(), file)
        self.files.append(file.getvalue())

    def ended(self, epoch: Epoch, state: Callable[[], State]) -> None: ...

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, step: int) -> State:
        return torch.load(io.BytesIO(self.files[step]), weights_only=True)
