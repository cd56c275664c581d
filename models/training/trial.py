"""Steps at any rate: what the range test turns up the rate of."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from models.training.loading import Batch, Held, Source
from models.training.parts import Parts
from models.training.preparation import prepared
from models.training.settings import Settings


def trial(
    model: nn.Module, train: Held | Source, settings: Settings, seed: int, **about: Any
) -> Callable[[float], float]:
    """A function that takes the next step of training `model` at the rate it is given, and returns the loss before it.

    Everything is as in a run of these settings but the schedule. A loss that is not finite is returned, not raised.
    """
    parts = prepared(model, train, settings, seed, **about)
    parts.train()
    batches = _endless(parts)

    def step(rate: float) -> float:
        parts.stepper.set(rate)
        return float(parts.step(parts.treated(next(batches), 0)).loss)

    return step


def _endless(parts: Parts) -> Iterator[Batch]:
    while True:
        yield from parts.loader.epoch(parts.order)
