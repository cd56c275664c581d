"""From cells to numbers: everything that is found out of the test predictions.

`record` writes it as JSON, `text` as Markdown.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.contrasts.efficiency import Area, Saved
from pipeline.contrasts.families import holm
from pipeline.contrasts.interaction import Interaction, interactions
from pipeline.contrasts.intervals import How
from pipeline.contrasts.verdict import Contrast, judge
from pipeline.errors import InputError
from pipeline.params import Compare
from pipeline.scores.intervals import Interval
from pipeline.verdict import cells as reading
from pipeline.verdict import classes, learning, measures
from pipeline.verdict.answers import answered
from pipeline.verdict.cells import Cell
from pipeline.verdict.questions import PRIMARY, Arm, Family, Pairs
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
    diagrams: Mapping[Arm, Mapping[str, Any]]  # of cells whose target is a class
    largest: Mapping[reading.Key, Interval]  # how often the largest of all classes' predictions is right
    spreads: Mapping[Arm, Mapping[str, Any]]
    plateaus: Mapping[Arm, Sequence[Mapping[str, Any]]]
    answers: Mapping[str, Answered]  # by family
    interactions: Mapping[tuple[Arm, Arm], Interaction]
    saved: Mapping[Arm, Saved]  # by the arm of the largest size, as areas
    areas: Mapping[Arm, Area]
    by_bin: pd.DataFrame
    confidence: float

    @property
    def several_sizes(self) -> bool:
        return len({cell.size for cell in self.cells}) > 1

    @property
    def labels(self) -> set[str]:
        """What the networks were asked for, in the audit's words: targets, and `class` where one is of classes."""
        return {cell.target for cell in self.cells} | ({"class"} if self.diagrams else set())

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
    sorts, curves = tables.of_classes(plain[SHORTCUTS]), learning.curves(whole, images)
    arms = [*whole, *(cell.with_permuted(name) for cell in whole for name in cell.permuted)]
    by_bin = [measures.by_bin(cell, groups, _covariates(cell, known), chosen.bins, at) for cell in whole]
    return Verdict(
        cells=whole,
        units=units,
        said=[*said, *lost, *_unlike(_together(arms, asked, curves))],
        plain=_plain(plain, whole[0].id, sorts),
        measured={
            cell.key: _metrics(cell, groups, references[cell.target], at, units[cell.target], sorts) for cell in whole
        },
        diagrams={cell.key: classes.diagrams(cell, groups, at) for cell in whole if cell.target in sorts},
        largest=classes.largest(whole, sorts, groups, at),
        spreads={cell.key: measures.spreads(cell, groups, at) for cell in whole},
        plateaus={cell.key: [] if cell.target in sorts else measures.flat(cell, groups, at) for cell in whole},
        answers={name: _answer(arms, family, groups, chosen) for name, family in asked.items()},
        interactions=_interactions(whole, asked[PRIMARY].pairs if PRIMARY in asked else {}, groups, chosen),
        saved=learning.saved(curves, groups, how(chosen, "rmse")),
        areas=learning.areas(curves, groups, how(chosen, "rmse")),
        by_bin=pd.concat(by_bin, ignore_index=True),
        confidence=at,
    )


def _metrics(
    cell: Cell,
    groups: np.ndarray,
    references: Mapping[str, np.ndarray],
    confidence: float,
    unit: str,
    sorts: Collection[str],
) -> dict[str, Interval]:
    numbers = measures.metrics(cell, groups, references, confidence, unit)
    return classes.metrics(cell, numbers, groups, confidence) if cell.target in sorts else numbers


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
    arms = _arms(reading.of_keys(cells, [arm for four in asked.values() for arm in four]))
    return interactions(arms, asked, groups, how(chosen, "rmse"), holm)


def _of_family(cells: Sequence[Cell], family: Family) -> list[Cell]:
    return reading.of_keys(cells, [arm for pair in family.pairs.values() for arm in pair])


def _arms(cells: Sequence[Cell]) -> dict[Arm, np.ndarray]:
    """The errors of these arms, on the seeds that all of them have. Raises `InputError` where that is none."""
    seeds = reading.common_seeds(cells)
    if cells and not seeds:
        own = ", ".join(f"{cell.name} has {', '.join(map(str, cell.seeds))}" for cell in cells)
        raise InputError(f"train.seeds: no seed is common to what is to be compared ({own}); train all on the same")
    return {cell.key: cell.of_seeds(seeds).errors for cell in cells}


def _together(
    cells: Sequence[Cell], asked: Mapping[str, Family], curves: Mapping[Arm, learning.Curve]
) -> dict[str, Sequence[Cell]]:
    """What is compared on the seeds that all of it has, by what is asked of it."""
    found: dict[str, Sequence[Cell]] = {family.title: _of_family(cells, family) for family in asked.values()}
    between = quads(asked[PRIMARY].pairs) if PRIMARY in asked else {}
    arms = [arm for four in between.values() for arm in four]
    found["gains of one backbone against another's"] = reading.of_keys(cells, arms)
    return found | learning.together(curves)


def _unlike(together: Mapping[str, Sequence[Cell]]) -> list[str]:
    """What is compared though its arms do not have the same seeds."""
    said = []
    for title, own in together.items():
        common = reading.common_seeds(own)
        if any(list(cell.seeds) != common for cell in own):
            on = f"compared on {', '.join(map(str, common))}" if common else "not compared, as none is common to all"
            said.append(f"{title[0].upper()}{title[1:]}: the arms do not have the same seeds; {on}.")
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


def _plain(plain: Mapping[str, pd.DataFrame], ids: np.ndarray, sorts: Collection[str]) -> Plain:
    """By input and model, the headline of what is no network, for the lenses that the networks are judged by.

    What says the same of another input, target by target, stands under the first alone: the trees of a recipe and of
    that recipe without one of its maps are fitted to the same vectors.
    """
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    seen: set[tuple[str, bytes]] = set()
    for name in [SHORTCUTS, *(name for name in plain if name != SHORTCUTS)]:
        known = plain[name][plain[name]["id"].isin(ids)]
        for model, lines in known.groupby("model", sort=False):
            same = (str(model), lines["prediction"].to_numpy().tobytes())
            if same in seen or (name != SHORTCUTS and model == "constant"):
                continue  # a constant is the same of every input
            seen.add(same)
            own = found.setdefault(NO_INPUT if name == SHORTCUTS else name, {})
            own[str(model)] = {
                str(target): _headline(each, sorts) for target, each in lines.groupby("target", sort=False)
            }
    return found


def _headline(lines: pd.DataFrame, sorts: Collection[str]) -> dict[str, float]:
    """Of one target, given as the lines that a predictor has of it."""
    truth, prediction = lines["truth"].to_numpy(), lines["prediction"].to_numpy()[None]
    more = classes.headline(truth, prediction) if lines["target"].iloc[0] in sorts else {}
    return measures.headline(truth, prediction) | more
