"""Runs that never ran: predictions whose errors are known, as cells and as everything that `compare` reads."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pipeline import lenses as table_of_lenses
from pipeline import tables
from pipeline.findings import finding, plain
from pipeline.verdict.cells import Cell

PLACES = ("predictions", "baselines", "lenses.parquet", "runs", "split.json", "audit.json", "shifted")
WRITTEN = ("metrics.json", "verdict.md", "by_bin.csv", "verdict.json")
SHORTCUTS = {"constant": 1.5, "flux": 1.2, "ring_radius": 1.2, "profile": 0.9, "pca_ridge": 0.9}  # model: RMSE
TREES = {"engineered_shuffled": 1.4}  # RMSE of an input's trees; of any other, 0.7
SIZES = {"engineered": 0.5}  # standard deviation of an input's errors; of any other, 1


def ids(lenses: int, first: str = "lens") -> np.ndarray:
    return np.array([f"{first} {i}" for i in range(lenses)])


def truths(lenses: int, target: str = "mass") -> np.ndarray:
    return np.random.default_rng(len(target)).normal(size=lenses)


def cell(
    errors: np.ndarray,
    name: str = "engineered",
    backbone: str = "cnn",
    size: str = "all",
    target: str = "mass",
    **more: Any,
) -> Cell:
    """Predictions that are wrong by `errors` (seeds, lenses), and by as much on the calibration rows."""
    truth = truths(errors.shape[1], target)
    known = {"seeds": tuple(range(len(errors))), "residuals": errors} | more
    return Cell(name, backbone, size, target, id=ids(len(truth)), truth=truth, prediction=truth + errors, **known)


def lines(role: str, prediction: np.ndarray, target: str = "mass", sigma: float | None = None) -> pd.DataFrame:
    """What a run says of the lenses of one role; with a sigma, a normal posterior about each prediction."""
    truth = truths(len(prediction), target)
    said = {"truth": truth, "prediction": prediction, "spread": np.full(len(truth), sigma or 1.0)}
    if sigma:
        said |= {f"q{level:g}": prediction + sigma * ndtri(level / 100) for level in tables.LEVELS}
        said["nll"] = ((truth - prediction) / sigma) ** 2 / 2 + np.log(sigma * np.sqrt(2 * np.pi))
    name = "lens" if role == "test" else role
    columns = {key: values[:, None] for key, values in said.items()}
    return tables.lines(role, ids(len(truth), name), [target], ["dex(eV)" if target == "mass" else ""], columns)


def run_of(errors: np.ndarray, target: str = "mass", sigma: float | None = None) -> pd.DataFrame:
    """The table of a run that is wrong by `errors` on the test rows, as on the calibration rows, and not elsewhere."""
    truth = truths(len(errors), target)
    wrong = {"validation": 0.0, "calibration": 1.0, "test": 1.0}
    return pd.concat([lines(role, truth + share * errors, target, sigma) for role, share in wrong.items()])


def fabricate(
    folder: Path,
    seeds: Sequence[int],
    inputs: Sequence[str] = ("raw", "engineered"),
    backbones: Sequence[str] = ("cnn",),
    sizes: Sequence[str] = ("all",),
    targets: Sequence[str] = ("mass",),
    lenses: int = 60,
    sigma: float | None = None,
    first: int = 0,
) -> None:
    """Everything that `compare` reads, below the folder; lenses are hard for all seeds alike. `first` is a seed."""
    generator = np.random.default_rng(first)
    hard = generator.normal(size=lenses)
    for name, backbone, size, seed in product(inputs, backbones, sizes, seeds):
        scale = SIZES.get(name, 1.0) * (1 if size == "all" else 1.4)
        errors = scale * (0.6 * hard + 0.8 * generator.normal(size=lenses))
        table = pd.concat([run_of(errors, target, sigma) for target in targets])
        tables.write(table, folder / "predictions" / f"{name}-{backbone}-{size}-{seed}.parquet")
    for name in inputs:
        models = {"constant": 1.5} | ({} if name == "raw" else {"tree": TREES.get(name, 0.7)})
        tables.write(_without_a_network(models, targets, lenses), folder / "baselines" / f"{name}.parquet")
    tables.write(_without_a_network(SHORTCUTS, targets, lenses), folder / "baselines" / "shortcuts.parquet")
    described = {"id": ids(lenses)[::-1], "row": np.arange(lenses), "group": np.arange(lenses) // 2}
    described |= {name: generator.lognormal(size=lenses) for name in ("signal_to_noise", "ring_over_psf")}
    described |= {"kind": "", "flux": 1.0, "ring_radius": 1.0, "ring_unit": "arcsec"}
    table_of_lenses.write(pd.DataFrame(described), folder / "lenses.parquet")
    (folder / "split.json").write_text(json.dumps({"rows": lenses, "counts": {"train": 450}}))
    found = [finding("noise_free", f"no noise in {lenses} of {lenses} images"), finding("dtype", "float64")]
    (folder / "audit.json").write_text(json.dumps({"findings": plain(found)}))


def _without_a_network(models: Mapping[str, float], targets: Sequence[str], lenses: int) -> pd.DataFrame:
    """Answers that are too high by what the model stands for, on every lens."""
    return pd.concat(
        lines("test", truths(lenses, target) + error, target).assign(model=model)
        for model, error in models.items()
        for target in targets
    )


def fingerprint(folder: Path, run: str, steps: int = 80, learning_rate: Any = 3e-3, head: str = "", **fit: Any) -> None:
    """What `train` leaves of a run, as far as the manifest reads it."""
    known: dict[str, Any] = {
        "epochs": 20,
        "batch_size": 64,
        "learning_rate": learning_rate,
        "range_test": {"lowest": 1e-5, "highest": 1.0, "steps": 400},
        "schedule": {"kind": "one_cycle"},
        "optimiser": {"kind": "adamw", "fused": False},
        "augment": ["d4", {"kind": "noise", "sigma": 0.1}],
        "loss": {"kind": "auto"},
        "weight_decay": 1e-2,
    }
    made = {
        "options": {"width": 0.25} | ({"head": {"kind": head}} if head else {}),
        "fit": known | fit,
        "rate": {"learning_rate": 1e-3 if learning_rate == "auto" else learning_rate},
    }
    (folder / run).mkdir(parents=True)
    (folder / run / "fingerprint.json").write_text(json.dumps(made))
    (folder / run / "steps.csv").write_text("step,rate\n" + "0,1\n" * steps)
