"""Which answers count: those for lenses that every run has a finite answer for; what is left out is counted and named.

A difference must be of the same lenses, and a mean over the rows that happen to be finite would flatter a network that
fails on the hard ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pipeline.errors import InputError
from pipeline.verdict.cells import SCORES, Cell

SHOWN = 3  # ids that a line names


def answered(cells: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    """The cells without the lenses for which some run has no finite answer, and what was left out of which run.

    Raises `InputError` where cells are of other lenses, and where no lens is left.
    """
    check_same_lenses(cells)
    finite, said = np.ones(len(cells[0].id), dtype=bool), list[str]()
    for cell in cells:
        _check_any(cell)
        there = _finite(cell)
        finite &= there.all(axis=0)
        said += [_lost(cell, seed, ~own) for seed, own in zip(cell.seeds, there, strict=True) if not own.all()]
    if not finite.any():
        raise InputError("predictions: no test lens has a finite answer of every run; train again (dvc repro)")
    kept = list(cells) if finite.all() else [cell.of_lenses(finite) for cell in cells]
    for i, cell in enumerate(kept):
        kept[i], more = _calibrated(*_scored(cell))
        said += more
    return kept, said


def check_same_lenses(cells: Sequence[Cell]) -> None:
    """Refuse cells that answer for other lenses than the first of their target: they could not be paired."""
    first: dict[str, Cell] = {}
    for cell in cells:
        known = first.setdefault(cell.target, cell)
        same = np.array_equal(cell.id, cells[0].id) and np.array_equal(cell.truth, known.truth)
        if not same:
            raise InputError(
                f"{cell.name}: its test lenses are not those of {known.name}; run both on one split (dvc repro)"
            )


def silent(cell: Cell) -> list[int]:
    """The seeds that have no finite answer for any lens."""
    return [seed for seed, own in zip(cell.seeds, _finite(cell), strict=True) if not own.any()]


def _finite(cell: Cell) -> Bool[np.ndarray, "s n"]:
    there = np.isfinite(cell.prediction)
    return there if cell.quantiles is None else there & np.isfinite(cell.quantiles).all(axis=-1)


def _check_any(cell: Cell) -> None:
    """A network that diverged would leave no lens to any other."""
    for seed in silent(cell):
        raise InputError(
            f"{cell.name}-{seed}: no finite {cell.target} for any of the {len(cell.id)} test lenses; "
            "train it again, or take its seed out of train.seeds"
        )


def _lost(cell: Cell, seed: int, lost: Bool[np.ndarray, " n"]) -> str:
    first = ", ".join(map(str, cell.id[lost][:SHOWN])) + (", …" if lost.sum() > SHOWN else "")
    counted = f"no finite {cell.target} for {lost.sum()} of {len(lost)} test lenses ({first})"
    return f"`{cell.name}-{seed}`: {counted}; left out of every run."


def _scored(cell: Cell) -> tuple[Cell, list[str]]:
    """Without a score that is infinite for some lens, as a density's of a truth that it excludes."""
    gaps = {name: _gaps(getattr(cell, name)) for name in SCORES}
    said = [
        f"`{cell.name}`: {name} of {cell.target} is not finite for {count} answer{'s' * (count > 1)}; "
        "it is not averaged."
        for name, count in gaps.items()
        if count
    ]
    lost: dict[str, Any] = {name: None for name, count in gaps.items() if count}
    return replace(cell, **lost), said


def _gaps(values: Float[np.ndarray, "s n"] | None) -> int:
    return 0 if values is None else int((~np.isfinite(values)).sum())


def _calibrated(cell: Cell, said: list[str]) -> tuple[Cell, list[str]]:
    """Without the calibration rows that some seed has no finite answer for."""
    finite = np.isfinite(cell.residuals).all(axis=0)
    if finite.all():
        return cell, said
    counted = f"no finite {cell.target} for {(~finite).sum()} of {len(finite)} calibration lenses"
    line = f"`{cell.name}`: {counted}; its split-conformal intervals do without them."
    return replace(cell, residuals=cell.residuals[:, finite]), [*said, line]
