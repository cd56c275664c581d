"""Stages named after studies: arm against control, by the machinery of the verdict.

    python -m studies.judge studies/params.yaml loss data/studies/cpu/sets/tuning data/studies/cpu/runs/loss \
        studies/results/loss/cpu

Writes `table.json` with everything, `table.md` and `figure.svg` with what one looks at. Errors are in the target's own
unit, means over seeds; a difference is paired by seed and test lens, with an interval over both; the family of a
problem, size and target is corrected after Benjamini and Hochberg, as what is explored is; that two are equivalent is
not corrected. Runs of other parameters, data or code than today's are refused.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import atomic, lenses, params, tables
from pipeline.command import run
from pipeline.contrasts.families import benjamini_hochberg
from pipeline.contrasts.verdict import Contrast, judge
from pipeline.errors import InputError
from pipeline.fitting import settings_of
from pipeline.params import Compare
from pipeline.scores.intervals import Interval, interval
from pipeline.scores.point import METRICS
from pipeline.verdict import cells as reading
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import how
from pipeline.verdict.measures import summary
from pipeline.verdict.words import HEADLINE
from studies import figure, plan, text
from studies.plan import Plan, Study
from studies.runs import Training, check_budget, trainings

Tree = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A cell's record, and its answers by target; none where it failed."""

    cell: plan.Cell
    record: Tree
    rate: float  # of learning, after whatever batch it was scaled to
    answers: Mapping[str, Cell]
    losses: Mapping[int, np.ndarray]  # of training, epoch by epoch, by seed

    @property
    def failed(self) -> str:
        """Why there are no answers of every seed; empty if there are."""
        return next((str(each["failed"]) for each in self.record["runs"] if each["failed"]), "")


