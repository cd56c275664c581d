"""What cells are worth whose target is a class: as probabilities, beside what they are worth as numbers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.scores import classes
from pipeline.scores.intervals import Interval
from pipeline.verdict.cells import Cell, Key
from pipeline.verdict.words import bracketed, number

MEANINGLESS = ("median_error", "nmad", "outliers")  # of errors from labels that are 0 or 1
SHOWN = {"auc": "AUC", "accuracy": "accuracy", "brier": "Brier score", "log_loss": "log loss", "slope_truth": "slope"}
NOTE = (
    f"Each with its interval. Accuracy is at one half; log loss moves predictions into [{classes.CLIP:g}, "
    f"{1 - classes.CLIP:g}]; the slope is that of truth on prediction, 1 where probabilities are calibrated."
)


def metrics(
    cell: Cell, numbers: Mapping[str, Interval], groups: Int[np.ndarray, " n"], confidence: float
) -> dict[str, Interval]:
    """Those of its numbers that mean something for a class, and those of `scores.classes`."""
    kept = {name: one for name, one in numbers.items() if name not in MEANINGLESS}
    return kept | classes.measured(cell.truth, cell.prediction, groups, confidence)


def headline(truth: Float[np.ndarray, " n"], prediction: Float[np.ndarray, "s n"]) -> dict[str, float]:
    """Each metric of the table, means over seeds."""
    return {name: float(metric(truth, prediction).value.mean()) for name, metric in classes.METRICS.items()}


def diagrams(cell: Cell, groups: Int[np.ndarray, " n"], confidence: float) -> dict[str, Any]:
    """Its ROC curve, its reliability diagram, and how far that is from the diagonal."""
    reliability = classes.reliability(cell.truth, cell.prediction, groups, confidence=confidence)
    return {
        "roc": {"false": classes.RATES.tolist(), "true": classes.roc(cell.truth, cell.prediction).tolist()},
        "reliability": reliability,
        "calibration_error": classes.calibration_error(reliability),
    }


def largest(
    cells: Sequence[Cell], targets: Collection[str], groups: Int[np.ndarray, " n"], confidence: float
) -> dict[Key, Interval]:
    """By input, backbone and size: how often the largest of all classes' predictions is that of the true one.

    Nothing where the targets are not all classes that there are: then no lens has to be of any.
    """
    found: dict[Key, Interval] = {}
    for key in dict.fromkeys(cell.key[:3] for cell in cells):
        own = [cell for cell in cells if cell.key[:3] == key and cell.target in targets]
        if own:
            truth, prediction = np.stack([cell.truth for cell in own]), np.stack([cell.prediction for cell in own])
            one = classes.argmax(truth, prediction, groups, confidence)
            found |= {} if one is None else {key: one}
    return found


def table(lines: Sequence[tuple[str, str, Mapping[str, Interval | float]]]) -> list[str]:
    """`lines` are (input, predictor, metrics), the metrics without an interval where there are no seeds."""
    head = [f"| input | predictor | {' | '.join(SHOWN.values())} |", "|---" * (2 + len(SHOWN)) + "|"]
    body = [f"| {name} | {who} | {' | '.join(_shown(of, metric) for metric in SHOWN)} |" for name, who, of in lines]
    return [*head, *body, "", *_beyond(lines), f"- {NOTE}"]


def _beyond(lines: Sequence[tuple[str, str, Mapping[str, Interval | float]]]) -> list[str]:
    """Who answers with what is no probability."""
    shares = {f"{name} with {who}": _value(of["outside"]) for name, who, of in lines}
    return [f"- {who}: {share:.1%} of its answers are no probability." for who, share in shares.items() if share]


def together(found: Mapping[Key, Interval]) -> str:
    """How often the class that is said is the true one, a line a cell."""
    if not found:
        return ""
    lines = ["**All classes together**: the one with the largest prediction is the true one", ""]
    lines += ["| input | backbone | size | accuracy |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(key)} | {_with_interval(one)} |" for key, one in found.items()]
    return "\n".join([*lines, ""])


def _shown(of: Mapping[str, Interval | float], metric: str) -> str:
    if metric not in of:
        return ""
    one = of[metric]
    return _with_interval(one) if isinstance(one, Interval) else number(one)


def _value(one: Interval | float) -> float:
    return one.value if isinstance(one, Interval) else one


def _with_interval(one: Interval) -> str:
    return bracketed(one.value, (one.low, one.high))
