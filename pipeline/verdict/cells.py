"""Cells: the test predictions of one input, backbone and training size, over seeds; as the files have them.

What is not there is counted and said, never passed over: here a run without a file, in `answers` an answer that is no
number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from pipeline import tables
from pipeline.errors import InputError
from pipeline.places import Place

Key = tuple[str, str, str]  # input, backbone, size
SCORES = ("nll", "nll_joint", "tarp")  # columns of the tables: what a distribution is worth, lens by lens


@dataclass(frozen=True)
class Cell:
    """The answers of one input, backbone and size for one target."""

    input: str
    backbone: str
    size: str
    target: str
    seeds: tuple[int, ...]
    id: np.ndarray  # (n,)
    truth: Float[np.ndarray, " n"]
    prediction: Float[np.ndarray, "s n"]
    residuals: Float[np.ndarray, "s m"]  # prediction - truth of the calibration rows
    quantiles: Float[np.ndarray, "s n q"] | None = None  # at tables.LEVELS, where the network has a distribution
    nll: Float[np.ndarray, "s n"] | None = None  # of that distribution, per unit of the target
    nll_joint: Float[np.ndarray, "s n"] | None = None  # of a distribution of several targets together, the same on each
    tarp: Float[np.ndarray, "s n"] | None = None  # of several targets together
    permuted: Mapping[str, Float[np.ndarray, "s n"]] = field(default_factory=dict)  # predictions, one feature another's

    @property
    def errors(self) -> Float[np.ndarray, "s n"]:
        return self.prediction - self.truth

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.input, self.backbone, self.size, self.target

    @property
    def name(self) -> str:
        return f"{self.input}-{self.backbone}-{self.size}"

    def of_seeds(self, seeds: Sequence[int]) -> "Cell":
        """The same of fewer seeds, in the order asked for."""
        rows = [self.seeds.index(seed) for seed in seeds]
        kept: dict[str, Any] = {name: values[rows] for name, values in self._by_lens().items()}
        permuted = {name: values[rows] for name, values in self.permuted.items()}
        return replace(self, seeds=tuple(seeds), residuals=self.residuals[rows], permuted=permuted, **kept)

    def of_lenses(self, which: Bool[np.ndarray, " n"]) -> "Cell":
        """The same of fewer lenses."""
        kept: dict[str, Any] = {name: values[:, which] for name, values in self._by_lens().items()}
        permuted = {name: values[:, which] for name, values in self.permuted.items()}
        return replace(self, id=self.id[which], truth=self.truth[which], permuted=permuted, **kept)

    def with_permuted(self, feature: str) -> "Cell":
        """The same networks' answers where a feature is another lens's. No recipe is called what this input is."""
        name, prediction = f"{self.input} ({feature} permuted)", self.permuted[feature]
        unknown: dict[str, Any] = dict.fromkeys(("quantiles", *SCORES))
        return replace(self, input=name, prediction=prediction, permuted={}, **unknown)

    def _by_lens(self) -> dict[str, np.ndarray]:
        """What is (s, n, ...), as far as it is there."""
        known = {name: getattr(self, name) for name in ("prediction", "quantiles", *SCORES)}
        return {name: values for name, values in known.items() if values is not None}


def read(folder: Place, keys: Iterable[Key], seeds: Sequence[int]) -> tuple[list[Cell], list[str]]:
    """The cells of all runs that have a file, and what is to be said of those that have none.

    Raises `InputError` where there is no run at all, and where runs answer for other lenses than the first.
    """
    cells, said = [], list[str]()
    for key in keys:
        name = "-".join(key)
        there = [seed for seed in seeds if (folder / f"{name}-{seed}.parquet").is_file()]
        if len(there) < len(seeds):
            absent = ", ".join(str(seed) for seed in seeds if seed not in there)
            left = f"compared on seeds {', '.join(map(str, there))}" if there else "left out"
            said.append(f"`{name}`: no predictions of seed {absent}; {left}.")
        for cell in _of_key(folder, key, there):
            whole, lost = _finite_where_permuted(cell)
            cells.append(whole)
            said += lost
    if not cells:
        raise InputError(f"{folder}: none of the runs of params.yaml has predictions there; run dvc repro")
    return cells, said


def _of_key(folder: Place, key: Key, seeds: Sequence[int]) -> list[Cell]:
    """One cell a target. Every seed must answer for the same lenses."""
    runs = [tables.read(folder / f"{'-'.join(key)}-{seed}.parquet") for seed in seeds]
    cells = []
    for target in runs[0]["target"].unique() if runs else []:
        lines = [_lines(table, "test", target) for table in runs]
        for seed, table in zip(seeds, lines, strict=True):
            if not np.array_equal(table[["id", "truth"]], lines[0][["id", "truth"]]):
                where = folder / f"{'-'.join(key)}-{seed}.parquet"
                raise InputError(f"{where}: other test lenses than seed {seeds[0]}; run both on one split (dvc repro)")
        calibration = [_lines(table, "calibration", target) for table in runs]
        cells.append(
            Cell(
                *key,
                target,
                tuple(seeds),
                lines[0]["id"].to_numpy(),
                lines[0]["truth"].to_numpy(),
                _stacked(lines, "prediction"),
                np.stack([(table["prediction"] - table["truth"]).to_numpy() for table in calibration]),
                _stacked(lines, *(f"q{level:g}" for level in tables.LEVELS)),
                **{name: _stacked(lines, name) for name in SCORES},
                permuted=_permuted(lines),
            )
        )
    return cells


def _lines(table: pd.DataFrame, role: str, target: str) -> pd.DataFrame:
    return table[(table["role"] == role) & (table["target"] == target)]


def _stacked(tables_of_seeds: Sequence[pd.DataFrame], *columns: str) -> Any:
    """(s, n) of one column, (s, n, q) of several; None where some seed has not all of them."""
    if not all(set(columns) <= set(table) for table in tables_of_seeds):
        return None
    wanted = list(columns) if len(columns) > 1 else columns[0]
    return np.stack([table[wanted].to_numpy(dtype=float) for table in tables_of_seeds])


def _permuted(tables_of_seeds: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """(s, n) by feature; NaN of a seed that was not asked."""
    asked = dict.fromkeys(feature for table in tables_of_seeds for feature in tables.permuted(table))
    columns = [f"{tables.PERMUTED}{feature}" for feature in asked]
    found = np.stack([table.reindex(columns=columns).to_numpy(dtype=float) for table in tables_of_seeds])
    return dict(zip(asked, np.moveaxis(found, 2, 0), strict=True))


def _finite_where_permuted(cell: Cell) -> tuple[Cell, list[str]]:
    """Without a feature that a lens has no answer for, but has one as it is: no lens is left out for that."""
    there = np.isfinite(cell.prediction)
    lost = {name: int((there & ~np.isfinite(values)).sum()) for name, values in cell.permuted.items()}
    said = [
        f"`{cell.name}`: no finite {cell.target} for {count} of {there.sum()} answers with {name} permuted; "
        "how much it is relied on is not told."
        for name, count in lost.items()
        if count
    ]
    return replace(cell, permuted={name: own for name, own in cell.permuted.items() if not lost[name]}), said


def groups(lenses: pd.DataFrame, cell: Cell) -> np.ndarray:
    """The group of each of a cell's lenses: who shares a halo or a source counts as one."""
    return columns(lenses, cell.id)["group"].to_numpy()


