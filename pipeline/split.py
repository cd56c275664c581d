"""Stage `split`: who is in train, validation, calibration and test; decided once, from targets and groups alone.

    python -m pipeline.split data/images.zarr data/audit.json data/audit/pairs.csv data/split.json

A store in which the audit found errors that `audit.accept` does not list is refused. Rows without one of the chosen
targets are left out, and counted. Near-duplicates join their groups; whole groups are dealt, alike in every target
(`pipeline/dealing`). The training rows come shuffled, so that the first so many of them are a random sample.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline import atomic, findings, params
from pipeline.command import run
from pipeline.dealing import balance, schemes
from pipeline.dealing.groups import joined
from pipeline.dealing.schemes import ROLES
from pipeline.errors import InputError
from pipeline.places import place, reaching
from pipeline.store import Store

SHOWN = 10  # names of classes and identities that an error lists


def split(source: str, audit: str, pairs: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Deal the rows of the store `source` to the roles and write them to the JSON file `target`."""
    chosen, accepted = params.read(overrides, "split", "audit.accept")
    _check_settings(chosen)
    images = Store(source)
    _check_audit(audit, accepted, images)
    values = _targets(images, chosen.targets)
    usable = np.isfinite(values).all(axis=1)
    _check_values(images, chosen, values[usable])
    alone = images.read("group")
    groups = joined(alone, _pairs(pairs, images))
    role = np.full(images.rows, -1)
    role[usable] = _role(images, usable, values[usable], groups[usable], chosen)
    roles = {name: np.flatnonzero(role == i) for i, name in enumerate(ROLES)}
    _check_roles(roles, chosen)
    ids = images.read("id")
    roles["train"] = _shuffled(roles["train"], ids, chosen.seed)
    decided = {
        "targets": chosen.targets,
        "scheme": _scheme(chosen),
        "strata": chosen.strata,
        "rows": images.rows,
        "left_out": int((~usable).sum()),
        "groups": len(np.unique(groups[usable])),
        "merged": len(np.unique(alone)) - len(np.unique(groups)),  # by so many did near-duplicates lessen all groups
        "counts": {name: len(members) for name, members in roles.items()},
        **balance.measured(
            dict(zip(chosen.targets, values[usable].T, strict=True)), role[usable], ROLES, chosen.strata
        ),
        "test_ids_sha256": balance.digest(ids[roles["test"]]),
        "roles": {name: members.tolist() for name, members in roles.items()},
    }
    atomic.write(target, json.dumps(decided, indent=1))
    print(f"split: {decided['counts']}, {decided['left_out']} of {images.rows} left out for want of a target")


def _role(
    images: Store,
    usable: Bool[np.ndarray, " all"],
    values: Float[np.ndarray, "n t"],
    groups: Int[np.ndarray, " n"],
    chosen: params.Split,
) -> Int[np.ndarray, " n"]:
    """The role of every usable row, as an index into `ROLES`."""
    if chosen.scheme == "holdout":
        return schemes.holdout(values, groups, chosen)
    if chosen.scheme == "kfold":
        return schemes.kfold(values, groups, chosen)
    return schemes.group_out(values, groups, _held(images, usable, chosen.held_out), chosen)


def _held(images: Store, usable: Bool[np.ndarray, " all"], wanted: list[str]) -> Bool[np.ndarray, " n"]:
    """Which usable rows have one of the wanted names as their class or as one of their identities."""
    arrays = [images.read(name)[usable] for name in ("kind", "identities") if name in images]
    names = np.concatenate([array.reshape(int(usable.sum()), -1) for array in arrays], axis=1)
    known = [name for array in arrays for name in np.unique(array).tolist() if name]
    for name in wanted:
        if name not in known:
            more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
            there = f"there are {', '.join(known[:SHOWN])}{more}" if known else "no image has one"
            raise InputError(
                f"split.held_out: no image of {images.path} that has the targets is of class or identity {name!r}; "
                f"{there}"
            )
    return np.asarray(np.isin(names, wanted).any(axis=1))


def _scheme(chosen: params.Split) -> dict[str, Any]:
    """What decides who is the test, and nothing else."""
    more = {"holdout": [], "kfold": ["fold", "folds"], "group-out": ["held_out"]}[chosen.scheme]
    return {"name": chosen.scheme, "seed": chosen.seed, **{key: getattr(chosen, key) for key in more}}


