"""From cells to the verdict: every number that is written, and the text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.contrasts.efficiency import Saved, images_saved
from pipeline.contrasts.families import holm
from pipeline.contrasts.interaction import Interaction, interactions
from pipeline.contrasts.intervals import How
from pipeline.contrasts.verdict import ENOUGH_SEEDS, Contrast, judge
from pipeline.findings import Finding
from pipeline.params import Compare
from pipeline.scores.intervals import Interval
from pipeline.verdict import cells as reading
from pipeline.verdict import measures, words
from pipeline.verdict.cells import Cell
from pipeline.verdict.questions import CONTROL, PRIMARY, Arm, Family, Pairs
from pipeline.verdict.questions import interactions as quads

Plain = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]  # input, model, target: metrics
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

    def metrics(self) -> dict[str, Any]:
        """What `dvc metrics` shows: {network: {input: {backbone: {size: {target: ...}}}}} and so on."""
        found: dict[str, Any] = {"plain": self.plain}
        found["network"] = nested({cell.key: self._headline(cell) for cell in self.cells})
        found["ensemble"] = nested({cell.key: ensemble(cell) for cell in self.cells if len(cell.seeds) > 1})
        found["difference"] = nested(
            {arm: self._difference(arm) for arm in self.answers[PRIMARY].rmse} if PRIMARY in self.answers else {}
        )
        return found

    def _headline(self, cell: Cell) -> dict[str, float]:
        """Every metric, and the standard deviation over seeds of those in the table."""
        found = {name: one.value for name, one in self.measured[cell.key].items()}
        spread = measures.by_seed(cell, words.HEADLINE) if len(cell.seeds) > 1 else {}
        return found | {f"{name}_std": float(values.std(ddof=1)) for name, values in spread.items()}

    def _difference(self, arm: Arm) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, contrasts in (("mae", self.answers[PRIMARY].mae), ("rmse", self.answers[PRIMARY].rmse)):
            one = contrasts[arm]
            found |= {name: one.difference, f"{name}_low": one.interval[0], f"{name}_high": one.interval[1]}
        return found | {"p": self.answers[PRIMARY].rmse[arm].p_corrected}

    def details(self) -> dict[str, Any]:
        """Everything, for the report; cells by their name and target."""
        return {
            "confidence": self.confidence,
            "units": dict(self.units),
            "said": list(self.said),
            "plain": self.plain,
            "cells": [self._cell(cell) for cell in self.cells],
            "families": {
                name: {
                    "title": one.family.title,
                    "contrasts": [
                        {"arm": arm, "pair": one.family.pairs[arm], **asdict(contrast)}
                        for arm, contrast in one.rmse.items()
                    ],
                }
                for name, one in self.answers.items()
            },
            "interactions": [{"arms": arms, **asdict(one)} for arms, one in self.interactions.items()],
            "saved": [{"arm": arm, **asdict(one)} for arm, one in self.saved.items()],
            "sentences": self._sentences(),
        }

    def _cell(self, cell: Cell) -> dict[str, Any]:
        key = cell.key
        return {
            "run": cell.name,
            "arm": key,
            "seeds": cell.seeds,
            "lenses": len(cell.id),
            "metrics": measures.figures(self.measured[key]),
            "spreads": self.spreads[key],
            "plateaus": self.plateaus[key],
        }

    def markdown(self, found: Iterable[Finding]) -> str:
        """The verdict as it is printed: what to beware of, then one section a target."""
        parts = [words.cautions(found, self.said)]
        parts += [self._section(target) for target in dict.fromkeys(cell.target for cell in self.cells)]
        return "\n".join(part for part in parts if part)

    def _section(self, target: str) -> str:
        own = [cell for cell in self.cells if cell.target == target]
        unit, seeds = self.units[target], len(own[0].seeds)
        of_seeds = f"{seeds} seeds (mean ± standard deviation over seeds)" if seeds > 1 else "1 seed"
        lines = [f"**{target}**, {len(own[0].id)} test lenses, {of_seeds}", ""]
        lines += [*words.score_table(self._scores(own), unit), "", *self._beyond(own)]
        answered = [self._answered(name, target) for name in self.answers]
        lines += [line for block in answered for line in block]
        if not any(answered):
            lines += [f"Nothing to compare: that takes {CONTROL} and another input.", ""]
        elif seeds < ENOUGH_SEEDS:
            lines += [words.FEW, ""]
        return "\n".join(lines)

    def _scores(self, own: Sequence[Cell]) -> list[tuple[str, str, Mapping[str, Any]]]:
        target, several = own[0].target, self._several_sizes
        lines: list[tuple[str, str, Mapping[str, Any]]] = [
            (name, predictor, by_target[target]) for (name, predictor), by_target in _named(self.plain)
        ]
        lines += [(cell.input, words.named(cell.key, several), self._headline(cell)) for cell in own]
        return lines + [
            (cell.input, f"{words.named(cell.key, several)}: the {len(cell.seeds)} seeds' mean", ensemble(cell))
            for cell in own
            if len(cell.seeds) > 1
        ]

    def _answered(self, name: str, target: str) -> list[str]:
        """The table of a family's contrasts for one target, and what interacts."""
        one, unit, several = self.answers[name], self.units[target], self._several_sizes
        own = [arm for arm in one.rmse if arm[3] == target]
        if not own:
            return []
        rmse, mae = ({arm: each[arm] for arm in own} for each in (one.rmse, one.mae))
        table = words.contrast_table(rmse, mae, one.family.pairs, unit, self.confidence, several)
        if name != PRIMARY:
            return [f"{one.family.title[0].upper()}{one.family.title[1:]}:", "", *table, ""]
        said = words.sentences(rmse, one.family.pairs, unit, several)
        inter = {arms: each for arms, each in self.interactions.items() if arms[0][3] == target}
        return [*table, "", *(f"- {line}" for line in [*said, *words.interaction_lines(inter, unit)]), ""]

    def _beyond(self, own: Sequence[Cell]) -> list[str]:
        """What the cells know beyond the best shortcut, and which that is."""
        known = self.plain["none"]
        best = max(known, key=lambda model: known[model][own[0].target]["r2"])
        figures = {cell.key: (best, self.measured[cell.key][f"skill_{best}"]) for cell in own}
        return [*(f"- {line}" for line in words.beyond(figures)), ""]

    def _sentences(self) -> list[str]:
        if PRIMARY not in self.answers:
            return []
        one = self.answers[PRIMARY]
        found: list[str] = []
        for target, unit in self.units.items():
            own = {arm: each for arm, each in one.rmse.items() if arm[3] == target}
            found += words.sentences(own, one.family.pairs, unit, self._several_sizes)
        return found

    @property
    def _several_sizes(self) -> bool:
        return len({cell.size for cell in self.cells}) > 1


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
    whole, lost = reading.answered(cells)
    known = reading.columns(lenses, whole[0].id)
    groups = known["group"].to_numpy()
    references = _references(plain["shortcuts"], whole)
    answers = {name: _answer(whole, family, groups, chosen) for name, family in asked.items()}
    paired = asked[PRIMARY].pairs if PRIMARY in asked else {}
    return Verdict(
        cells=whole,
        units=tables.units(plain["shortcuts"]),
        said=[*said, *lost, *_unlike(whole)],
        plain=_plain(plain),
        measured={
            cell.key: measures.metrics(cell, groups, references[cell.target], chosen.confidence) for cell in whole
        },
        spreads={cell.key: measures.spreads(cell, groups, chosen.confidence) for cell in whole},
        plateaus={cell.key: measures.flat(cell, groups, chosen.confidence) for cell in whole},
        answers=answers,
        interactions=_interactions(whole, paired, groups, chosen),
        saved=_saved(whole, groups, images, chosen),
        by_bin=pd.concat(
            [measures.by_bin(cell, groups, _covariates(cell, known), chosen.bins, chosen.confidence) for cell in whole],
            ignore_index=True,
        ),
        confidence=chosen.confidence,
    )


