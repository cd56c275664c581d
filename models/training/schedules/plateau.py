"""Less whenever the validation loss has stopped falling."""

import math

from models.training.schedules.schedule import Formula, State, above, between, whole


class Plateau(Formula):
    """The rate times a factor after more than `patience` epochs without a better loss; then so many to settle.

    Better is lower by more than a fraction `threshold` of the best so far. As torch's `ReduceLROnPlateau`, whose
    threshold however calls a worse loss better where losses are negative, as a likelihood's may be. No rate falls below
    the ratio `lowest` to the peak. A loss that is not a number is a bad epoch.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        warmup: float = 0.0,
        factor: float = 0.1,
        patience: int = 5,
        threshold: float = 1e-4,
        cooldown: int = 0,
        lowest: float = 0.0,
    ) -> None:
        above("factor", factor, 0.0)
        between("factor", factor, 0.0, 1.0)
        whole("patience", patience, 0)
        between("threshold", threshold, 0.0, 1.0)
        whole("cooldown", cooldown, 0)
        between("lowest", lowest, 0.0, 1.0)
        super().__init__(peak, steps, warmup, lambda step, of: 1.0)
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.lowest = cooldown, lowest
        self.scale, self.best, self.bad, self.settling = 1.0, math.inf, 0, 0

    def _rate(self, step: int) -> float:
        return super()._rate(step) * self.scale

    def validated(self, loss: float) -> None:
        better = loss < self.best - self.threshold * abs(self.best) if math.isfinite(self.best) else loss < self.best
        self.best = float(loss) if better else self.best  # no numpy scalar: it would spoil the checkpoint
        self.bad = 0 if better or self.settling else self.bad + 1
        self.settling = max(0, self.settling - 1)
        if self.bad > self.patience:
            self.scale = max(self.scale * self.factor, self.lowest)
            self.bad, self.settling = 0, self.cooldown

    def state_dict(self) -> State:
        return {"scale": self.scale, "best": self.best, "bad": self.bad, "settling": self.settling}

    def load_state_dict(self, state: State) -> None:
        self.scale, self.best, self.bad, self.settling = (state[k] for k in ("scale", "best", "bad", "settling"))
