"""Where in the range the errors are, how training went, and whether stated intervals and probabilities hold."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.chapters.verdict import Details

LABELS = {"signal_to_noise": "signal-to-noise", "ring_over_psf": "ring radius / PSF FWHM"}
TABS = {"truth": "truth", "signal_to_noise": "signal-to-noise", "ring_over_psf": "ring / PSF"}


def bins(table: pd.DataFrame, details: Details) -> dict[str, Any]:
    """RMSE in bins of the truth, of signal-to-noise and of the ring's radius, with the plateaus where truths are."""
    flat: dict[str, list[dict[str, Any]]] = {}
    for cell in details["cells"]:
        flat.setdefault(cell["arm"][3], []).extend(
            {"low": one["low"], "high": one["high"], "label": f"{cell['run']}: plateau"} for one in cell["plateaus"]
        )
    known = table[table["bin"].astype(str) != "unknown"]
    views = []
    for key, lines in known.groupby(["covariate", "target"], sort=False):
        covariate, target = map(str, key)
        views.append(
            {
                "tab": TABS[covariate],
                "target": target,
                "x": LABELS.get(covariate, f"true {target}"),
                "y": f"RMSE{details['units'][target]}",
                "runs": {run: _binned(own) for run, own in lines.groupby("run", sort=False)},
                "plateaus": flat.get(target, []) if covariate == "truth" else [],
            }
        )
    return {"views": views} if views else {}


def _binned(lines: pd.DataFrame) -> dict[str, list[float]]:
    columns = {"at": "centre", "value": "rmse", "low": "rmse_low", "high": "rmse_high", "lenses": "lenses"}
    return {key: [float(value) for value in lines[name]] for key, name in columns.items()}


def curves(learning: pd.DataFrame) -> dict[str, Any]:
    """Training and validation loss by epoch, a line a seed."""
    found = {}
    for run, lines in learning.groupby("run", sort=False):
        seeds = [own for _, own in lines.groupby("seed")]
        found[run] = {
            "x": "epoch",
            "y": "loss, normalised target",
            "lines": [
                {"name": name, "values": own[column].tolist()}
                for name, column in (("training", "train_loss"), ("validation", "validation_loss"))
                for own in seeds
            ],
        }
    return {"runs": found}


def calibration(details: Details) -> dict[str, Any]:
    """Coverage of each cell's intervals: its own, where it says a distribution, or split-conformal ones.

    And minus the log-density of all targets together, of networks that say one. Nothing where no interval is known.
    """
    runs = [_calibrated(cell) for cell in details["cells"]]
    joint = {cell["run"]: cell["spreads"]["nll_joint"] for cell in details["cells"] if "nll_joint" in cell["spreads"]}
    told = {
        "runs": [run for run in runs if run["coverage"]],
        "joint": [{"run": run, "nll": one} for run, one in joint.items()],
    }
    return told if any(told.values()) else {}


def classes(details: Details) -> dict[str, Any]:
    """ROC curve and reliability diagram of each cell whose target is a class; nothing where none is."""
    runs = [
        {"run": cell["run"], "target": cell["arm"][3], "auc": cell["metrics"]["auc"], **cell["diagrams"]}
        for cell in details["cells"]
        if cell["diagrams"]
    ]
    return {"runs": runs} if runs else {}


def _calibrated(cell: Mapping[str, Any]) -> dict[str, Any]:
    spreads = cell["spreads"]
    own = spreads.get("own", spreads["conformal"])
    coverage = [
        {"nominal": float(level), "observed": one["value"], "low": one["low"], "high": one["high"]}
        for level, one in own.items()
    ]
    found = {"run": cell["run"], "target": cell["arm"][3], "coverage": coverage}
    if "pit" in spreads:
        counts, lenses = spreads["pit"], cell["lenses"]
        seeds = sum(counts) / lenses  # every seed has a count of every lens
        found |= {"pit": [count / seeds for count in counts], "pit_band": _band(lenses, len(counts))}
    return found


def _band(lenses: int, parts: int) -> tuple[float, float]:
    """Lenses in a bin if all were well: two standard deviations about the mean.

    Means over seeds vary hardly less than one seed does: seeds say much the same of a lens.
    """
    half = 2 * np.sqrt(lenses / parts * (1 - 1 / parts))
    return float(lenses / parts - half), float(lenses / parts + half)