def _answer(cells: Sequence[Cell], family: Family, groups: np.ndarray, chosen: Compare) -> Answered:
    arms = _arms(cells, [arm for pair in family.pairs.values() for arm in pair])
    rmse, mae = (judge(arms, family.pairs, groups, how(chosen, metric), family.correct) for metric in ("rmse", "mae"))
    return Answered(family, rmse, mae)


def _interactions(
    cells: Sequence[Cell], pairs: Pairs, groups: np.ndarray, chosen: Compare
) -> dict[tuple[Arm, Arm], Interaction]:
    asked = quads(pairs)
    arms = _arms(cells, [arm for four in asked.values() for arm in four])
    return interactions(arms, asked, groups, how(chosen, "rmse"), holm)


def _saved(cells: Sequence[Cell], groups: np.ndarray, images: int, chosen: Compare) -> dict[Arm, Saved]:
    """Images saved by every input over the control, where there is more than one training size; by the widest cell."""
    found = {}
    sizes = {cell.size: images if cell.size == "all" else int(cell.size) for cell in cells}
    if len(sizes) < 2:
        return {}
    for cell in cells:
        if cell.input == CONTROL or sizes[cell.size] != max(sizes.values()):
            continue
        own, control = ([(name, cell.backbone, size, cell.target) for size in sizes] for name in (cell.input, CONTROL))
        there = {one.key for one in cells}
        if there.issuperset([*own, *control]):
            arms = _arms(cells, [*own, *control])
            curves = [{sizes[arm[2]]: arms[arm] for arm in each} for each in (own, control)]
            found[cell.key] = images_saved(curves[0], curves[1], groups, how(chosen, "rmse"))
    return found


