"""What a training run says of itself."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

State = dict[str, Any]  # tensors, numbers, and lists and dicts of them: what torch.load(weights_only=True) accepts


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Losses are of normalised targets; a head's own may weigh images in training alone."""

    epoch: int
    train_loss: float
    validation_loss: float
    learning_rate: float  # of its last step
    gradient_norm: float  # mean over its steps, before clipping
    best: bool  # so far


@dataclass
class Trace:
    """One entry for every step so far: what it was taken with and what it met."""

    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)  # of the gradient, before clipping


@dataclass
class Record:
    """The history of a run, as far as it has come."""

    epochs: list[Epoch] = field(default_factory=list)
    trace: Trace = field(default_factory=Trace)
    said: dict[str, Any] = field(default_factory=dict)  # what the schedule decided, and what could not be done

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return len(self.epochs) - 1 - max((e.epoch for e in self.epochs if e.best), default=-1)

    def state(self) -> State:
        steps = {name: torch.tensor(values, dtype=torch.float64) for name, values in vars(self.trace).items()}
        return {"epochs": [asdict(epoch) for epoch in self.epochs], "trace": steps}

    @classmethod
    def of(cls, state: State) -> "Record":
        trace = Trace(**{name: values.tolist() for name, values in state["trace"].items()})
        return cls([Epoch(**epoch) for epoch in state["epochs"]], trace)


class NotFinite(FloatingPointError):
    """A loss is NaN or infinite; `rows` of the training split are named; `theirs`: it is their doing."""

    def __init__(self, said: str, rows: list[int], theirs: bool = False) -> None:
        super().__init__(said, rows, theirs)  # what a rank tells the others is pickled
        self.said, self.rows, self.theirs = said, rows, theirs

    def __str__(self) -> str:
        return self.said


def culprits(maps: Tensor, target: Tensor, rows: Tensor) -> tuple[str, list[int], bool]:
    """Whom to name for a loss that is not finite: the rows whose own numbers are not, or the whole batch; and which."""
    bad = ~(maps.flatten(1).isfinite().all(1) & target.flatten(1).isfinite().all(1)).cpu()
    if bad.any():
        return "not finite themselves", rows[bad].tolist(), True
    return "finite, so the weights have run away: try a lower train.fit.learning_rate, or clip", rows.tolist(), False
