"""One step: what is done to a batch, its gradients in micro-batches, and the optimiser.

Every loss is checked, but one step late: waiting for the number at once would leave a GPU idle at every step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.training.augment import Augment
from models.training.compilation import Compiled
from models.training.loading import Batch
from models.training.losses import Objective
from models.training.mixup import mixup
from models.training.optimisers import Stepper
from models.training.penalty import Penalty
from models.training.progressive import Stage, resized
from models.training.record import NotFinite, culprits


@dataclass
class Treatment:
    """What happens to the images and labels of a batch between the loader and the network.

    All its chance comes from one generator, whose state is the run's to keep.
    """

    augment: Augment | None
    label_noise: float  # in units of the normalised target
    chance: torch.Generator

    def __call__(self, batch: Batch, stage: Stage | None) -> Batch:
        maps, target, vectors = batch.maps, batch.target, batch.vectors
        if self.augment is not None:
            maps = self.augment(maps, self.chance, stage.magnitude if stage else 1.0)
        if stage:
            maps = resized(maps, stage.size)
            maps, target, vectors = mixup(maps, target, vectors, stage.mixup, self.chance)
        if self.label_noise:
            noise = torch.randn(target.shape, generator=self.chance)
            target = target + self.label_noise * noise.to(target.device)
        return replace(batch, maps=maps, target=target, vectors=vectors)


@dataclass(frozen=True)
class Taken:
    """What a step met; on the device, as nobody has asked for the numbers yet."""

    loss: Tensor
    norm: Tensor
    batch: Batch

    def numbers(self) -> tuple[float, float]:
        """Loss and gradient norm."""
        loss, norm = torch.stack([self.loss, self.norm]).tolist()
        return loss, norm

    def blamed(self, step: int) -> NotFinite:
        """The error for numbers that are not finite."""
        what, rows, theirs = culprits(self.batch.maps, self.batch.target, self.batch.rows)
        loss, norm = self.numbers()
        said = f"step {step}: the loss is {loss:g}, its gradient's norm {norm:g}, of rows {what}"
        return NotFinite(said, rows, theirs)


@dataclass
class Step:
    """The gradient of a batch, and what the optimiser makes of it."""

    fabric: Fabric
    model: nn.Module  # as it is
    wrapped: Callable[..., Any]  # as Fabric has it: autocast, several ranks, compiled
    objective: Objective
    stepper: Stepper
    accumulate: int
    clip: float | None
    penalty: Penalty
    compiled: Compiled | None

    def __call__(self, batch: Batch) -> Taken:
        parts = _micro(batch, self.accumulate)
        norms: list[Tensor] = []

        def closure(create_graph: bool) -> Tensor:
            losses = self._gradient(parts, len(batch.rows), create_graph)
            norms.append(self._norm())
            return torch.stack(losses).sum()

        loss = self.stepper.step(closure)
        return Taken(loss, norms[0], batch)

    def _gradient(self, parts: Sequence[tuple[Batch, bool]], of: int, create_graph: bool) -> list[Tensor]:
        """The parts' losses, and their gradients added up; again, where a gradient cannot be compiled."""
        try:
            return [self._backward(part, of, last, create_graph) for part, last in parts]
        except RuntimeError as error:
            if self.compiled is None or not self.compiled.gives_up(error):
                raise
        self.model.zero_grad(set_to_none=True)
        return [self._backward(part, of, last, create_graph) for part, last in parts]

    def _backward(self, part: Batch, of: int, last: bool, create_graph: bool) -> Tensor:
        """Add a micro-batch's part of the gradient; ranks exchange theirs after the last."""
        waits = self.fabric.world_size > 1 and not last
        with self.fabric.no_backward_sync(self.wrapped, enabled=waits):  # type: ignore[arg-type]
            vectors = [] if part.vectors is None else [part.vectors]
            loss = self.objective(self.wrapped(part.maps, *vectors), part.target) * (len(part.rows) / of)
            penalised = loss + self.penalty() if self.penalty.strength and last else loss
            self.fabric.backward(penalised, create_graph=create_graph)
        return loss.detach()

    def _norm(self) -> Tensor:
        """Of the whole gradient, which is cut to `clip` where it is longer (Pascanu et al. 2013)."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.clip, norm)
        return norm


def _micro(batch: Batch, count: int) -> Sequence[tuple[Batch, bool]]:
    """The batch in so many parts, each with whether it is the last."""
    cut = [part.tensor_split(count) if part is not None else [None] * count for part in _parts(batch)]
    return [(Batch(*each), i == count - 1) for i, each in enumerate(zip(*cut, strict=True))]


def _parts(batch: Batch) -> tuple[Tensor | None, ...]:
    return batch.maps, batch.target, batch.vectors, batch.rows
