"""One-cycle: up from a low rate to the peak, down to almost nothing (Smith & Topin 2018), momentum the other way."""

import math

from models.training.schedules.schedule import Schedule, above, between


class OneCycle(Schedule):
    """The arithmetic of torch's `OneCycleLR`, to the bit: cosines from peak/div up, and down to peak/div/final_div.

    At least one step is below the peak, whatever the warm-up: torch divides by their number. With `cycle_momentum` the
    momentum mirrors the rate, from `high` at the ends to `low` at the peak.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        warmup: float = 0.3,
        div: float = 25.0,
        final_div: float = 1e4,
        cycle_momentum: bool = True,
        low: float = 0.85,
        high: float = 0.95,
    ) -> None:
        between("warmup", warmup, 0.0, 1.0)
        above("div", div, 0.0)
        above("final_div", final_div, 0.0)
        between("high", high, 0.0, 1.0)
        between("low", low, 0.0, high)
        super().__init__(steps)
        planned = max(2, steps)
        self.turn, self.end = max(warmup, 1.001 / planned) * planned - 1, planned - 1
        self.first, self.peak, self.last = peak / div, peak, peak / div / final_div
        self.momenta = (low, high) if cycle_momentum else None

    def _rate(self, step: int) -> float:
        return self._between(step, self.first, self.peak, self.last)

    def momentum(self, step: int) -> float | None:
        if self.momenta is None:
            return None
        low, high = self.momenta
        return self._between(step, high, low, high)

    def _between(self, step: int, first: float, turn: float, last: float) -> float:
        """From the first value to that of the turn and on to the last."""
        if step <= self.turn:
            return _cosine(first, turn, step / self.turn)
        return _cosine(turn, last, (step - self.turn) / (self.end - self.turn))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * progress) + 1)
