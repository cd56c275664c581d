"""The training loop: an optimiser, a schedule that counts steps, early stopping, and nothing lost when it is killed.

Chance has three sources: the order of the rows and their turns (one generator, whose state at the start of the epoch is
kept: an epoch that is taken up in the middle draws it again), what else happens to images and labels (another), and
dropout (torch's own). These, the weights, the optimiser, the schedule and the history are the `State`: a run that was
stopped and resumed ends, on a CPU, with the same bits as one that was not.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from models.training.loading import Batch, Held, Source
from models.training.parts import Parts
from models.training.predict import answers
from models.training.preparation import prepared
from models.training.record import Epoch, NotFinite, Record, State
from models.training.settings import Settings
from models.training.stepping import Taken


@runtime_checkable
class Watcher(Protocol):
    """Who is told how far a run has come; `state` makes the state from which `fit` resumes, and takes its time."""

    def stepped(self, step: int, state: Callable[[], State]) -> None:
        """After every step; not where there are several ranks."""

    def ended(self, epoch: Epoch, state: Callable[[], State]) -> None:
        """After every epoch."""


class Unwatched:
    """Nobody looks."""

    def stepped(self, step: int, state: Callable[[], State]) -> None: ...

    def ended(self, epoch: Epoch, state: Callable[[], State]) -> None: ...


def fit(
    model: nn.Module,
    train: Held | Source,
    validation: Held,
    settings: Settings,
    seed: int,
    resume: State | None = None,
    watcher: Watcher | None = None,
    **about: Any,
) -> Record:
    """Train `model` in place; it ends with the weights of its best epoch on validation.

    `about` is what `prepared` may be told besides: what the images are, and how many ranks share the work. Raises
    `NotFinite` when a loss is no longer finite, `ValueError` naming a setting that cannot be.
    """
    run = Run(model, prepared(model, train, settings, seed, **about), validation, settings)
    if resume:
        run.restore(resume)
    record, ranks = run.through(Unwatched() if watcher is None else watcher), run.parts.ranks
    del run  # the wrapped network holds on to the other ranks
    part(ranks)
    return record


def part(ranks: int) -> None:
    """Let the other ranks go, when all are done: one that merely ended could be missed by those still at work.

    The `Parts` must be gone by now. A network wrapped for several ranks that outlived the group of ranks would be the
    last to hold it, and end its threads with Python's lock in hand: they may be waiting for that very lock, for ever.
    """
    if ranks > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


class Run:
    """A run as far as it has come."""

    def __init__(self, model: nn.Module, parts: Parts, validation: Held, settings: Settings) -> None:
        self.model, self.parts, self.validation, self.settings = model, parts, validation, settings
        self.record, self.best = Record(), dict[str, Tensor]()
        self.done = 0  # batches of this epoch
        self.began = parts.order.get_state()  # where this epoch's order is drawn from
        self.kept: State = {}  # what the schedule asked to keep
        self.taken: Taken | None = None  # the last step, as long as nobody has asked for its numbers

    def through(self, watcher: Watcher) -> Record:
        """To the last epoch, or the one at which patience runs out."""
        while len(self.record.epochs) < self.settings.epochs and self.record.waited < self.settings.patience:
            self._epoch(watcher)
        if not self.best:
            raise NotFinite("no epoch had a loss on validation that is finite; try a lower train.fit.learning_rate", [])
        self.model.load_state_dict(self.best)
        self.record.said = self.parts.said
        return self.record

    def _epoch(self, watcher: Watcher) -> None:
        parts = self.parts
        parts.order.set_state(self.began)
        parts.train()
        for batch in parts.loader.epoch(parts.order, parts.rank, parts.ranks, start=self.done):
            self._step(batch)
            self.done += 1
            if parts.ranks == 1:
                watcher.stepped(len(self.record.trace.rates), self.state)
        self._settle()
        if parts.objective.adapts and not self.record.epochs:
            parts.adapt()
        self.record.epochs.append(self._ended())
        self.began, self.done = parts.order.get_state(), 0
        if parts.ranks == 1:
            watcher.ended(self.record.epochs[-1], self.state)
            return
        state = self.state()  # of all ranks, and so made by all
        if parts.rank == 0:
            watcher.ended(self.record.epochs[-1], lambda: state)

    def _step(self, batch: Batch) -> None:
        parts, step = self.parts, len(self.record.trace.rates)
        rate = parts.schedule.rate(step)
        parts.stepper.set(rate, parts.schedule.momentum(step))
        taken = parts.step(parts.treated(batch, step))
        parts.average.update()
        self._settle()
        self.record.trace.rates.append(rate)
        self.taken = taken
        if parts.schedule.watches:
            self._observed(step)

    def _settle(self) -> None:
        """Ask for the numbers of the last step; a schedule that watches hears of those that are not finite."""
        if self.taken is None:
            return
        trace, (loss, norm) = self.record.trace, self.taken.numbers()
        if not math.isfinite(loss + norm) and not self.parts.schedule.watches:
            raise self.parts.blamed(self.taken, len(trace.losses))
        trace.losses.append(loss)
        trace.norms.append(norm)
        self.taken = None

    def _observed(self, step: int) -> None:
        """What a schedule that looks at the losses wants done with the weights."""
        self._settle()
        parts = self.parts
        (loss,) = parts.mean([self.record.trace.losses[-1]])  # of all ranks, which must decide alike
        wish = parts.schedule.observe(step, loss)
        if wish == "keep":
            self.kept = {"model": copied(self.model), **parts.weights()}
        elif wish == "restore" and self.kept:
            self.model.load_state_dict(self.kept["model"])
            parts.put_back(self.kept)

    def _ended(self) -> Epoch:
        trace, parts = self.record.trace, self.parts
        with parts.judged():
            loss = parts.fabric.broadcast(self._validated() if parts.rank == 0 else 0.0)
            best = loss < min((e.validation_loss for e in self.record.epochs), default=math.inf)
            self.best = copied(self.model) if best else self.best
        parts.schedule.validated(loss)
        taught, norm = parts.mean([_mean(trace.losses[-self.done :]), _mean(trace.norms[-self.done :])])
        return Epoch(len(self.record.epochs), taught, loss, trace.rates[-1], norm, best)

    @torch.no_grad()
    def _validated(self) -> float:
        """The loss of all validation rows, in evaluation mode: there a head's own is a proper score."""
        maps, target, *vectors = self.validation
        outputs = answers(self.model, maps, vectors[0] if vectors else None)
        device = self.parts.fabric.device
        loss = float(self.parts.objective(outputs.to(device), target.to(device)))
        if not math.isfinite(loss) and not self.parts.schedule.watches:
            said = f"epoch {len(self.record.epochs)}: the loss on validation is {loss:g}"
            raise NotFinite(f"{said}; try a lower train.fit.learning_rate", [])
        return loss

    def state(self) -> State:
        """Everything that the rest of the run depends on."""
        self._settle()
        return {
            "record": self.record.state(),
            "best": self.best,
            "done": self.done,
            "began": self.began,
            "kept": self.kept,
            "model": copied(self.model),
            "parts": self.parts.state(),
        }

    def restore(self, state: State) -> None:
        """Put everything back as it was."""
        self.record = Record.of(state["record"])
        self.best, self.done, self.began, self.kept = (state[key] for key in ("best", "done", "began", "kept"))
        self.model.load_state_dict(state["model"])
        self.parts.restore(state["parts"])


def copied(model: nn.Module) -> dict[str, Tensor]:
    """The weights, where no step changes them."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _mean(values: list[float]) -> float:
    """Of those that are finite: a schedule that watches may have let others pass."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
