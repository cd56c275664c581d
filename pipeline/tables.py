"""Prediction tables: what `predict`, `baselines` and `shortcuts` write and `compare` reads, as Parquet.

One line a row and target, in the target's own unit. Columns of every table: role, id, target, unit, truth, prediction,
spread. A network whose head says more than a number has besides, each where its head can say it,

- q0.5 … q99.5: the quantile at each of `LEVELS`, in percent; `spread` is then its own, (q84.13 − q15.87) / 2, and else
  the root mean square error on the calibration rows;
- nll: minus the logarithm of the density that it gave the truth, per unit of the target (natural, with its constant);
- nll_joint: that of several targets together, of a head without one of each; the same on each target's line;
- tarp: the fraction of its samples nearer to a reference point than the truth (`models.heads.spread`), likewise.

Where it was asked what a network relies on, permuted_<feature> is its prediction for a test row with that feature of
another one (`pipeline.permuting`); of the other rows nothing.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from pipeline import atomic
from pipeline.errors import InputError
from pipeline.params import PROBABILITY
from pipeline.places import Place, place
from pipeline.scaling import line
from pipeline.store import Store

COLUMNS = ("role", "id", "target", "unit", "truth", "prediction", "spread")

# Percent: close enough for an integral over them, and the central 50, 68, 80, 90, 95, 98 and 99 % end at two of them.
BELOW = (0.5, 1, 2.5, 5, 7.5, 10, 12.5, 16, 20, 25, 30, 35, 40, 45)
LEVELS = (*BELOW, 50, *(100 - level for level in reversed(BELOW)))
NUMBERS = ("truth", "prediction", "spread", *(f"q{level:g}" for level in LEVELS), "nll", "nll_joint", "tarp")

PERMUTED = "permuted_"  # and the feature
IN_DEX = " [dex]"  # what errors of a logarithm are in, as printed after a metric's name

STORE_OF_ROLE = {"validation": "fit.zarr", "calibration": "fit.zarr", "test": "test.zarr"}


@dataclass(frozen=True)
class Answer:
    """What is said of rows, in units of the normalised targets; None is what cannot be said."""

    point: Float[np.ndarray, "n t"]
    spread: Float[np.ndarray, "n t"] | None = None
    quantiles: Float[np.ndarray, "n t q"] | None = None  # at `LEVELS`
    nll: Float[np.ndarray, "n t"] | None = None
    nll_joint: Float[np.ndarray, " n"] | None = None
    tarp: Float[np.ndarray, " n"] | None = None
    permuted: Mapping[str, Float[np.ndarray, "n t"]] | None = None  # the point, by the feature that is another row's


def predicted(
    prepared: str | Place, answer: Callable[[Store, int, int], Answer | Float[np.ndarray, "n t"]]
) -> pd.DataFrame:
    """The table of a prepared input: `answer(store, start, stop)` says something of those rows, if only a number."""
    parts = []
    for role, name in STORE_OF_ROLE.items():
        store = Store(place(prepared) / name)
        said = answer(store, *store.attributes["roles"][role])
        parts.append(of_role(store, role, said if isinstance(said, Answer) else Answer(said)))
    return with_spread(pd.concat(parts, ignore_index=True))


def physical(values: Float[np.ndarray, "n t"], statistics: dict[str, list[float]]) -> Float[np.ndarray, "n t"]:
    """Normalised targets back in their own units, float64."""
    shift, unit = line(statistics)
    return values.astype(np.float64) * unit + shift


def columns(said: Answer, statistics: dict[str, list[float]]) -> dict[str, Float[np.ndarray, "n t"]]:
    """An answer in the targets' own units, by the names of its columns."""
    _, unit = line(statistics)
    found = {"prediction": physical(said.point, statistics)}
    if said.spread is not None:
        found["spread"] = said.spread.astype(np.float64) * unit
    if said.quantiles is not None:
        by_level = np.moveaxis(said.quantiles, 2, 0)
        found |= {f"q{level:g}": physical(each, statistics) for level, each in zip(LEVELS, by_level, strict=True)}
    if said.nll is not None:  # of a density per unit: on a wide scale it is thin
        found["nll"] = said.nll.astype(np.float64) + np.log(unit)
    if said.nll_joint is not None:
        found["nll_joint"] = _on_every_line(said.nll_joint.astype(np.float64) + np.log(unit).sum(), len(unit))
    if said.tarp is not None:
        found["tarp"] = _on_every_line(said.tarp.astype(np.float64), len(unit))
    for feature, point in (said.permuted or {}).items():
        found[f"{PERMUTED}{feature}"] = physical(point, statistics)
    return found


