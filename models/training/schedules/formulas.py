"""Schedules that are a formula of the step. Ratios are to the peak, fractions of the steps after the warm-up.

Each runs from its first value at the first of n steps towards its last, which would be that of step n: no step is
spent at a rate of zero.
"""

import math
from bisect import bisect_right
from itertools import pairwise

from models.blocks.options import one_of
from models.training.schedules.schedule import Formula, Schedule, above, between, whole


def constant(peak: float, steps: int, warmup: float = 0.0) -> Schedule:
    return Formula(peak, steps, warmup, lambda step, of: 1.0)


def step(peak: float, steps: int, warmup: float = 0.0, every: float = 1 / 3, factor: float = 0.1) -> Schedule:
    """Multiplied by the factor each time such a fraction of the run is over, to the nearest whole step."""
    above("every", every, 0.0)
    above("factor", factor, 0.0)
    return Formula(peak, steps, warmup, lambda step, of: factor ** (step // max(1, round(every * of))))


def exponential(peak: float, steps: int, warmup: float = 0.0, final: float = 1e-3) -> Schedule:
    """Multiplied by the same at every step, towards a final ratio."""
    above("final", final, 0.0)
    return Formula(peak, steps, warmup, lambda step, of: final ** (step / of))


def polynomial(peak: float, steps: int, warmup: float = 0.0, power: float = 1.0) -> Schedule:
    """(1 - progress)^power, towards zero; power 1 is linear, with a warm-up BERT's."""
    above("power", power, 0.0)
    return Formula(peak, steps, warmup, lambda step, of: (1 - step / of) ** power)


def cosine(peak: float, steps: int, warmup: float = 0.0, final: float = 0.0) -> Schedule:
    """Half a cosine from the peak towards a final ratio (Loshchilov & Hutter 2017, eq. 5, one cycle)."""
    between("final", final, 0.0, 1.0)
    return Formula(peak, steps, warmup, lambda step, of: final + (1 - final) * falling(step / of))


def warm_restarts(
    peak: float, steps: int, warmup: float = 0.0, cycles: int = 3, growth: float = 2.0, final: float = 0.0
) -> Schedule:
    """Cosines, each `growth` times as long as the one before, the last of which ends with the run (SGDR, eq. 5).

    The paper fixes the length of the first and trains until one ends. Cycles are of whole steps.
    """
    whole("cycles", cycles, 1)
    above("growth", growth, 0.0)
    between("final", final, 0.0, 1.0)
    lengths = [growth**cycle for cycle in range(cycles)]

    def shape(step: int, of: int) -> float:
        ends = [round(of * sum(lengths[: cycle + 1]) / sum(lengths)) for cycle in range(cycles)]
        start, end = list(pairwise([0, *ends]))[bisect_right(ends, step)]
        return final + (1 - final) * falling((step - start) / (end - start))

    return Formula(peak, steps, warmup, shape)


def cyclical(
    peak: float, steps: int, warmup: float = 0.0, mode: str = "triangular", cycles: int = 4, low: float = 0.1
) -> Schedule:
    """Up from a low ratio and down again, so many times (Smith 2017, section 3.1); triangular2 halves each height."""
    one_of("mode", mode, ("triangular", "triangular2"))
    whole("cycles", cycles, 1)
    between("low", low, 0.0, 1.0)
    halved = 2.0 if mode == "triangular2" else 1.0

    def shape(step: int, of: int) -> float:
        cycle, within = divmod(step * cycles, of)
        return low + (1 - low) * 2 * min(within, of - within) / of / halved**cycle

    return Formula(peak, steps, warmup, shape)


def falling(progress: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * progress)) / 2
