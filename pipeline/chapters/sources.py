"""Everything that the chapters and the figures are made of, read once."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from pipeline import findings
from pipeline.findings import Finding
from pipeline.lenses import read as table_of_lenses
from pipeline.places import Place, place
from pipeline.store import Store
from pipeline.verdict import cells as reading
from pipeline.verdict.answers import answered
from pipeline.verdict.cells import Cell, Key


@dataclass(frozen=True)
class Sources:
    """What the stages before wrote, as far as a reader of the report is shown it."""

    cells: Sequence[Cell]  # of the lenses that count: those with an answer of every run
    details: Mapping[str, Any]  # data/verdict.json
    bins: pd.DataFrame  # data/by_bin.csv
    images: Store
    inputs: Mapping[str, Store]  # computed features, by input
    lenses: pd.DataFrame  # the lines of the cells' lenses in the table of lenses
    split: Mapping[str, Any]
    found: Sequence[Finding]
    learning: pd.DataFrame  # a line a run, seed and epoch
    runs: Place
    clock: Place

    @property
    def units(self) -> Mapping[str, str]:
        """Of every target's errors, as they stand after a name: ` [dex]`."""
        units: Mapping[str, str] = self.details["units"]
        return units

    @property
    def cautions(self) -> list[str]:
        """What the audit says of the images and of what networks were asked for."""
        return [one.summary for one in findings.cautions(self.found, self.details["labels"])]

    @property
    def labels(self) -> dict[str, str]:
        """Every target with the unit of its values, as an axis says it."""
        declared: Mapping[str, str] = self.images.attributes["target_units"]
        return {name: f"{name} [{declared[name]}]" if declared[name] else name for name in self.units}

    def spread_out(self, count: int) -> Int[np.ndarray, " m"]:
        """Rows of test lenses, evenly spaced in the first target."""
        order = self.lenses["row"].to_numpy()[np.argsort(self.cells[0].truth, kind="stable")]
        return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]


def read(
    keys: Sequence[Key],
    seeds: Sequence[int],
    inputs: Sequence[str],
    *,
    images: str,
    lenses: str,
    split: str,
    audit: str,
    engineered: str,
    runs: str,
    clock: str,
    predictions: str,
    by_bin: str,
    details: str,
) -> Sources:
    """Read the files of the runs `keys` x `seeds`; raises `InputError` where predictions do not belong together."""
    cells, _ = answered(reading.read(place(predictions), keys, seeds)[0])
    store = Store(images)
    return Sources(
        cells,
        json.loads(place(details).read_text()),
        _csv(place(by_bin)),
        store,
        {name: Store(place(engineered) / f"{name}.zarr") for name in inputs},
        reading.columns(table_of_lenses(lenses, store.rows), cells[0].id),
        json.loads(place(split).read_text()),
        findings.read(audit),
        _learning(place(runs), cells),
        place(runs),
        place(clock),
    )


def _learning(folder: Place, cells: Sequence[Cell]) -> pd.DataFrame:
    """The history of every run; once, however many targets it has."""
    runs = {cell.name: cell.seeds for cell in cells}
    return pd.concat(
        [
            _csv(folder / f"{name}-{seed}" / "history.csv").assign(run=name, seed=seed)
            for name, seeds in runs.items()
            for seed in seeds
        ],
        ignore_index=True,
    )


def _csv(path: Place) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(path.read_bytes()))