def _on_every_line(values: Float[np.ndarray, " n"], num_targets: int) -> Float[np.ndarray, "n t"]:
    return np.repeat(values[:, None], num_targets, axis=1)


def of_role(store: Store, role: str, said: Answer) -> pd.DataFrame:
    """The table of one role of a prepared store, from what is said of its rows."""
    start, stop = store.attributes["roles"][role]
    found = columns(said, store.attributes["statistics"]["target"])
    return of_rows(store, role, store.read("id", start, stop), store.read("target", start, stop), found)


def of_rows(
    store: Store,
    role: str,
    ids: Shaped[np.ndarray, " n"],
    targets: Float[np.ndarray, "n t"],
    found: Mapping[str, Float[np.ndarray, "n t"]],
) -> pd.DataFrame:
    """The table of rows whose normalised targets are on the scale of a prepared store; `found` is in physical units."""
    names, truth = store.attributes["targets"], physical(targets, store.attributes["statistics"]["target"])
    units = [store.attributes["target_units"][name] for name in names]
    of_class = np.array([unit == PROBABILITY for unit in units])
    truth[:, of_class] = truth[:, of_class].round()  # 0 and 1, which float32 brings back as 1.00000002
    return lines(role, ids, names, units, {"truth": truth, **found})


def lines(
    role: str,
    ids: Shaped[np.ndarray, " n"],
    targets: Sequence[str],
    units: Sequence[str],
    found: Mapping[str, Float[np.ndarray, "n t"]],
) -> pd.DataFrame:
    """The lines of one role; `found` has its columns of numbers, truth and prediction at least, in physical units."""
    parts = [
        pd.DataFrame({"role": role, "id": ids, "target": name, "unit": unit} | _column(found, i))
        for i, (name, unit) in enumerate(zip(targets, units, strict=True))
    ]
    return pd.concat(parts, ignore_index=True)


def _column(found: Mapping[str, Float[np.ndarray, "n t"]], target: int) -> dict[str, Float[np.ndarray, " n"]]:
    return {name: values[:, target] for name, values in found.items()}


def with_spread(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a predicted spread: its own, or else each target's root mean square error on the calibration rows.

    That is what a predictor without a spread of its own can honestly say: one number a target. A row without an answer
    has no error; `gaps` counts it.
    """
    if "spread" in table:
        return table
    calibration = table[(table["role"] == "calibration") & np.isfinite(table["prediction"])]
    squares = (calibration["prediction"] - calibration["truth"]) ** 2
    return table.assign(spread=table["target"].map(squares.groupby(calibration["target"]).mean() ** 0.5))


def units(table: pd.DataFrame) -> dict[str, str]:
    """What errors of each target are measured in, as it is printed after a metric's name: those of dex(eV) in dex."""
    declared = table.drop_duplicates("target")
    return {name: _printed(unit) for name, unit in zip(declared["target"], declared["unit"], strict=True)}


def of_classes(table: pd.DataFrame) -> set[str]:
    """The targets that are 1 for some classes and 0 for all others."""
    return set(table.loc[table["unit"] == PROBABILITY, "target"])


def _printed(unit: str) -> str:
    return IN_DEX if unit.startswith("dex(") else f" [{unit}]" if unit else ""


def write(table: pd.DataFrame, path: str | Place) -> None:
    """Write a table whole or not at all."""
    atomic.write(path, table.to_parquet(index=False))


def read(path: str | Place, **where: Any) -> pd.DataFrame:
    """The lines of a table whose columns have the given values. Says how many of them lack an answer, if any do."""
    path = place(path)
    if not path.is_file():
        raise InputError(f"{path}: these predictions are missing; run the stage that writes them (dvc repro)")
    try:
        table = pd.read_parquet(io.BytesIO(path.read_bytes()))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable table of predictions ({error}); run its stage again") from error
    for column, value in where.items():
        table = table[table[column] == value]
    missing = gaps(table)
    if missing:
        print(f"{path}: not finite, of {len(table)} lines: {', '.join(f'{n} {name}' for name, n in missing.items())}")
    return table.reset_index(drop=True)


def permuted(table: pd.DataFrame) -> list[str]:
    """The features for which a table has answers with them permuted, in order."""
    return [name.removeprefix(PERMUTED) for name in map(str, table) if name.startswith(PERMUTED)]


def gaps(table: pd.DataFrame) -> dict[str, int]:
    """How many lines of a table are NaN or infinite in each column that has such lines: what no mean may pass over."""
    count = {name: int((~np.isfinite(table[name])).sum()) for name in NUMBERS if name in table}
    test = table[table["role"] == "test"]
    count |= {name: int((~np.isfinite(test[name])).sum()) for name in (PERMUTED + each for each in permuted(table))}
    return {name: lines for name, lines in count.items() if lines}
