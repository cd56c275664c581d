"""Averages of the weights over the steps of a training, which generalise better than those of its last step.

| kind | options       | average                                                                                      |
|------|---------------|----------------------------------------------------------------------------------------------|
| none |               | none                                                                                         |
| ema  | decay, warmup | exponential, over about 1 / (1 - decay) steps (Polyak & Juditsky 1992)                       |
| swa  | start, every  | equal, of what comes after the fraction `start` of the steps (Izmailov et al. 2018, UAI)     |

Each is a share that the weights of one step take of the average so far.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from models.blocks.options import one_of
from models.training.choice import options_of, refuse_unknown

Share = Callable[[int], float]  # of the step after so many others; 0 leaves it out


def none(steps: int) -> Share:
    return lambda step: 0.0


def ema(steps: int, decay: float = 0.999, warmup: bool = True) -> Share:
    """The average so far keeps `decay`; with `warmup` (1 + t) / (10 + t) where that is less, t steps after the first.

    So a short run is averaged over its last tenth or so, not over its beginnings. The first step is the average of
    itself: initial weights have no part in it.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"average.decay: {decay:g}; it must be at least 0 and below 1")

    def share(step: int) -> float:
        if step == 0:
            return 1.0
        return 1 - (min(decay, (1 + step) / (10 + step)) if warmup else decay)

    return share


def swa(steps: int, start: float = 0.75, every: int = 1) -> Share:
    """One step in `every`, the first right after the fraction `start` of them."""
    if not 0 <= start < 1:
        raise ValueError(f"average.start: {start:g}; it must be at least 0 and below 1")
    if every < 1:
        raise ValueError(f"average.every: {every}; it must be at least 1")
    first = int(start * steps)

    def share(step: int) -> float:
        taken, between = divmod(step - first, every)
        return 1 / (1 + taken) if step >= first and between == 0 else 0.0

    return share


KINDS: dict[str, Callable[..., Share]] = {"none": none, "ema": ema, "swa": swa}


class Average:
    """The average of what a model has been since it was given; buffers such as running statistics have part in it.

    Whole numbers among the buffers are those of the last step averaged.
    """

    def __init__(self, model: nn.Module, share: Share, estimates: bool) -> None:
        self.model, self.share, self.estimates = model, share, estimates
        self.step = 0
        self.mean: dict[str, Tensor] = {}

    @property
    def active(self) -> bool:
        """Whether anything has been averaged yet."""
        return bool(self.mean)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are; to be called after every step of the optimiser."""
        share = self.share(self.step)
        self.step += 1
        if share == 0:
            return
        now = self.model.state_dict()
        if not self.active:
            self.mean = _copy(now)
            return
        floating = [name for name, tensor in now.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.mean[name] for name in floating], [now[name] for name in floating], share)
        for name in now.keys() - floating:
            self.mean[name].copy_(now[name])

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The model is the average inside, where there is one, and itself again afterwards, to the bit."""
        if not self.active:
            yield
            return
        own = _copy(self.model.state_dict())
        self.model.load_state_dict(self.mean)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def refresh(self, batches: Iterable[tuple[Tensor, ...]]) -> None:
        """Measure the statistics of batch normalisation anew, for averaged weights, on batches of a model's inputs.

        They are no average of the statistics at each step. An equal average needs it before it is swapped in; to an
        exponential one, whose weights are all but equal, nothing is done. Dropout acts, as in training.
        """
        if self.active and self.estimates:
            with self.swapped():
                estimate(self.model, batches)
                self.mean = _copy(self.model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "mean": _copy(self.mean)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, on whatever device the model is now."""
        now = self.model.state_dict()
        self.step = state["step"]
        self.mean = {name: tensor.to(now[name].device, copy=True) for name, tensor in state["mean"].items()}


def estimate(model: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Measure the statistics of batch normalisation anew, on batches of a model's inputs. Dropout acts."""
    # torch hands a network the first part of each batch and no other
    update_bn(([batch] for batch in batches), _Spread(model))


def build(kind: str, model: nn.Module, steps: int, **options: Any) -> Average:
    """The average of that name, for a training of so many optimiser steps.

    Raises `ValueError` for a name, an option or a value that cannot be.
    """
    one_of("average", kind, KINDS)
    refuse_unknown("average", kind, options, options_of(KINDS[kind]))
    try:
        share = KINDS[kind](steps, **options)
    except TypeError as error:
        raise ValueError(f"average: {kind} cannot be of {options}: {error}") from error
    return Average(model, share, estimates=kind == "swa")


class _Spread(nn.Module):
    """A model that is called with its inputs in one tuple."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.model(*inputs)


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}