def columns(lenses: pd.DataFrame, ids: np.ndarray) -> pd.DataFrame:
    """The lines of the table of lenses for these ids, in their order."""
    return lined_up(lenses, ids, "lenses", "dvc repro describe")


def lined_up(table: pd.DataFrame, ids: np.ndarray, name: str, remedy: str) -> pd.DataFrame:
    """One line an id, in their order. Raises `InputError` where the table has none of an id, or several."""
    index = pd.Index(table["id"])
    if index.has_duplicates:
        twice = index[index.duplicated()][0]
        raise InputError(f"{name}: more than one line for {twice}; give every image an id of its own, then {remedy}")
    at = index.get_indexer(ids)
    absent = ids[at < 0]
    if len(absent):
        others = ["", " and 1 other", f" and {len(absent) - 1} others"][min(len(absent) - 1, 2)]
        raise InputError(f"{name}: no line for {absent[0]}{others}; {remedy}")
    return table.iloc[at].reset_index(drop=True)


def of_target(cells: Iterable[Cell], target: str) -> dict[Key, Cell]:
    """By input, backbone and size."""
    return {cell.key[:3]: cell for cell in cells if cell.target == target}


def of_keys(cells: Iterable[Cell], wanted: Iterable[tuple[str, str, str, str]]) -> list[Cell]:
    """Those with one of these keys."""
    asked = set(wanted)
    return [cell for cell in cells if cell.key in asked]


def common_seeds(cells: Iterable[Cell]) -> list[int]:
    """Those that every cell has, in order."""
    own: list[Mapping[int, None]] = [dict.fromkeys(cell.seeds) for cell in cells]
    return [seed for seed in own[0] if all(seed in other for other in own)] if own else []
