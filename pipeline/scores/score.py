"""What a metric is: a value a seed, and how much each lens moves it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.scores.gaps import refuse


class Score(NamedTuple):
    """A metric of every seed, and its derivative in the weight of every lens.

    `influence[s, i]` is the von Mises derivative of the metric towards a sample of lens i alone: the metric of
    (1 − ε) F + ε δ_i is value + ε influence + O(ε²), F being that seed's empirical distribution. Its mean over lenses
    is zero, and its variance over n is the metric's own for other lenses (Hampel 1974, JASA 69, 383).
    """

    value: Float[np.ndarray, " s"]
    influence: Float[np.ndarray, "s n"]


@dataclass(frozen=True)
class Metric:
    """One line of the table `point.METRICS`.

    `title` is as printed; `in_unit` says whether it has the target's unit (or none); `fraction` whether it is a share
    of the lenses, between 0 and 1.
    """

    title: str
    measure: Callable[[Float[np.ndarray, " n"], Float[np.ndarray, "s n"]], Score]
    in_unit: bool = True
    fraction: bool = False

    def __call__(self, truth: Float[np.ndarray, " n"], prediction: Float[np.ndarray, "s n"]) -> Score:
        """The metric of every seed. Raises `ValueError` where a number is not finite or no lens is there.

        What is 0/0 (R² of equal truths, a slope on a constant) is NaN, and so is its influence.
        """
        if truth.size == 0:
            raise ValueError("truth: no lens in it; a metric takes one at least")
        refuse(truth=truth, prediction=prediction)
        return self.measure(truth, prediction)


def centred(values: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "s n"]:
    """Minus each seed's mean."""
    return values - values.mean(axis=1, keepdims=True)


def over(top: Float[np.ndarray, "..."], bottom: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """top / bottom, NaN where bottom is zero: undefined, and said without a warning."""
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    return np.divide(top, bottom, out=np.full(shape, np.nan), where=np.broadcast_to(bottom != 0, shape))
