"""What a run is made of, and what of it goes with the weights of a moment."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from models.training import losses, optimisers, progressive
from models.training.averages import Average, estimate
from models.training.loading import Batch, Loader
from models.training.predict import predict
from models.training.progressive import Stage
from models.training.record import NotFinite, State
from models.training.schedules.schedule import Schedule
from models.training.stepping import Step, Taken, Treatment


@dataclass
class Parts:
    """What a run is made of besides the network."""

    fabric: Fabric
    step: Step
    treatment: Treatment
    loader: Loader
    order: torch.Generator  # of the rows and their turns: the same on every rank
    schedule: Schedule
    average: Average
    stages: Sequence[Stage]
    steps: int  # of the whole run
    notes: list[str]  # what was asked for and could not be had

    @property
    def rank(self) -> int:
        return self.fabric.global_rank

    @property
    def ranks(self) -> int:
        return self.fabric.world_size

    @property
    def stepper(self) -> optimisers.Stepper:
        return self.step.stepper

    @property
    def objective(self) -> losses.Objective:
        return self.step.objective

    @property
    def said(self) -> dict[str, Any]:
        """What the schedule decided, and what was asked for and could not be had."""
        compiled = self.step.compiled
        late = [compiled.reason] if compiled and compiled.reason else []
        return {"schedule": self.schedule.record(), "notes": self.notes + late}

    def train(self) -> None:
        """Ready for steps."""
        self.step.model.train()
        self.stepper.train()

    def treated(self, batch: Batch, step: int) -> Batch:
        """The batch as the network is to see it at this step; with progressive learning, dropout is set as well."""
        stage = progressive.level(self.stages, step, self.steps) if self.stages else None
        if stage is not None:
            progressive.set_dropout(self.step.model, stage.dropout)
        return self.treatment(batch, stage)

    @contextmanager
    def judged(self) -> Iterator[None]:
        """The weights that are validated and kept: averaged ones, where there are any yet.

        Schedule-free optimisers move to theirs, which no batch has been normalised with: its statistics are measured.
        """
        self.stepper.eval()
        if not self.average.active:
            if self.stepper.kind.schedule_free:
                estimate(self.step.model, self._inputs())
            yield
            return
        self.average.refresh(self._inputs())
        with self.average.swapped():
            yield

    def _inputs(self) -> Iterator[tuple[Tensor, ...]]:
        """What the model is given of all training rows, once."""
        return ((each.maps, *_given(each.vectors)) for each in self._once())

    def adapt(self) -> None:
        """Let the loss see the residuals of all training rows: the first rank's, whose statistics are those kept."""
        model = self.step.model
        seen = [(predict(model, each.maps, each.vectors), each.target.cpu()) for each in self._once()]
        residuals = torch.cat([target - found for found, target in seen]).to(self.fabric.device)
        self.objective.adapt(self.fabric.broadcast(residuals))

    def _once(self) -> Iterator[Batch]:
        """The training rows in an order that is nobody else's business, all on this rank."""
        return self.loader.epoch(torch.Generator().manual_seed(0))

    def state(self) -> State:
        """Numbers, tensors, and lists and dicts of them; chance is each rank's own."""
        own = [self.treatment.chance.get_state(), torch.get_rng_state()]
        if self.fabric.device.type == "cuda":
            own.append(torch.cuda.get_rng_state(self.fabric.device))
        return {
            **self.weights(),
            "schedule": self.schedule.state_dict(),
            "objective": {name: value.cpu() for name, value in self.objective.state_dict().items()},
            "chance": [self._of_all_ranks(each) for each in own],
        }

    def weights(self) -> State:
        """What goes with the weights of a moment."""
        return {
            "optimiser": deepcopy(self.stepper.state_dict()),
            "average": deepcopy(self.average.state_dict()),
        }

    def put_back(self, state: State) -> None:
        """What `weights` gave, beside the weights of the same moment."""
        self.stepper.load_state_dict(deepcopy(state["optimiser"]))
        self.average.load_state_dict(deepcopy(state["average"]))

    def mean(self, values: Sequence[float]) -> list[float]:
        """Of all ranks."""
        found = cast(Tensor, self.fabric.all_reduce(torch.tensor(values, dtype=torch.float64), reduce_op="mean"))
        return found.tolist()

    def blamed(self, taken: Taken, step: int) -> NotFinite:
        """The error for a step whose loss or gradient is not finite; it names the rows of whichever rank had them.

        The gradient is that of all ranks, who are all here if it is not finite. A loss alone is a rank's own: the
        others know nothing of it, and must not be waited for.
        """
        if self.ranks == 1 or math.isfinite(taken.numbers()[1]):
            return taken.blamed(step)
        told: list[Any] = [None] * self.ranks
        torch.distributed.all_gather_object(told, taken.blamed(step))
        return next((error for error in told if error.theirs), told[0])

    def _of_all_ranks(self, own: Tensor) -> Tensor:
        if self.ranks == 1:
            return own[None]
        mine = own.to(self.fabric.device)
        all_ = [torch.empty_like(mine) for _ in range(self.ranks)]
        torch.distributed.all_gather(all_, mine)
        return torch.stack(all_).cpu()

    def restore(self, state: State) -> None:
        self.schedule.load_state_dict(state["schedule"])
        self.objective.load_state_dict(state["objective"])
        self.put_back(state)
        # as tensors of their own: torch reads the memory behind a view as if it began there
        chance, of_torch, *of_cuda = (each[self.rank].clone() for each in state["chance"])
        self.treatment.chance.set_state(chance)
        torch.set_rng_state(of_torch)
        for each in of_cuda:
            torch.cuda.set_rng_state(each, self.fabric.device)


def _given(vectors: Tensor | None) -> tuple[Tensor, ...]:
    return () if vectors is None else (vectors,)
