"""From cells to numbers: everything that is found out of the test predictions.

`record` writes it as JSON, `text` as Markdown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.contrasts.efficiency import Saved, images_saved
from pipeline.contrasts.families import holm
from pipeline.contrasts.interaction import Interaction, interactions
from pipeline.contrasts.intervals import How
from pipeline.contrasts.verdict import Contrast, judge
from pipeline.errors import InputError
from pipeline.params import Compare
from pipeline.scores.intervals import Interval
from pipeline.verdict import cells as reading
from pipeline.verdict import measures
from pipeline.verdict.answers import answered
from pipeline.verdict.cells import Cell
from pipeline.verdict.questions import CONTROL, PRIMARY, Arm, Family, Pairs
from pipeline.verdict.questions import interactions as quads

Plain = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]  # input, model, target: metrics
SHORTCUTS = "shortcuts"  # what is no network and has no input; its lines have the input NO_INPUT
NO_INPUT = "none"
COVARIATES = ("signal_to_noise", "ring_over_psf")  # of the table of lenses; errors are binned in them and in the truth


@dataclass(frozen=True)
class Answered:
    """A family of questions and what was found: by RMSE, on which the words rest, and by MAE."""

    family: Family
    rmse: dict[Arm, Contrast]
    mae: dict[Arm, Contrast]


@dataclass(frozen=True)
class Verdict:
    """Everything that was found out of the test predictions."""

    cells: Sequence[Cell]
    units: Mapping[str, str]
    said: Sequence[str]  # what is missing
    plain: Plain  # what is no network
    measured: Mapping[Arm, Mapping[str, Interval]]
    spreads: Mapping[Arm, Mapping[str, Any]]
    plateaus: Mapping[Arm, Sequence[Mapping[str, Any]]]
    answers: Mapping[str, Answered]  # by family
    interactions: Mapping[tuple[Arm, Arm], Interaction]
    saved: Mapping[Arm, Saved]
    by_bin: pd.DataFrame
    confidence: float

    @property
    def several_sizes(self) -> bool:
        return len({cell.size for cell in self.cells}) > 1

    @property
    def primary(self) -> dict[Arm, Contrast]:
        """The contrasts of the family that was declared, by RMSE; none without the control and another input."""
        return self.answers[PRIMARY].rmse if PRIMARY in self.answers else {}


def judged(
    cells: Sequence[Cell],
    said: Sequence[str],
    plain: Mapping[str, pd.DataFrame],
    lenses: pd.DataFrame,
    asked: Mapping[str, Family],
    images: int,
    chosen: Compare,
) -> Verdict:
    """The verdict on these cells.

    `plain` are the test lines of what is no network, `asked` the families of questions, `images` the training rows that
    the size `all` stands for.
    """
    whole, lost = answered(cells)
    known = reading.columns(lenses, whole[0].id)
    groups, at = known["group"].to_numpy(), chosen.confidence
    references, units = _references(plain[SHORTCUTS], whole), tables.units(plain[SHORTCUTS])
    by_bin = [measures.by_bin(cell, groups, _covariates(cell, known), chosen.bins, at) for cell in whole]
    return Verdict(
        cells=whole,
        units=units,
        said=[*said, *lost, *_unlike(whole, asked)],
        plain=_plain(plain, whole[0].id),
        measured={
            cell.key: measures.metrics(cell, groups, references[cell.target], at, units[cell.target]) for cell in whole
        },
        spreads={cell.key: measures.spreads(cell, groups, at) for cell in whole},
        plateaus={cell.key: measures.flat(cell, groups, at) for cell in whole},
        answers={name: _answer(whole, family, groups, chosen) for name, family in asked.items()},
        interactions=_interactions(whole, asked[PRIMARY].pairs if PRIMARY in asked else {}, groups, chosen),
        saved=_saved(whole, groups, images, chosen),
        by_bin=pd.concat(by_bin, ignore_index=True),
        confidence=at,
    )


def how(chosen: Compare, metric: str) -> How:
    return How(chosen.draws, chosen.confidence, chosen.margin, chosen.seed, metric)


def _answer(cells: Sequence[Cell], family: Family, groups: np.ndarray, chosen: Compare) -> Answered:
    arms = _arms(_of_family(cells, family))
    rmse, mae = (judge(arms, family.pairs, groups, how(chosen, metric), family.correct) for metric in ("rmse", "mae"))
    return Answered(family, rmse, mae)


def _interactions(
    cells: Sequence[Cell], pairs: Pairs, groups: np.ndarray, chosen: Compare
) -> dict[tuple[Arm, Arm], Interaction]:
    asked = quads(pairs)
    arms = _arms(_with_keys(cells, [arm for four in asked.values() for arm in four]))
    return interactions(arms, asked, groups, how(chosen, "rmse"), holm)


def _saved(cells: Sequence[Cell], groups: np.ndarray, images: int, chosen: Compare) -> dict[Arm, Saved]:
    """Images saved by every input over the control, where there is more than one training size; by the largest cell."""
    sizes = {cell.size: images if cell.size == "all" else int(cell.size) for cell in cells}
    if len(sizes) < 2:
        return {}
    found, there = {}, {cell.key for cell in cells}
    for cell in cells:
        own, control = ([(name, cell.backbone, size, cell.target) for size in sizes] for name in (cell.input, CONTROL))
        largest = sizes[cell.size] == max(sizes.values())
        if largest and cell.input != CONTROL and there.issuperset([*own, *control]):
            arms = _arms(_with_keys(cells, [*own, *control]))
            curves = [{sizes[arm[2]]: arms[arm] for arm in each} for each in (own, control)]
            found[cell.key] = images_saved(curves[0], curves[1], groups, how(chosen, "rmse"))
    return found


def _of_family(cells: Sequence[Cell], family: Family) -> list[Cell]:
    return _with_keys(cells, [arm for pair in family.pairs.values() for arm in pair])


def _with_keys(cells: Sequence[Cell], wanted: Iterable[Arm]) -> list[Cell]:
    asked = set(wanted)
    return [cell for cell in cells if cell.key in asked]


def _arms(cells: Sequence[Cell]) -> dict[Arm, np.ndarray]:
    """The errors of these arms, on the seeds that all of them have. Raises `InputError` where that is none."""
    seeds = reading.common_seeds(cells)
    if cells and not seeds:
        own = ", ".join(f"{cell.name} has {', '.join(map(str, cell.seeds))}" for cell in cells)
        raise InputError(f"train.seeds: no seed is common to what is to be compared ({own}); train all on the same")
    return {cell.key: cell.of_seeds(seeds).errors for cell in cells}


def _unlike(cells: Sequence[Cell], asked: Mapping[str, Family]) -> list[str]:
    """The families whose arms do not have the same seeds, and which are compared."""
    said = []
    for family in asked.values():
        own = _of_family(cells, family)
        common = reading.common_seeds(own)
        if any(list(cell.seeds) != common for cell in own):
            title = f"{family.title[0].upper()}{family.title[1:]}"
            said.append(f"{title}: the arms do not have the same seeds; compared on {', '.join(map(str, common))}.")
    return said


def _covariates(cell: Cell, known: pd.DataFrame) -> dict[str, np.ndarray]:
    return {"truth": cell.truth, **{name: known[name].to_numpy(dtype=float) for name in COVARIATES}}


def _references(shortcuts: pd.DataFrame, cells: Sequence[Cell]) -> dict[str, dict[str, np.ndarray]]:
    """By target and model: the predictions of what has not looked at the lens, for the cells' lenses."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for (target, model), lines in shortcuts.groupby(["target", "model"], sort=False):
        own = reading.lined_up(lines, cells[0].id, f"{SHORTCUTS}, {model}", "run dvc repro shortcuts")
        found.setdefault(str(target), {})[str(model)] = own["prediction"].to_numpy()
    absent = [cell.target for cell in cells if cell.target not in found]
    if absent:
        raise InputError(f"{SHORTCUTS}: no predictions of {absent[0]}; run dvc repro shortcuts")
    return found


def _plain(plain: Mapping[str, pd.DataFrame], ids: np.ndarray) -> Plain:
    """By input and model, the headline of what is no network, for the lenses that the networks are judged by.

    What says the same of another input stands under the first alone: the trees of a recipe and of that recipe without
    one of its maps are fitted to the same vectors.
    """
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    seen: set[tuple[Any, ...]] = set()
    for name in [SHORTCUTS, *(name for name in plain if name != SHORTCUTS)]:
        known = plain[name][plain[name]["id"].isin(ids)]
        for (model, target), lines in known.groupby(["model", "target"], sort=False):
            if name != SHORTCUTS and model == "constant":
                continue  # the same of every input
            truth, prediction = lines["truth"].to_numpy(), lines["prediction"].to_numpy()
            same = (model, target, prediction.tobytes())
            if same in seen:
                continue
            seen.add(same)
            own = found.setdefault(NO_INPUT if name == SHORTCUTS else name, {}).setdefault(str(model), {})
            own[str(target)] = measures.headline(truth, prediction[None])
    return found
