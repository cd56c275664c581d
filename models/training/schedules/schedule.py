"""What a schedule answers, and the checks its options share.

A schedule is asked by optimiser steps, counted from 0: never by epochs, nor by batches where several make a step. What
it says is for a parameter group of scale 1; discriminative rates multiply it.
"""

from collections.abc import Callable
from typing import Any

State = dict[str, Any]  # of numbers, lists and None: what torch.load(weights_only=True) accepts


class Schedule:
    """A learning rate for each of so many steps; this one's subclasses say which.

    Those that follow a formula ignore losses and have no state. The others hear of every epoch's validation loss, or,
    while `watches` holds, of every step's training loss; with their state put back they go on as if never stopped.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def rate(self, step: int) -> float:
        """The learning rate of a step. Raises `ValueError` beyond the run: formulas turn back up there, or complex."""
        if not 0 <= step < self.steps:
            raise ValueError(f"schedule: no step {step}; this run's are 0 to {self.steps - 1}")
        return self._rate(step)

    def _rate(self, step: int) -> float:
        raise NotImplementedError

    def momentum(self, step: int) -> float | None:
        """The momentum (or Adam's first beta) of a step; None leaves the optimiser's own."""
        return None

    @property
    def watches(self) -> bool:
        """Whether `observe` is to be called. It may end during the run; it never begins again."""
        return False

    def observe(self, step: int, loss: float) -> str:
        """Hear the training loss of a step just made, finite or not.

        Answers `keep` (take a snapshot of weights and optimiser now, in place of the last), `restore` (put the kept
        snapshot back; the steps go on counting) or nothing.
        """
        return ""

    def validated(self, loss: float) -> None:
        """Hear the validation loss of an epoch just ended."""

    def record(self) -> dict[str, Any]:
        """What was decided during the run, for its record; empty where nothing was."""
        return {}

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        pass


class Formula(Schedule):
    """`peak` times a shape: of steps after the warm-up, and their number, to a multiplier.

    The linear warm-up ends one step before the shape begins at its first value, so that no rate is zero or asked twice.
    """

    def __init__(self, peak: float, steps: int, warmup: float, shape: Callable[[int, int], float]) -> None:
        between("warmup", warmup, 0.0, 1.0)
        super().__init__(steps)
        self.peak, self.warm, self.shape = peak, min(round(warmup * steps), steps - 1), shape

    def _rate(self, step: int) -> float:
        if step < self.warm:
            return self.peak * (step + 1) / (self.warm + 1)
        return self.peak * self.shape(step - self.warm, self.steps - self.warm)


def between(option: str, value: float, lowest: float, highest: float) -> None:
    """Refuse what is not a number in the closed range; nan is in none."""
    if not lowest <= value <= highest:
        raise ValueError(f"{option}: {value} is not between {lowest:g} and {highest:g}")


def above(option: str, value: float, lowest: float) -> None:
    """Refuse what is not a finite number above the lowest."""
    if not lowest < value < float("inf"):
        raise ValueError(f"{option}: {value} is not a finite number above {lowest:g}")


def whole(option: str, value: int, lowest: int) -> None:
    """Refuse a count that is too small."""
    if value < lowest:
        raise ValueError(f"{option}: {value} is not a whole number of at least {lowest}")
