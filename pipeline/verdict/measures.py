"""What every cell is worth: each metric with its interval, and how well its stated spreads hold."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline import tables
from pipeline.scores import bins, conformal, distribution, plateau, tarp
from pipeline.scores.intervals import Interval, interval, of_hits, of_mean
from pipeline.scores.point import DEX_METRICS, METRICS, against
from pipeline.verdict.cells import Cell
from pipeline.verdict.words import HEADLINE

LEVELS = np.array(tables.LEVELS) / 100
PIT_BINS = 10
TARP_LEVELS = np.linspace(0, 1, 21)
WINDOWS = 20  # of the search for a plateau
WINDOW = 40  # lenses that one takes


def metrics(
    cell: Cell,
    groups: Int[np.ndarray, " n"],
    references: Mapping[str, Float[np.ndarray, " n"]],
    confidence: float,
    unit: str = "",
) -> dict[str, Interval]:
    """Every metric of `scores.point` that makes sense in the target's unit (as `tables.units` has it), and the skill
    against each reference prediction, over seeds and lenses."""
    asked = METRICS | (DEX_METRICS if unit == tables.IN_DEX else {})
    asked |= {f"skill_{name}": against(reference) for name, reference in references.items()}
    return {name: interval(one, cell.truth, cell.prediction, groups, confidence) for name, one in asked.items()}


def hardest(shortcuts: Mapping[str, Mapping[str, Mapping[str, Any]]], target: str) -> str:
    """The shortcut baseline that is hardest to beat: by model and target, that with the largest R²."""
    return max(shortcuts, key=lambda model: shortcuts[model][target]["r2"])


def headline(truth: Float[np.ndarray, " n"], prediction: Float[np.ndarray, "s n"]) -> dict[str, float]:
    """The metrics of the table, means over seeds."""
    return {name: float(METRICS[name](truth, prediction).value.mean()) for name in HEADLINE}


def ensemble(cell: Cell) -> dict[str, float]:
    """Each metric of the mean of all seeds' predictions (a deep ensemble: Lakshminarayanan et al. 2017)."""
    return headline(cell.truth, cell.prediction.mean(axis=0, keepdims=True))


def summary(cell: Cell, measured: Mapping[str, Interval]) -> dict[str, float]:
    """Every metric that was measured, and the standard deviation over seeds of those in the table."""
    spread = by_seed(cell, HEADLINE) if len(cell.seeds) > 1 else {}
    found = {name: one.value for name, one in measured.items()}
    return found | {f"{name}_std": float(values.std(ddof=1)) for name, values in spread.items()}


def by_seed(cell: Cell, names: tuple[str, ...]) -> dict[str, Float[np.ndarray, " s"]]:
    return {name: METRICS[name](cell.truth, cell.prediction).value for name in names}


def spreads(cell: Cell, groups: Int[np.ndarray, " n"], confidence: float) -> dict[str, Any]:
    """How often the central intervals hold the truth and how wide they are, and scores of the whole distribution.

    A network that says a number alone is given split-conformal intervals from its calibration rows; one that says a
    distribution is judged by its own, and by the same beside it.
    """
    found: dict[str, Any] = {"conformal": _conformal(cell, groups, confidence)}
    if cell.quantiles is None:
        return found
    said = cell.quantiles, LEVELS, cell.truth
    level = distribution.pit(*said)
    found["own"] = {f"{nominal:g}": _own(*said, nominal, groups, confidence) for nominal in distribution.CENTRAL}
    found["crps"] = figure(of_mean(distribution.crps_quantiles(*said), groups, confidence))
    found["calibration_error"] = float(distribution.calibration_error(*said).mean())
    found["pit"] = np.histogram(level, PIT_BINS, (0, 1))[0].tolist()  # of all seeds
    found["pit_distance"] = float(np.mean([distribution.ks_uniform(one)[0] for one in level]))
    for name, score in (("nll", cell.nll), ("nll_joint", cell.nll_joint)):
        if score is not None:
            found[name] = figure(of_mean(score, groups, confidence))
    if cell.tarp is not None:
        found["tarp"] = _curve(tarp.expected_coverage(cell.tarp, TARP_LEVELS, groups, confidence))
    return found


def _own(
    quantiles: Float[np.ndarray, "s n q"],
    levels: Float[np.ndarray, " q"],
    truth: Float[np.ndarray, " n"],
    nominal: float,
    groups: Int[np.ndarray, " n"],
    confidence: float,
) -> dict[str, float]:
    """How often predicted central intervals hold the truth, and how wide they are."""
    held = distribution.covered(quantiles, levels, truth, nominal)
    width = float(distribution.sharpness(quantiles, levels, nominal).mean())
    return {**figure(of_hits(held, groups, confidence)), "width": width}


def _conformal(cell: Cell, groups: Int[np.ndarray, " n"], confidence: float) -> dict[str, Any]:
    """By nominal level; what too few calibration rows cannot promise is left out."""
    found = {}
    for nominal in distribution.CENTRAL:
        half = conformal.half_width(np.abs(cell.residuals), nominal)  # (s,)
        if np.isfinite(half).all():
            held: Bool[np.ndarray, "s n"] = np.abs(cell.errors) <= half[:, None]
            found[f"{nominal:g}"] = {**figure(of_hits(held, groups, confidence)), "width": float(2 * half.mean())}
    return found


def _curve(curve: tarp.Curve) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in vars(curve).items()}


def by_bin(
    cell: Cell, groups: Int[np.ndarray, " n"], covariates: Mapping[str, Float[np.ndarray, " n"]], count: int, at: float
) -> pd.DataFrame:
    """The errors of a cell in bins of each covariate, one under another; `at` is the intervals' confidence."""
    parts = []
    for name, values in covariates.items():
        table = bins.by_bin(cell.truth, cell.prediction, groups, values, count, at)
        mae = [np.abs(cell.errors[:, member]).mean(axis=1) for _, member in bins.members(values, count)]  # (s,) each
        spread = [one.std(ddof=1) if len(one) > 1 else np.nan for one in mae]
        parts.append(table.assign(run=cell.name, target=cell.target, covariate=name, mae_std=spread))
    return pd.concat(parts, ignore_index=True)


def flat(cell: Cell, groups: Int[np.ndarray, " n"], confidence: float) -> list[dict[str, Any]]:
    """Where in the label's range the cell answers a constant; nothing where there are too few lenses to look."""
    count = min(WINDOWS, 2 * len(cell.truth) // WINDOW - 1)
    if count < 2:
        return []
    found = plateau.plateaus(cell.truth, cell.prediction, groups, count, confidence)
    return [vars(one) for one in found]


def figure(one: Interval) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}
