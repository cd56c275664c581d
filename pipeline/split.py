"""Stage `split`: who is in train, validation, calibration and test; decided once, from targets and groups alone.

    python -m pipeline.split data/images.zarr data/split.json

Rows without one of the chosen targets are left out, and counted. Every quantile bin of the first target is dealt to
the roles in the asked proportions, whole groups at a time. The training rows come shuffled, so that the first so
many of them are a random sample.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline import atomic, params
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.store import Store

ROLES = ("train", "validation", "calibration", "test")


def split(source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Deal the rows of the store `source` to the roles and write them to the JSON file `target`."""
    chosen = params.read(overrides, "split")
    images = Store(source)
    values = _targets(images, chosen.targets)
    usable = np.isfinite(values).all(axis=1)
    rows = np.flatnonzero(usable)
    _check(images, chosen, values[usable])
    fractions = [getattr(chosen.fractions, role) for role in ROLES]
    role = deal(values[usable, 0], images.read("group")[usable], fractions, chosen.strata, chosen.seed)
    roles = {name: rows[role == i] for i, name in enumerate(ROLES)}
    roles["train"] = np.random.default_rng(chosen.seed).permutation(roles["train"])
    _check_roles(roles)
    decided: dict[str, Any] = {
        "targets": chosen.targets,
        "rows": images.rows,
        "left_out": int((~usable).sum()),
        "counts": {name: len(members) for name, members in roles.items()},
        "roles": {name: members.tolist() for name, members in roles.items()},
    }
    atomic.write(target, json.dumps(decided, indent=1))
    print(f"split: {decided['counts']}, {decided['left_out']} of {images.rows} left out for want of a target")


def deal(
    values: Float[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    fractions: list[float],
    strata: int,
    seed: int,
) -> Int[np.ndarray, " n"]:
    """The role of every row, as an index into `fractions`.

    Groups are sorted into quantile bins of their mean value and shuffled within each; each group then goes to the
    role that is furthest below its share of the rows dealt so far. The shares are therefore met to within one group,
    in every bin and over all, and the outcome does not depend on the order of the rows.
    """
    names, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    # summed in sorted order, so that rounding cannot depend on the order of the rows
    order = np.lexsort((values, member))
    means = np.add.reduceat(values[order], np.r_[0, np.cumsum(sizes)[:-1]]) / sizes
    rank = np.argsort(np.argsort(means, kind="stable"), kind="stable")
    stratum = rank * min(strata, len(names)) // len(names)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    role_of_group = np.empty(len(names), dtype=np.int64)
    share, dealt = np.array(fractions), np.zeros(len(fractions))
    for group in shuffled[np.argsort(stratum[shuffled], kind="stable")]:
        lack = share * (dealt.sum() + sizes[group]) - dealt
        role_of_group[group] = lack.argmax()
        dealt[lack.argmax()] += sizes[group]
    return role_of_group[member]


def _targets(images: Store, names: list[str]) -> Float[np.ndarray, "n t"]:
    known = images.attributes["target_names"]
    for name in names:
        if name not in known:
            raise InputError(f"split.targets: {images.path} has no target {name!r}; it has {', '.join(known)}")
    return images.read("targets")[:, [known.index(name) for name in names]]


def _check(images: Store, chosen: params.Split, values: Float[np.ndarray, "n t"]) -> None:
    if len(values) < max(chosen.strata, len(ROLES)):
        raise InputError(
            f"split.strata: {chosen.strata} strata, but only {len(values)} of the {images.rows} images in "
            f"{images.path} have {' and '.join(chosen.targets)}; ingest more images or ask for fewer strata"
        )
    for name, column in zip(chosen.targets, values.T, strict=True):
        if np.ptp(column) == 0:
            raise InputError(f"split.targets: {name} is {column[0]:g} in every image; there is nothing to learn")


def _check_roles(roles: dict[str, np.ndarray]) -> None:
    for name, members in roles.items():
        if len(members) < 2:
            raise InputError(f"split.fractions.{name}: only {len(members)} images fall to it; it needs two or more")


if __name__ == "__main__":
    run(split, "STORE SPLIT")
