"""The study of the backbones: all of them on the default task at one budget, in one table with error bars.

    dvc repro studies/dvc.yaml

Every backbone sees the same rows, the same number of times, in the same order, at the same learning rate: none is
tuned. Its figures are means over seeds with their standard deviation; its difference from the best of timm's is paired
by seed and test lens, with a bootstrap interval over both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from pipeline import atomic, params
from pipeline.answering import load
from pipeline.command import run
from pipeline.compare import Cell, difference, read_cells, summary, with_interval, with_spread
from pipeline.params import Compare
from pipeline.places import Place, place


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
    figures: dict[str, float]  # `summary` of the cell
    parameters: int

    @property
    def mae(self) -> float:
        return self.figures["mae"]


def backbones(chosen: str, folder: str, table: str, overrides: Iterable[str] = ()) -> None:
    """Read the runs in `folder` that the file `chosen` names, and write the table."""
    asked = Chosen(**YAML(typ="safe").load(place(chosen).read_bytes()))
    intervals = params.read(overrides, "compare")
    lines = [_line(place(folder), name, asked.seeds) for name in asked.backbones]
    best = min((line for line in lines if line.cell.backbone in asked.references), key=lambda line: line.mae)
    atomic.write(table, markdown(sorted(lines, key=lambda line: line.mae), best, asked.epochs, intervals))
    print(f"backbones: {len(lines)} of them; the best of timm's is {best.cell.backbone}")


def _line(folder: Place, name: str, seeds: list[int]) -> Line:
    (cell,) = read_cells(folder / "predictions", "raw", name, "all", seeds)
    network = load(folder / "runs" / f"raw-{name}-all-{seeds[0]}" / "weights.pt")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Line(cell, summary(cell), parameters)


def markdown(lines: list[Line], best: Line, epochs: int, intervals: Compare) -> str:
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
            *(_row(line, best, intervals) for line in lines),
            "",
            f"Means over seeds ± standard deviation, of {len(best.cell.truth)} test lenses. `{name}` is the best of "
            f"timm's; the difference from it is paired by seed and lens, with a {100 * intervals.confidence:.0f} % "
            "bootstrap interval over both. An R² near zero is a network that learnt nothing at that learning rate. "
            "What each costs is in [backbones.md](backbones.md).",
            "",
        ]
    )


def _row(line: Line, best: Line, intervals: Compare) -> str:
    against = "" if line is best else with_interval(difference(line.cell, best.cell, intervals), "mae")
    mae, r2 = (with_spread(line.figures, metric) for metric in ("mae", "r2"))
    return f"| `{line.cell.backbone}` | {line.parameters / 1e6:.2f} M | {mae} | {r2} | {against} |"


if __name__ == "__main__":
    run(backbones, "CHOSEN FOLDER TABLE")