def _shuffled(rows: Int[np.ndarray, " m"], ids: np.ndarray, seed: int) -> Int[np.ndarray, " m"]:
    """Rows in random order: of their ids, so that the first so many are the same images whatever row they are in."""
    return np.random.default_rng(seed).permutation(rows[np.argsort(ids[rows], kind="stable")])


def _targets(images: Store, names: list[str]) -> Float[np.ndarray, "n t"]:
    known = images.attributes["target_names"]
    for name in names:
        if name not in known:
            raise InputError(f"split.targets: {images.path} has no target {name!r}; it has {', '.join(known)}")
    return images.read("targets")[:, [known.index(name) for name in names]]


def _pairs(path: str, images: Store) -> Int[np.ndarray, "p 2"]:
    """The near-duplicates that the audit found, as pairs of rows."""
    file = place(path)
    remedy = f"rerun the audit of {images.path} (dvc repro audit)"
    with reaching(file, "read", f"; {remedy}"), file.open() as lines:
        try:
            table = pd.read_csv(lines)
            rows = table[["row_a", "row_b"]].to_numpy()
        except (ValueError, KeyError) as error:
            raise InputError(f"{path}: not a table with the columns row_a and row_b ({error}); {remedy}") from error
    if not len(rows):
        return np.empty((0, 2), dtype=np.int64)
    if rows.dtype.kind != "i" or rows.min() < 0 or rows.max() >= images.rows:
        raise InputError(f"{path}: names rows that {images.path} does not have: it has {images.rows}; {remedy}")
    return rows


def _check_audit(path: str, accepted: list[str], images: Store) -> None:
    found = findings.refused(findings.read(path), accepted)
    rows = json.loads(place(path).read_text()).get("rows")
    if rows != images.rows:
        raise InputError(
            f"{path}: made for {rows} rows, but {images.path} has {images.rows}; rerun the audit (dvc repro audit)"
        )
    if found:
        listed = "; ".join(f"{error.code}: {error.summary} ({error.remedy})" for error in found)
        codes = ", ".join(error.code for error in found)
        raise InputError(f"{path}: {listed}; mend the images, or go on regardless with audit.accept=[{codes}]")


def _check_settings(chosen: params.Split) -> None:
    """Settings that the scheme cannot use, or has none of."""
    if chosen.scheme == "kfold" and chosen.fold >= chosen.folds:
        raise InputError(f"split.fold: {chosen.fold}, but {chosen.folds} folds are 0 to {chosen.folds - 1}")
    if chosen.scheme == "group-out" and not chosen.held_out:
        raise InputError("split.held_out: []; the scheme group-out needs the classes or identities that are the test")
    for key, scheme in (("fold", "kfold"), ("held_out", "group-out")):
        value = getattr(chosen, key)
        if value and chosen.scheme != scheme:
            raise InputError(
                f"split.{key}: {value} means nothing to the scheme {chosen.scheme}; leave it {type(value)()}, "
                f"or set split.scheme to {scheme}"
            )


def _check_values(images: Store, chosen: params.Split, values: Float[np.ndarray, "n t"]) -> None:
    if len(values) < max(chosen.strata, len(ROLES)):
        raise InputError(
            f"split.strata: {chosen.strata} strata, but only {len(values)} of the {images.rows} images in "
            f"{images.path} have {' and '.join(chosen.targets)}; ingest more images or ask for fewer strata"
        )
    for name, column in zip(chosen.targets, values.T, strict=True):
        if np.ptp(column) == 0:
            raise InputError(f"split.targets: {name} is {column[0]:g} in every image; there is nothing to learn")


def _check_roles(roles: dict[str, Int[np.ndarray, " _"]], chosen: params.Split) -> None:
    of_test = {"holdout": "fractions.test", "kfold": "folds", "group-out": "held_out"}[chosen.scheme]
    for name, members in roles.items():
        if len(members) < 2:
            key = of_test if name == "test" else f"fractions.{name}"
            raise InputError(f"split.{key}: only {len(members)} images fall to {name}; it needs two or more")


if __name__ == "__main__":
    run(split, "STORE AUDIT PAIRS SPLIT")