def _arms(cells: Sequence[Cell], wanted: Iterable[Arm]) -> dict[Arm, np.ndarray]:
    """The errors of these arms, on the seeds that all of them have."""
    asked = set(wanted)
    own = [cell for cell in cells if cell.key in asked]
    seeds = reading.common_seeds(own)
    return {cell.key: cell.of_seeds(seeds).errors for cell in own}


def how(chosen: Compare, metric: str) -> How:
    return How(chosen.draws, chosen.confidence, chosen.margin, chosen.seed, metric)


def _unlike(cells: Sequence[Cell]) -> list[str]:
    """Seeds that not every arm has."""
    common = reading.common_seeds(cells)
    if all(list(cell.seeds) == common for cell in cells):
        return []
    return [f"The arms do not have the same seeds; differences are of those that all of a family have ({common})."]


def _covariates(cell: Cell, known: pd.DataFrame) -> dict[str, np.ndarray]:
    return {"truth": cell.truth, **{name: known[name].to_numpy(dtype=float) for name in COVARIATES}}


def _references(shortcuts: pd.DataFrame, cells: Sequence[Cell]) -> dict[str, dict[str, np.ndarray]]:
    """By target and model: the predictions of what has not looked at the lens, for the cells' lenses."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for (target, model), lines in shortcuts.groupby(["target", "model"], sort=False):
        found.setdefault(str(target), {})[str(model)] = lines.set_index("id")["prediction"].loc[cells[0].id].to_numpy()
    return found


def _plain(plain: Mapping[str, pd.DataFrame]) -> Plain:
    """By input and model, the headline of what is no network; the shortcuts have the input `none`."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for name in ["shortcuts", *(name for name in plain if name != "shortcuts")]:
        for (model, target), lines in plain[name].groupby(["model", "target"], sort=False):
            if name != "shortcuts" and model == "constant":
                continue  # the same of every input
            truth, prediction = lines["truth"].to_numpy(), lines["prediction"].to_numpy()
            own = found.setdefault("none" if name == "shortcuts" else name, {}).setdefault(str(model), {})
            own[str(target)] = headline(truth, prediction[None])
    return found


def _named(plain: Plain) -> list[tuple[tuple[str, str], Mapping[str, Any]]]:
    return [
        ((name, words.SHORTCUTS.get(model, f"{model} on vectors")), by_target)
        for name, by_model in plain.items()
        for model, by_target in by_model.items()
    ]


def headline(truth: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """The metrics of the table, means over seeds."""
    return {name: float(measures.METRICS[name](truth, prediction).value.mean()) for name in words.HEADLINE}


def ensemble(cell: Cell) -> dict[str, float]:
    """Each metric of the mean of all seeds' predictions (a deep ensemble: Lakshminarayanan et al. 2017)."""
    return headline(cell.truth, cell.prediction.mean(axis=0, keepdims=True))


def nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """{(a, b): x} as {a: {b: x}}: the form that `dvc metrics` prints with dotted names."""
    tree: dict[str, Any] = {}
    for (*parents, leaf), value in flat.items():
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree
