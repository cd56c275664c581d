"""Prediction tables: what `predict` and `baselines` write and `compare` reads, as Parquet.

One line a row and target, in the target's own unit. Columns: role, id, target, unit, truth, prediction, spread.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from pipeline import atomic
from pipeline.errors import InputError
from pipeline.places import Place, place
from pipeline.store import Store

COLUMNS = ("role", "id", "target", "unit", "truth", "prediction", "spread")
STORE_OF_ROLE = {"validation": "fit.zarr", "calibration": "fit.zarr", "test": "test.zarr"}


def predicted(prepared: str | Place, answer: Callable[[Store, int, int], Float[np.ndarray, "n t"]]) -> pd.DataFrame:
    """The table of a prepared input: `answer(store, start, stop)` gives normalised predictions of those rows."""
    parts = []
    for role, name in STORE_OF_ROLE.items():
        store = Store(place(prepared) / name)
        parts.append(of_role(store, role, answer(store, *store.attributes["roles"][role])))
    return with_spread(pd.concat(parts, ignore_index=True))


def physical(values: Float[np.ndarray, "n t"], statistics: dict[str, list[float]]) -> Float[np.ndarray, "n t"]:
    """Normalised targets back in their own units, float64."""
    return values.astype(np.float64) * np.array(statistics["std"]) + np.array(statistics["mean"])


def of_role(store: Store, role: str, normalised: Float[np.ndarray, "n t"]) -> pd.DataFrame:
    """The table of one role of a prepared store, from the normalised predictions of its rows."""
    start, stop = store.attributes["roles"][role]
    return lines(store, role, store.read("id", start, stop), store.read("target", start, stop), normalised)


def lines(
    store: Store,
    role: str,
    ids: Shaped[np.ndarray, " n"],
    target: Float[np.ndarray, "n t"],
    normalised: Float[np.ndarray, "n t"],
) -> pd.DataFrame:
    """The table of rows whose normalised targets and predictions are on the scale of a prepared store."""
    scale, units = store.attributes["statistics"]["target"], store.attributes["target_units"]
    truth, found = physical(target, scale), physical(normalised, scale)
    parts = [
        pd.DataFrame({"role": role, "id": ids, "target": name, "unit": units[name], "truth": true, "prediction": said})
        for name, true, said in zip(store.attributes["targets"], truth.T, found.T, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def with_spread(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a predicted spread: each target's root mean square error on the calibration rows.

    That is what a predictor without a spread of its own can honestly say: one number a target.
    """
    calibration = table[table["role"] == "calibration"]
    squares = (calibration["prediction"] - calibration["truth"]) ** 2
    return table.assign(spread=table["target"].map(squares.groupby(calibration["target"]).mean() ** 0.5))


def units(table: pd.DataFrame) -> dict[str, str]:
    """What errors of each target are measured in, as it is printed after a metric's name: those of dex(eV) in dex."""
    declared = table.drop_duplicates("target")
    return {name: _printed(unit) for name, unit in zip(declared["target"], declared["unit"], strict=True)}


def _printed(unit: str) -> str:
    return f" [{'dex' if unit.startswith('dex(') else unit}]" if unit else ""


def write(table: pd.DataFrame, path: str | Place) -> None:
    """Write a table whole or not at all."""
    atomic.write(path, table.to_parquet(index=False))


def read(path: str | Place, **where: Any) -> pd.DataFrame:
    """The lines of a table whose columns have the given values."""
    path = place(path)
    if not path.is_file():
        raise InputError(f"{path}: these predictions are missing; run the stage that writes them (dvc repro)")
    try:
        table = pd.read_parquet(io.BytesIO(path.read_bytes()))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable table of predictions ({error}); run its stage again") from error
    for column, value in where.items():
        table = table[table[column] == value]
    return table.reset_index(drop=True)
