"""Stage `compare`: all predictions into metrics, intervals and a table.

    python -m pipeline.compare data/predictions data/baselines data/metrics.json data/verdict.md data/by_bin.csv

Everything is in the target's own units (dex for a log mass) and from the test rows. A cell of the table is an input, a
backbone and a training size; its figures are means over seeds, with their standard deviation. The question of the
project, whether an input beats `raw`, is answered by the paired difference on the same seeds and test images, with a
bootstrap interval over both.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline import atomic, findings, params, tables
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.findings import Finding
from pipeline.params import Compare
from pipeline.places import Place, place

CONTROL = "raw"
METRICS = ("mae", "rmse", "r2")
ENOUGH_SEEDS = 6
CAUTION = "how much seeds differ is then poorly known, and an interval can be too narrow or too wide."


@dataclass(frozen=True)
class Cell:
    """The test predictions of one input, backbone and size for one target, over seeds."""

    input: str
    backbone: str
    size: str
    target: str
    id: np.ndarray  # (n,)
    truth: Float[np.ndarray, " n"]
    prediction: Float[np.ndarray, "s n"]

    @property
    def errors(self) -> Float[np.ndarray, "s n"]:
        return self.prediction - self.truth


def compare(
    predictions: str,
    baselines: str,
    audit: str,
    metrics: str,
    verdict: str,
    by_bin: str,
    overrides: Iterable[str] = (),
) -> None:
    """Read the runs that params.yaml names and write the metrics, the verdict and the error by bin.

    What the audit warned of, and what it was told to accept, stands at the top of the verdict.
    """
    inputs, backbones, sizes, seeds, chosen = params.read(
        overrides, "train.inputs", "train.backbones", "train.sizes", "train.seeds", "compare"
    )
    keys = list(product(inputs, backbones, map(str, sizes)))
    cells = [cell for key in keys for cell in read_cells(place(predictions), *key, seeds)]
    plain = {name: tables.read(place(baselines) / f"{name}.parquet", role="test") for name in inputs}
    found = {
        "constant": _baseline(plain[inputs[0]], "constant"),
        "tree": {name: _baseline(table, "tree") for name, table in plain.items() if "tree" in set(table["model"])},
        "network": nested({_key(cell): summary(cell) for cell in cells}),
        "ensemble": nested({_key(cell): ensemble(cell) for cell in cells if len(seeds) > 1}),
        "difference": nested({_key(a): difference(a, b, chosen) for a, b in contrasts(cells)}),
    }
    binned = pd.concat([error_by_bin(cell, chosen.bins) for cell in cells], ignore_index=True)
    units = tables.units(plain[inputs[0]])
    said = cautions(findings.read(audit)) + markdown(found, units, len(cells[0].id), len(seeds), chosen.confidence)
    atomic.write(metrics, json.dumps(found, indent=1) + "\n")
    atomic.write(verdict, said)
    atomic.write(by_bin, binned.to_csv(index=False, float_format="%.6g"))
    print(said)


def scores(truth: Float[np.ndarray, " n"], prediction: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Mean absolute error, root mean square error and R^2 = 1 - SSE / SST about the mean of these truths."""
    error = prediction - truth
    spread = ((truth - truth.mean()) ** 2).sum()
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": float(1 - (error**2).sum() / spread),
    }


def summary(cell: Cell) -> dict[str, float]:
    """Mean over seeds of each metric, and its standard deviation where there are two seeds or more."""
    by_seed = pd.DataFrame([scores(cell.truth, prediction) for prediction in cell.prediction])
    means = {name: float(by_seed[name].mean()) for name in METRICS}
    spreads = {f"{name}_std": float(by_seed[name].std(ddof=1)) for name in METRICS if len(by_seed) > 1}
    return means | spreads


def ensemble(cell: Cell) -> dict[str, float]:
    """Each metric of the mean of all seeds' predictions (a deep ensemble: Lakshminarayanan et al. 2017)."""
    return scores(cell.truth, cell.prediction.mean(axis=0))


