"""AutoWU: warm up until the loss turns, then decay (Kim et al. 2021), with tests by steps, for small batches.

The paper tests once an epoch, which on small data comes after the network is destroyed: an adaptive optimiser does not
come back from a rate ten times too high. Here a test comes every few steps of the warm-up, the rate has a ceiling (the
range test's edge, when the rate is `auto`), and the switch puts back weights from before the turn.
"""

import math
from typing import Any

import numpy as np

from models.blocks.options import one_of
from models.training.schedules.formulas import falling
from models.training.schedules.schedule import Schedule, State, above, between, whole
from models.training.schedules.turn import past_minimum

WINDOWS = 100  # of averaged losses, in a whole warm-up: as many points as the paper fits
FEWEST = 4  # windows before a test means anything
FINAL = 0.2  # of the run: the cosine after a constant rate


class AutoWU(Schedule):
    """Exponentially up from a ratio `lowest` of `maximum` (null: the peak), for at most a fraction `warmup` of the run.

    A test every `every` steps (0: a fortieth of the run, at least 4) is positive if the loss, averaged over windows, is
    past its minimum with a probability above `confidence`, or if a loss was not finite. After `patience` positives in a
    row, or two losses in a row that are not finite, the rate becomes what it was where the fitted loss was lowest and
    the best window's weights come back. Then a cosine to zero: over all that is left (`cooldown: immediate`) or over
    the run's last fifth (`constant`). Without a switch the decay begins where the warm-up ends, at the maximum.

    The paper's confidence is .95. With as many tests as here, a curve that is flat but for noise (before learning
    begins, or after) then switches in up to one run of ten; at .99 in none of hundreds, and at a turn hardly later.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        warmup: float = 0.5,
        lowest: float = 1e-3,
        maximum: float | None = None,
        every: int = 0,
        patience: int = 3,
        confidence: float = 0.99,
        cooldown: str = "immediate",
    ) -> None:
        between("warmup", warmup, 0.0, 1.0)
        above("lowest", lowest, 0.0)
        between("lowest", lowest, 0.0, 1.0)
        above("maximum", peak if maximum is None else maximum, 0.0)
        whole("every", every, 0)
        whole("patience", patience, 1)
        between("confidence", confidence, 0.0, 1.0)
        one_of("cooldown", cooldown, ("immediate", "constant"))
        super().__init__(steps)
        self.maximum, self.lowest = (peak if maximum is None else maximum), lowest
        self.warm = max(1, round(warmup * steps))
        self.every, self.width = every or max(4, steps // 40), math.ceil(self.warm / WINDOWS)
        self.patience, self.confidence, self.cooldown = patience, confidence, cooldown
        self.start: int | None = None  # the first step of the decay, once decided
        self.base = self.maximum  # the rate that the decay starts from
        self.window: list[float] = []  # finite losses of the window that is being filled
        self.places: list[float] = []  # the windows' middles, in steps
        self.means: list[float] = []  # and their mean losses
        self.tests: list[list[float]] = []  # step and probability of each
        self.positives, self.lost, self.spoilt = 0, 0, False  # in a row; losses not finite in a row; any since a test

    @property
    def watches(self) -> bool:
        """During the warm-up. Until it ends, a loss that is not finite is the schedule's to answer."""
        return self.start is None

    def _rate(self, step: int) -> float:
        start = self.warm if self.start is None else self.start
        if step < start:
            return self._warming(float(step))
        begin = start if self.cooldown == "immediate" else max(start, round((1 - FINAL) * self.steps))
        return self.base * falling(max(0, step - begin) / (self.steps - begin))

    def _warming(self, step: float) -> float:
        return self.maximum * self.lowest ** (1 - step / self.warm)

    def observe(self, step: int, loss: float) -> str:
        """As every schedule's; `restore` comes at most once, and only after a `keep`.

        When losses were not finite from the start there is nothing to restore: the watch ends without an answer.
        """
        if not self.watches:
            return ""
        best = self._gather(step, loss)
        if self.lost == 2 or ((step + 1) % self.every == 0 and self._positive(step)):
            return self._switch(step)
        if step + 1 >= self.warm:
            self.start = self.warm
        return "keep" if best else ""

    def _gather(self, step: int, loss: float) -> bool:
        """Add a loss to its window; whether that ended one, the lowest so far."""
        if math.isfinite(loss):
            self.window.append(float(loss))
            self.lost = 0
        else:
            self.lost, self.spoilt = self.lost + 1, True
        if (step + 1) % self.width or not self.window:
            return False
        mean = sum(self.window) / len(self.window)
        best = mean < min(self.means, default=math.inf) and not self.lost  # after such a loss the weights may be ruined
        self.places.append(step + 1 - self.width / 2)
        self.means.append(mean)
        self.window.clear()
        return best

    def _positive(self, step: int) -> bool:
        """Test; whether this one completes the row."""
        probability = past_minimum(np.array(self.places), np.array(self.means))[0] if len(self.means) >= FEWEST else 0.0
        self.tests.append([step, probability])
        self.positives = self.positives + 1 if self.spoilt or probability > self.confidence else 0
        self.spoilt = False
        return self.positives >= self.patience

    def _switch(self, step: int) -> str:
        """Begin the decay with the next step, from the best rate seen."""
        self.start = step + 1
        if not self.means:
            self.base = self._warming(0.0)
            return ""
        few = len(self.means) < FEWEST
        lowest = int(np.argmin(self.means)) if few else past_minimum(np.array(self.places), np.array(self.means))[1]
        self.base = self._warming(self.places[lowest])
        return "restore"

    def record(self) -> dict[str, Any]:
        """The first step of the decay (None: not there yet), its rate, whether a turn was found, and the tests."""
        found = self.start is not None and (self.start < self.warm or self.base < self.maximum)
        return {"switch": self.start, "rate": self.base, "found": found, "tests": [list(test) for test in self.tests]}

    def state_dict(self) -> State:
        return {name: _copy(getattr(self, name)) for name in STATE}

    def load_state_dict(self, state: State) -> None:
        for name in STATE:
            setattr(self, name, _copy(state[name]))


STATE = ("start", "base", "window", "places", "means", "tests", "positives", "lost", "spoilt")


def _copy(value: Any) -> Any:
    return [_copy(item) for item in value] if isinstance(value, list) else value