def results(source: str, study: str, made: str, trained: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Judge the study of the plan `source`, of lenses of the set in `made` and runs in `trained`, into a folder."""
    asked = plan.read(source)
    for folder in (Path(made), Path(trained)):
        check_budget(folder, asked.budget)
    chosen = params.read(overrides, "compare")
    runs = [_read(one) for one in trainings(asked, study, Path(made), Path(trained))]
    tree = about(asked, study, runs) | {"panels": panels(asked, study, runs, Path(made), chosen)}
    atomic.write(Path(target) / "table.json", json.dumps(tree, indent=1) + "\n")
    atomic.write(Path(target) / "table.md", text.page(tree))
    atomic.write(Path(target) / "figure.svg", figure.drawn(tree))
    print(f"{study}: {len(runs)} cells at the budget {asked.budget}, in {target}")


def about(asked: Plan, study: str, runs: list[Trained]) -> Tree:
    """What was asked and spent, on what, and how to do it again."""
    each = [run for one in runs for run in [*one.record["runs"], *one.record["tried"]] if not run["failed"]]
    once = {run["made_of"]: run for run in each}.values()  # the chosen one of those tried is among the runs
    return described(asked, study) | {
        "machine": ", ".join(sorted({run["machine"] for run in once})),
        "seconds": round(sum(run["seconds"] for run in once)),
    }


def described(asked: Plan, study: str) -> Tree:
    """A study as the plan has it."""
    own = asked.study(study)
    return {
        "study": study,
        "question": own.question,
        "budget": asked.budget,
        "images": asked.spends.images,
        "epochs": asked.epochs(study),
        "seeds": asked.seeds(study),
        "rate": own.rate,
        "same": own.same,
        "arms": {
            name: {"input": arm.input, "backbone": arm.backbone, "differs": arm.differs, "against": own.against(name)}
            for name, arm in own.arms.items()
        },
        "command": f"dvc repro studies/dvc.yaml:{study}",
    }


def _read(one: Training) -> Trained:
    folder, cell, arm, seeds = one.folder, one.cell, one.arm, one.plan.seeds(one.study)
    again = f"run dvc repro studies/dvc.yaml:{one.study}"
    if not (folder / "cell.json").is_file():
        raise InputError(f"{folder}: not trained; {again}")
    record = json.loads((folder / "cell.json").read_text())
    runs = record["runs"]
    due = [one.made_of({"rate": runs[0]["rate"], "seed": seed}) for seed in seeds]
    if [run["made_of"] for run in runs] != due:
        raise InputError(f"{folder}: trained with other parameters, data, code or versions than today's; {again}")
    fit = params.read(one.said, "train.fit")
    rate = settings_of(fit, runs[0]["learning_rate"], None, fit.device).learning_rate
    found = Trained(cell, record, rate, {}, {})
    if found.failed:
        return found
    key = (arm.input, arm.backbone, cell.size)
    own = folder / runs[0]["folder"]
    cells, missing = reading.read(own / "predictions", [key], seeds)
    if missing:
        raise InputError(f"{folder}: {missing[0]}")
    histories = {seed: own / "runs" / "-".join((*key, str(seed))) / "history.csv" for seed in seeds}
    losses = {seed: pd.read_csv(file)["train_loss"].to_numpy() for seed, file in histories.items()}
    return Trained(cell, record, rate, {each.target: each for each in cells}, losses)


def halved(losses: np.ndarray) -> int | None:
    """The epoch, counted from one, whose loss is first at most half of the first epoch's, if one is."""
    return next((epoch for epoch, loss in enumerate(losses, 1) if loss <= losses[0] / 2), None)


def panels(asked: Plan, study: str, runs: list[Trained], made: Path, chosen: Compare) -> list[Tree]:
    """One for each problem, size and target: whatever may be compared."""
    own, found = asked.study(study), []
    for problem, says in asked.sets[own.set].problems.items():
        for size in dict.fromkeys(one.cell.size for one in runs):
            here = [one for one in runs if (one.cell.problem, one.cell.size) == (problem, size)]
            for target in dict.fromkeys(target for one in here for target in one.answers):
                panel = _panel(own, here, target, made / problem, chosen)
                found.append({"problem": problem, "size": size, "target": target, **panel, "published": says.published})
    if not found:
        raise InputError(f"{study}: no run of any arm ended; the first says: {runs[0].failed}")
    return found


def _panel(own: Study, here: list[Trained], target: str, made: Path, chosen: Compare) -> Tree:
    """The arms of one problem at one size, and each against its control."""
    cells = {one.cell.arm: one.answers[target] for one in here if target in one.answers}
    first = _of_the_same_lenses(cells, made)
    rows = json.loads((made / "split.json").read_text())["rows"]
    groups = reading.groups(lenses.read(made / "lenses.parquet", rows), first)
    plain, unit = _shortcuts(made, first)
    wanted = {arm: (arm, control) for arm in cells if (control := own.against(arm)) in cells and control}
    errors = {arm: cell.errors for arm, cell in cells.items()}
    judged = {
        metric: judge(errors, wanted, groups, how(chosen, metric), benjamini_hochberg) for metric in ("rmse", "mae")
    }
    measured = {
        arm: {
            name: interval(METRICS[name], cell.truth, cell.prediction, groups, chosen.confidence) for name in HEADLINE
        }
        for arm, cell in cells.items()
    }
    return {
        "unit": unit,
        "lenses": len(first.truth),
        "confidence": chosen.confidence,
        "arms": [
            _arm(one, cells.get(one.cell.arm), own.against(one.cell.arm), judged, measured.get(one.cell.arm, {}))
            for one in here
        ],
        "shortcuts": plain,
    }


def _of_the_same_lenses(cells: Mapping[str, Cell], made: Path) -> Cell:
    """The first of these arms' cells. All must answer for its lenses; variants of a target round its truth."""
    (name, first), *others = cells.items()
    for other, cell in others:
        if not (np.array_equal(cell.id, first.id) and np.allclose(cell.truth, first.truth, rtol=1e-5)):
            raise InputError(f"{made.name}: {other} answers for other test lenses than {name}; train both on one set")
    return first


def _arm(
    one: Trained,
    cell: Cell | None,
    against: str | None,
    judged: Mapping[str, Mapping[str, Contrast]],
    measured: Mapping[str, Interval],
) -> Tree:
    """A line of the table."""
    line: Tree = {"arm": one.cell.arm, "failed": one.failed, "against": against}
    if cell is None:
        return line
    runs = one.record["runs"]
    line |= {name: _short(value) for name, value in summary(cell, measured).items()}
    line |= {f"{name}_interval": [_short(each.low), _short(each.high)] for name, each in measured.items()}
    line |= {"learning_rate": _short(one.rate), "parameters": runs[0]["parameters"]}
    line |= {"seconds": round(sum(run["seconds"] for run in runs) / len(runs), 1), "tried": len(one.record["tried"])}
    line["halved"] = [halved(losses) for losses in one.losses.values()]
    for metric, contrasts in judged.items():
        if one.cell.arm in contrasts:
            contrast = contrasts[one.cell.arm]
            line[f"{metric}_difference"] = {
                "value": _short(contrast.difference),
                "interval": [_short(end) for end in contrast.interval],
                "corrected": [_short(end) for end in contrast.corrected],
                "p": _short(contrast.p_corrected),
                "word": contrast.word,
                "reason": contrast.reason,
            }
    return line


def _shortcuts(made: Path, cell: Cell) -> tuple[dict[str, dict[str, float]], str]:
    """What a label costs without a network, on the cell's lenses, and the unit of errors."""
    table = tables.read(made / "shortcuts.parquet", role="test", target=cell.target)
    found = {}
    for model, lines in table.groupby("model", sort=False):
        own = reading.lined_up(lines, cell.id, str(model), "run dvc repro studies/dvc.yaml again")
        answers = own["prediction"].to_numpy()[None]
        found[str(model)] = {name: _short(METRICS[name](cell.truth, answers).value.mean()) for name in HEADLINE}
    return found, tables.units(table)[cell.target]


def _short(value: Any) -> float:
    """Six digits: what a committed file needs."""
    return float(np.format_float_positional(float(value), 6, fractional=False)) if np.isfinite(value) else float("nan")


if __name__ == "__main__":
    run(results, "PLAN STUDY SET RUNS FOLDER")