def difference(cell: Cell, control: Cell, chosen: Compare) -> dict[str, float]:
    """MAE and RMSE of a cell minus its control's, paired by seed and test image, with bootstrap intervals.

    Seeds and images are resampled independently of each other (Owen 2007, Ann. Appl. Stat. 1, 386), because a result
    must hold for other seeds and for other lenses. From few seeds their part is poorly known; from one it is absent.
    """
    generator = np.random.default_rng(chosen.seed)
    seeds, images = cell.errors.shape
    by_seed = generator.multinomial(seeds, np.full(seeds, 1 / seeds), chosen.draws) / seeds  # (draws, s)
    by_image = generator.multinomial(images, np.full(images, 1 / images), chosen.draws) / images  # (draws, n)
    tails = [50 * (1 - chosen.confidence), 50 * (1 + chosen.confidence)]
    found: dict[str, float] = {}
    for name, loss, back in (("mae", np.abs, np.asarray), ("rmse", np.square, np.sqrt)):
        pair = [loss(cell.errors), loss(control.errors)]  # each (s, n)
        # the metric is averaged over seeds after it has been formed within each, as in the table
        resampled = [(back(by_image @ losses.T) * by_seed).sum(axis=1) for losses in pair]
        centre = [back(losses.mean(axis=1)).mean() for losses in pair]
        low, high = np.percentile(resampled[0] - resampled[1], tails)
        found |= {name: float(centre[0] - centre[1]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def contrasts(cells: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Every cell of another input, with the control's cell of the same backbone, size and target.

    Raises `InputError` if the two answer for different test lenses: they could not be paired.
    """
    controls = {_key(cell)[1:]: cell for cell in cells if cell.input == CONTROL}
    pairs = [(cell, controls[_key(cell)[1:]]) for cell in cells if cell.input != CONTROL and controls]
    for cell, control in pairs:
        _check_same_lenses(cell, control)
    return pairs


def _check_same_lenses(cell: Cell, control: Cell) -> None:
    if not np.array_equal(cell.id, control.id) or not np.array_equal(cell.truth, control.truth):
        names = ["-".join(_key(each)[:3]) for each in (cell, control)]
        raise InputError(f"{names[0]}: its test lenses are not those of {names[1]}; run both on one split (dvc repro)")


def error_by_bin(cell: Cell, bins: int) -> pd.DataFrame:
    """MAE in equally filled bins of the truth, mean and standard deviation over seeds."""
    edges = np.quantile(cell.truth, np.linspace(0, 1, bins + 1))
    member = np.clip(np.searchsorted(edges, cell.truth, side="right") - 1, 0, bins - 1)
    occupied = [b for b in range(bins) if (member == b).any()]
    by_seed = np.stack([np.abs(cell.errors[:, member == b]).mean(axis=1) for b in occupied], axis=1)  # (s, bins)
    return pd.DataFrame(
        {
            "run": f"{cell.input}-{cell.backbone}-{cell.size}",
            "target": cell.target,
            "truth": [cell.truth[member == b].mean() for b in occupied],
            "mae": by_seed.mean(axis=0),
            "mae_std": by_seed.std(axis=0, ddof=1) if len(by_seed) > 1 else np.nan,
            "lenses": [int((member == b).sum()) for b in occupied],
        }
    )


def nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """{(a, b): x} as {a: {b: x}}: the form that `dvc metrics` prints with dotted names."""
    tree: dict[str, Any] = {}
    for (*parents, leaf), value in flat.items():
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def _key(cell: Cell) -> tuple[str, ...]:
    return cell.input, cell.backbone, cell.size, cell.target


def read_cells(folder: Place, name: str, backbone: str, size: str, seeds: list[int]) -> list[Cell]:
    """The cells of one input, backbone and size: one a target. Every seed must answer for the same lenses."""
    runs = [tables.read(folder / f"{name}-{backbone}-{size}-{seed}.parquet", role="test") for seed in seeds]
    cells = []
    for target in runs[0]["target"].unique():
        lines = [table[table["target"] == target] for table in runs]
        for seed, table in zip(seeds, lines, strict=True):
            if not np.array_equal(table[["id", "truth"]], lines[0][["id", "truth"]]):
                raise InputError(
                    f"{folder}/{name}-{backbone}-{size}-{seed}.parquet: other test lenses than seed {seeds[0]}"
                )
        stacked = np.stack([table["prediction"].to_numpy() for table in lines])
        truth = lines[0]["truth"].to_numpy()
        cells.append(Cell(name, backbone, size, target, lines[0]["id"].to_numpy(), truth, stacked))
    return cells


def _baseline(table: pd.DataFrame, model: str) -> dict[str, dict[str, float]]:
    lines = table[table["model"] == model]
    return {
        str(target): scores(group["truth"].to_numpy(), group["prediction"].to_numpy())
        for target, group in lines.groupby("target", sort=False)
    }


def cautions(found: Iterable[Finding]) -> str:
    """What is to be known of the images before any number is believed; nothing, if the audit found nothing grave."""
    grave = [f"- `{one.code}`: {one.summary}" for one in found if one.severity != "note"]
    return "\n".join(["Of these images the audit says:", "", *grave, "", ""]) if grave else ""


def markdown(found: dict[str, Any], units: Mapping[str, str], lenses: int, seeds: int, confidence: float) -> str:
    """The verdict as tables, one pair of them a target; `units` as they are printed after a metric's name."""
    lines = []
    for target in found["constant"]:
        of_seeds = f"{seeds} seeds (mean ± standard deviation over seeds)" if seeds > 1 else "1 seed"
        lines += [f"**{target}**, {lenses} test lenses, {of_seeds}", ""]
        lines += [*_score_table(found, target, units[target], seeds), ""]
        lines += [*_difference_table(found, target, units[target], seeds, confidence), ""]
    return "\n".join(lines)


def _score_table(found: dict[str, Any], target: str, unit: str, seeds: int) -> list[str]:
    lines = [f"| input | predictor | MAE{unit} | RMSE{unit} | R² |", "|---|---|---|---|---|"]
    lines.append(_row("none", "constant", found["constant"][target]))
    lines += [_row(name, "tree on vectors", by_target[target]) for name, by_target in found["tree"].items()]
    for (name, backbone, size, _), values in leaves(found["network"], target):
        lines.append(_row(name, _named(backbone, size), values))
    for (name, backbone, size, _), values in leaves(found["ensemble"], target):
        lines.append(_row(name, f"{_named(backbone, size)}: the {seeds} seeds' mean prediction", values))
    return lines


def _named(backbone: str, size: str) -> str:
    return backbone if size == "all" else f"{backbone}, {size} images"


def _difference_table(found: dict[str, Any], target: str, unit: str, seeds: int, confidence: float) -> list[str]:
    differences = list(leaves(found["difference"], target))
    if not differences:
        return [f"Nothing to compare: that takes {CONTROL} and another input."]
    interval = f"{unit}, {confidence:.0%} interval"
    lines = [f"| minus {CONTROL} | backbone | ΔMAE{interval} | ΔRMSE{interval} |", "|---|---|---|---|"]
    for (name, backbone, size, _), d in differences:
        cells = (with_interval(d, m) for m in ("mae", "rmse"))
        lines.append(f"| {name} | {_named(backbone, size)} | {' | '.join(cells)} |")
    lines += ["", "Below zero is better than the control; an interval across zero decides nothing."]
    if seeds < ENOUGH_SEEDS:
        lines.append(f"From fewer than {ENOUGH_SEEDS} seeds no input is called better or worse: {CAUTION}")
    return lines


def leaves(tree: dict[str, Any], target: str) -> Iterable[tuple[tuple[str, str, str, str], dict[str, float]]]:
    """((input, backbone, size, target), values) of a nested table, in its order, for one target."""
    for name, backbones in tree.items():
        for backbone, sizes in backbones.items():
            for size, by_target in sizes.items():
                yield (name, backbone, size, target), by_target[target]


def _row(name: str, predictor: str, values: dict[str, float]) -> str:
    return f"| {name} | {predictor} | {' | '.join(with_spread(values, metric) for metric in METRICS)} |"


def with_spread(values: dict[str, float], metric: str) -> str:
    """A metric of a `summary`, and its standard deviation over seeds where it has one."""
    spread = f"{metric}_std"
    return _number(values[metric]) + (f" ± {values[spread]:.4f}" if spread in values else "")


def with_interval(values: dict[str, float], metric: str) -> str:
    """A metric of a `difference`."""
    return f"{values[metric]:+.4f} [{values[f'{metric}_low']:+.4f}, {values[f'{metric}_high']:+.4f}]"


def _number(value: float) -> str:
    """Four decimals, and no minus before a zero."""
    return f"{round(value, 4) + 0.0:.4f}"


if __name__ == "__main__":
    run(compare, "PREDICTIONS BASELINES AUDIT METRICS VERDICT BY_BIN")
