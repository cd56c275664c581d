"""Learning curves: the cells of one input, backbone and target at every training size, and what they come to."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from pipeline.contrasts.efficiency import Area, Saved, area, images_saved
from pipeline.contrasts.intervals import How
from pipeline.verdict.cells import Cell, common_seeds, of_keys
from pipeline.verdict.questions import CONTROL, Arm

Curve = Mapping[int, Cell]  # by training rows


def curves(cells: Sequence[Cell], images: int) -> dict[Arm, Curve]:
    """The curve of every input, backbone and target of which all sizes are there, by the arm of its largest size.

    `images` are the training rows that `all` stands for. From one size there is none.
    """
    sizes = {cell.size: images if cell.size == "all" else int(cell.size) for cell in cells}
    if len(set(sizes.values())) < 2:
        return {}
    found: dict[Arm, Curve] = {}
    for cell in cells:
        if sizes[cell.size] == max(sizes.values()):
            own = of_keys(cells, [(cell.input, cell.backbone, size, cell.target) for size in sizes])
            if len(own) == len(sizes):
                found[cell.key] = {sizes[one.size]: one for one in own}
    return found


def areas(found: Mapping[Arm, Curve], groups: Int[np.ndarray, " n"], how: How) -> dict[Arm, Area]:
    """Of every curve whose sizes have a seed in common, on all that they have."""
    seeds = {arm: common_seeds(own.values()) for arm, own in found.items()}
    return {arm: area(_errors(own, seeds[arm]), groups, how) for arm, own in found.items() if seeds[arm]}


def saved(found: Mapping[Arm, Curve], groups: Int[np.ndarray, " n"], how: How) -> dict[Arm, Saved]:
    """Images saved by every input over the control, on the seeds that both have at all sizes."""
    told = {}
    for arm, (own, control) in _beside_control(found).items():
        seeds = common_seeds([*own.values(), *control.values()])
        if seeds:
            told[arm] = images_saved(_errors(own, seeds), _errors(control, seeds), groups, how)
        else:
            told[arm] = Saved(None, None, f"no seed is common to all sizes of it and of {CONTROL}")
    return told


def together(found: Mapping[Arm, Curve]) -> dict[str, Sequence[Cell]]:
    """What is read on the seeds that all of it has: the sizes of a curve, and with them those of its control."""
    told: dict[str, Sequence[Cell]] = {
        f"training sizes of {_named(arm)}": list(own.values()) for arm, own in found.items()
    }
    return told | {
        f"images saved by {_named(arm)}": [*own.values(), *control.values()]
        for arm, (own, control) in _beside_control(found).items()
    }


def _named(arm: Arm) -> str:
    return f"{arm[0]} with {arm[1]}, {arm[3]}"


def _beside_control(found: Mapping[Arm, Curve]) -> dict[Arm, tuple[Curve, Curve]]:
    """Each curve that has a control, and that."""
    controls = {arm: (CONTROL, *arm[1:]) for arm in found if arm[0] != CONTROL}
    return {arm: (found[arm], found[control]) for arm, control in controls.items() if control in found}


def _errors(of_size: Curve, seeds: Sequence[int]) -> dict[int, Float[np.ndarray, "s n"]]:
    """By training rows, of the same seeds at every size."""
    return {size: cell.of_seeds(seeds).errors for size, cell in of_size.items()}
