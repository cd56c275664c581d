"""The study of the backbones: all of them on the default task at one budget, in one table with error bars.

    dvc repro studies/dvc.yaml

Every backbone sees the same rows, the same number of times, in the same order, at the same learning rate: none is
tuned. Its figures are means over seeds with their standard deviation; its difference from the best of timm's is paired
by seed and test lens, with a bootstrap interval over both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from pipeline import atomic, params
from pipeline.answering import load
from pipeline.command import run
from pipeline.contrasts.verdict import Contrast, judge
from pipeline.errors import InputError
from pipeline.params import Compare
from pipeline.places import Place, place
from pipeline.verdict import cells as reading
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import how
from pipeline.verdict.measures import by_seed
from pipeline.verdict.words import HEADLINE, with_interval, with_spread


class Chosen(BaseModel):
    """What studies/backbones.yaml says."""

    model_config = ConfigDict(extra="forbid")
    backbones: list[str]
    references: list[str]
    seeds: list[int]
    epochs: int  # read by dvc.yaml: the one budget


@dataclass(frozen=True)
class Line:
    """A backbone in the table."""

    cell: Cell
    figures: dict[str, float]  # the metrics of its table, means over seeds, with their standard deviations
    parameters: int

    @property
    def mae(self) -> float:
        return self.figures["mae"]


def backbones(chosen: str, folder: str, lenses: str, table: str, overrides: Iterable[str] = ()) -> None:
    """Read the runs in `folder` that the file `chosen` names, and write the table."""
    asked = Chosen(**YAML(typ="safe").load(place(chosen).read_bytes()))
    intervals = params.read(overrides, "compare")
    keys = [("raw", name, "all") for name in asked.backbones]
    cells, missing = reading.read(place(folder) / "predictions", keys, asked.seeds)
    if missing:
        raise InputError(f"{folder}: {missing[0]} Run dvc repro studies/dvc.yaml")
    lines = [_line(place(folder), cell) for cell in cells]
    best = min((line for line in lines if line.cell.backbone in asked.references), key=lambda line: line.mae)
    groups = reading.groups(pd.read_parquet(lenses), best.cell)
    against = differences(lines, best, groups, intervals)
    ranked = sorted(lines, key=lambda line: line.mae)
    atomic.write(table, markdown(ranked, best, against, asked.epochs, intervals))
    print(f"backbones: {len(lines)} of them; the best of timm's is {best.cell.backbone}")


def _line(folder: Place, cell: Cell) -> Line:
    network = load(folder / "runs" / f"{cell.name}-{cell.seeds[0]}" / "weights.pt")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    values = by_seed(cell, HEADLINE)
    spreads = {f"{name}_std": float(each.std(ddof=1)) for name, each in values.items() if len(each) > 1}
    return Line(cell, {name: float(each.mean()) for name, each in values.items()} | spreads, parameters)


def differences(lines: list[Line], best: Line, groups: np.ndarray, intervals: Compare) -> dict[str, Contrast]:
    """Every other backbone minus the best, in MAE: one family."""
    arms = {line.cell.backbone: line.cell.errors for line in lines}
    pairs = {name: (name, best.cell.backbone) for name in arms if name != best.cell.backbone}
    return judge(arms, pairs, groups, how(intervals, "mae"))


def markdown(lines: list[Line], best: Line, against: Mapping[str, Contrast], epochs: int, intervals: Compare) -> str:
    """The page: the table, best first, and how to read it."""
    name, seeds = best.cell.backbone, len(best.cell.prediction)
    return "\n".join(
        [
            "# The backbones compared",
            "",
            f"Every backbone on the default task's raw pixels: {epochs} epochs, {seeds} seeds, the same rows in one "
            "order, at one learning rate; none is tuned. Written by `dvc repro studies/dvc.yaml`.",
            "",
            f"| backbone | parameters | MAE [dex] | R² | MAE - {name}'s |",
            "|---|--:|---|---|---|",
            *(_row(line, against) for line in lines),
            "",
            f"Means over seeds ± standard deviation, of {len(best.cell.truth)} test lenses. `{name}` is the best of "
            f"timm's; the difference from it is paired by seed and lens, with a {100 * intervals.confidence:.0f} % "
            "bootstrap interval over both. An R² near zero is a network that learnt nothing at that learning rate. "
            "What each costs is in [backbones.md](backbones.md).",
            "",
        ]
    )


def _row(line: Line, against: Mapping[str, Contrast]) -> str:
    one = against.get(line.cell.backbone)
    change = with_interval(one.difference, one.interval) if one else ""
    mae, r2 = (with_spread(line.figures, metric) for metric in ("mae", "r2"))
    return f"| `{line.cell.backbone}` | {line.parameters / 1e6:.2f} M | {mae} | {r2} | {change} |"


if __name__ == "__main__":
    run(backbones, "CHOSEN FOLDER LENSES TABLE")
