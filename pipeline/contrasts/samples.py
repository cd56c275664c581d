"""What was measured: the losses of every arm and seed, summed over groups of lenses, and the metric of such sums."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.errors import InputError

# error -> loss; mean loss -> metric
METRICS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "rmse": (np.square, np.sqrt),
    "mae": (np.abs, np.asarray),
}


@dataclass(frozen=True)
class Sample:
    """Losses by arm, seed and group. A group is a set of lenses that share a halo or a source: drawn whole or not.

    The metric is formed within each seed over all lenses, and then averaged over seeds, as in the table of results.
    """

    metric: str
    sums: Float[np.ndarray, "a s g"]  # of the loss over a group's lenses
    lenses: Float[np.ndarray, " g"]  # in each group

    def form(self, mean_losses: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return METRICS[self.metric][1](mean_losses)

    @cached_property
    def by_seed(self) -> Float[np.ndarray, "a s"]:
        return self.form(self.sums.sum(axis=-1) / self.lenses.sum())

    @cached_property
    def influence(self) -> Float[np.ndarray, "a s g"]:
        """How each group moves `by_seed`: (G - 1) × (the metric - the metric without the group), its mean removed.

        Of a mean over groups of one lens each this is the lens's loss minus the mean loss; summed over g and divided by
        G it is zero. The delete-one jackknife in closed form: G subtractions instead of G passes.
        """
        without = (self.sums.sum(axis=-1, keepdims=True) - self.sums) / (self.lenses.sum() - self.lenses)
        without = self.form(np.maximum(without, 0))  # rounding: a sum less all of itself can lie below zero
        pulls = (self.lenses.size - 1) * (self.by_seed[..., None] - without)
        return pulls - pulls.mean(axis=-1, keepdims=True)


def sample(arms: Mapping[Any, Float[np.ndarray, "_ _"]], groups: Int[np.ndarray, " n"], metric: str) -> Sample:
    """The losses of arms in their order, from errors (seeds, lenses) and the group of each lens.

    Raises `InputError` for arms that cannot be paired, an error that is not a number, or lenses of one group only.
    """
    if metric not in METRICS:
        raise InputError(f"compare.metric: no metric {metric!r}; there are {', '.join(METRICS)}")
    _check(arms, groups)
    labels, member = np.unique(groups, return_inverse=True)
    if len(labels) < 2:
        raise InputError("group: all test lenses are of one group; how much lenses differ cannot be known from it")
    losses = METRICS[metric][0](np.stack([np.asarray(errors, np.float64) for errors in arms.values()]))  # (a, s, n)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(len(labels)))
    sums = np.add.reduceat(losses[..., order], starts, axis=-1)
    return Sample(metric, sums, np.bincount(member).astype(np.float64))


def _check(arms: Mapping[Any, Float[np.ndarray, "_ _"]], groups: Int[np.ndarray, " n"]) -> None:
    first = next(iter(arms))
    seeds, lenses = arms[first].shape[0], len(groups)
    for name, errors in arms.items():
        if errors.shape != (seeds, lenses):
            raise InputError(
                f"{name}: errors of {errors.shape[0]} seeds on {errors.shape[1]} lenses; paired with {first}, "
                f"they must be of {seeds} seeds on the {lenses} lenses that have a group"
            )
        if not np.isfinite(errors).all():
            seed, lens = np.argwhere(~np.isfinite(errors))[0]
            raise InputError(f"{name}: no finite error for lens {lens} of its seed {seed}; predict every lens anew")
