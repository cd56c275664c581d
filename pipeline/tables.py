"""Prediction tables: what `predict` and `baselines` write and `compare` reads, as Parquet.

One line a row and target, in the target's own units. Columns: role, id, target, truth, prediction, spread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline import atomic
from pipeline.errors import InputError
from pipeline.store import Store

STORE_OF_ROLE = {"validation": "fit.zarr", "calibration": "fit.zarr", "test": "test.zarr"}


def predicted(prepared: str | Path, answer: Callable[[Store, int, int], Float[np.ndarray, "n t"]]) -> pd.DataFrame:
    """The table of a prepared input: `answer(store, start, stop)` gives normalised predictions of those rows."""
    parts = []
    for role, name in STORE_OF_ROLE.items():
        store = Store(Path(prepared) / name)
        parts.append(_role(store, role, answer(store, *store.attributes["roles"][role])))
    return _with_spread(pd.concat(parts, ignore_index=True))


def physical(values: Float[np.ndarray, "n t"], statistics: dict[str, list[float]]) -> Float[np.ndarray, "n t"]:
    """Normalised targets back in their own units, float64."""
    return values.astype(np.float64) * np.array(statistics["std"]) + np.array(statistics["mean"])


def _role(store: Store, role: str, normalised: Float[np.ndarray, "n t"]) -> pd.DataFrame:
    """The table of one role of a prepared store, from the normalised predictions of its rows."""
    start, stop = store.attributes["roles"][role]
    scale = store.attributes["statistics"]["target"]
    truth, found = physical(store.read("target", start, stop), scale), physical(normalised, scale)
    ids = store.read("id", start, stop)
    targets = store.attributes["targets"]
    parts = [
        pd.DataFrame({"role": role, "id": ids, "target": name, "truth": truth[:, i], "prediction": found[:, i]})
        for i, name in enumerate(targets)
    ]
    return pd.concat(parts, ignore_index=True)


def _with_spread(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a predicted spread: each target's root mean square error on the calibration rows.

    That is what a predictor without a spread of its own can honestly say: one number a target.
    """
    calibration = table[table["role"] == "calibration"]
    squares = (calibration["prediction"] - calibration["truth"]) ** 2
    return table.assign(spread=table["target"].map(squares.groupby(calibration["target"]).mean() ** 0.5))


def unit(target: str) -> str:
    """What errors of a target are measured in, as it is printed after a metric's name."""
    return " [dex]" if target.startswith("log10_") else ""


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table whole or not at all."""
    atomic.write(path, table.to_parquet(index=False))


def read(path: str | Path, **where: Any) -> pd.DataFrame:
    """The lines of a table whose columns have the given values."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: these predictions are missing; run the stage that writes them (dvc repro)")
    try:
        table = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable table of predictions ({error}); run its stage again") from error
    for column, value in where.items():
        table = table[table[column] == value]
    return table.reset_index(drop=True)
