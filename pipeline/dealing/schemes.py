"""Who is the test: a share of the rows, one fold of several, or all that has a given name."""

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.dealing.deal import deal
from pipeline.params import Split

ROLES = ("train", "validation", "calibration", "test")

Targets = Float[np.ndarray, "n t"]
Rows = Int[np.ndarray, " n"]


def holdout(values: Targets, groups: Rows, chosen: Split) -> Rows:
    """The role of every row, as an index into `ROLES`: each its fraction."""
    return deal(values, groups, _fractions(chosen, ROLES), chosen.strata, chosen.seed)


def kfold(values: Targets, groups: Rows, chosen: Split) -> Rows:
    """The role of every row, where the test is fold `split.fold` of `split.folds`.

    The folds do not depend on which is chosen, so that over all of them every row is in the test once.
    """
    folds = deal(values, groups, [1 / chosen.folds] * chosen.folds, chosen.strata, chosen.seed)
    return _around(folds == chosen.fold, values, groups, chosen)


def group_out(values: Targets, groups: Rows, held: Bool[np.ndarray, " n"], chosen: Split) -> Rows:
    """The role of every row, where the test is the rows `held` and whatever shares a group with one of them."""
    return _around(np.isin(groups, groups[held]), values, groups, chosen)


def _around(test: Bool[np.ndarray, " n"], values: Targets, groups: Rows, chosen: Split) -> Rows:
    """Roles around a given test: its fraction counts for nothing, the others keep their proportions."""
    role = np.full(len(groups), ROLES.index("test"))
    rest = ~test
    role[rest] = deal(values[rest], groups[rest], _fractions(chosen, ROLES[:-1]), chosen.strata, chosen.seed)
    return role


def _fractions(chosen: Split, roles: tuple[str, ...]) -> list[float]:
    asked = [getattr(chosen.fractions, role) for role in roles]
    return asked if len(roles) == len(ROLES) else [fraction / sum(asked) for fraction in asked]
