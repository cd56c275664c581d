"""Stage `normalise`: the stores that networks read, scaled by statistics of the training rows alone.

    python -m pipeline.normalise data/images.zarr data/engineered/raw.zarr data/split.json data/prepared/raw

Writes `fit.zarr` (the roles train, validation and calibration, one after the other) and `test.zarr` (test), so that
training cannot open the test rows. `attributes["roles"]` gives each role's range of rows, `attributes["statistics"]`
the mean and standard deviation of every channel, vector column and target, and of targets what they were shifted and
scaled by where that is something else (`normalise.target`, `pipeline/scaling.py`): with them a model can treat a new
image the same way, and a prediction be turned back into physical units. What augmentations must know stands beside it:
the sky and the pixels that the images were taken with, and under what each vector stays the same.

A placebo (`pipeline/placebo.py`) is made here, of what was computed for it, and looks like any other input.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from pipeline import fingerprint, params, placebo, store
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.observation import observed
from pipeline.placebo import Placebo
from pipeline.places import place
from pipeline.scaling import Scale, line, of_targets, scale, scaled
from pipeline.store import Array, Store

STORES = {"fit.zarr": ("train", "validation", "calibration"), "test.zarr": ("test",)}


def normalise(images: str, engineered: str, split: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Fit on the training rows of the store `engineered`, and write both stores into the folder `target`."""
    how, asked = params.read(overrides, "engine", "normalise")
    labels, inputs = Store(images), Store(engineered)
    decided = json.loads(place(split).read_text())
    if not decided["rows"] == labels.rows == inputs.rows:
        raise InputError(
            f"{split}: made for {decided['rows']} rows; {images} has {labels.rows}, {engineered} {inputs.rows}"
        )
    roles = {role: np.array(rows) for role, rows in decided["roles"].items()}
    chosen = [labels.attributes["target_names"].index(name) for name in decided["targets"]]
    targets, ids = labels.read("targets")[:, chosen], labels.read("id")
    train = roles["train"]
    fitted = _fit(inputs, train) | {"target": _of_targets(targets[train], decided["targets"], asked.target)}
    shown = _shown(inputs, labels, roles, decided)
    said = inputs.attributes.get("placebo", inputs.attributes)  # of the channels and columns that networks are shown
    for name, members in STORES.items():
        rows = np.concatenate([roles[role] for role in members])
        edges = np.cumsum([0, *(len(roles[role]) for role in members)]).tolist()
        ranges = {role: [a, b] for role, a, b in zip(members, edges[:-1], edges[1:], strict=True)}
        described = {
            "roles": ranges,
            "channels": said["channels"],
            "columns": said["columns"],
            "targets": decided["targets"],
            "target_units": {name: labels.attributes["target_units"][name] for name in decided["targets"]},
            "statistics": shown.statistics(fitted),
            "symmetries": inputs.attributes["symmetries"] if said["columns"] else {},
            "observation": observed(labels),
            **({"placebo": {key: said[key] for key in ("kind", "recipe")}} if "placebo" in inputs.attributes else {}),
        }
        made_of = fingerprint.digest(
            inputs.attributes["shards"],
            described,
            targets[rows],
            rows,
            *vars(shown).values(),
            fingerprint.code("pipeline/**/*.py"),
        )
        store.write(
            place(target) / name,
            len(rows),
            _arrays(inputs, len(said["channels"]), len(said["columns"]), len(chosen)),
            _Rows(inputs, rows, fitted, targets[rows], ids[rows], shown),
            key=made_of,
            how=how,
            **described,
        )
        print(f"normalise: {place(target) / name}: {ranges}")


def _shown(inputs: Store, labels: Store, roles: dict[str, Int[np.ndarray, " m"]], decided: dict[str, Any]) -> Placebo:
    """The placebo that the store says it is for, with the split's seed; the input itself if it says nothing."""
    if "placebo" not in inputs.attributes:
        return placebo.Itself()
    return placebo.chosen(inputs.attributes["placebo"], roles, labels.read("group"), decided["scheme"]["seed"])


def _fit(inputs: Store, train: Int[np.ndarray, " m"]) -> dict[str, Scale]:
    """Mean and standard deviation, over the training rows, of every channel (all pixels) and column."""
    statistics = {"maps": _moments(inputs, "maps", train, inputs.attributes["channels"], (0, 2, 3))}
    if inputs.attributes["columns"]:
        statistics["vectors"] = _moments(inputs, "vectors", train, inputs.attributes["columns"], (0,))
    return statistics


def _of_targets(known: Float[np.ndarray, "m t"], names: list[str], kind: str) -> Scale:
    """What `normalise.target` makes of the targets of the training rows."""
    found = of_targets(known, kind)
    for name, column, shift, unit in zip(names, known.T, *line(found), strict=True):
        if np.ptp(column) == 0:
            raise InputError(f"split.targets: {name} is {column[0]:g} in every training row; there is nothing to learn")
        if unit == 0:
            raise InputError(
                f"normalise.target: {kind} finds no spread: {name} is {shift:g} in more than half of the training "
                "rows; choose standard"
            )
    return found


def _moments(inputs: Store, name: str, train: Int[np.ndarray, " n"], parts: list[str], axes: tuple[int, ...]) -> Scale:
    """Mean and spread of an array's parts (channels or columns), block by block in two passes: sums of squares about
    zero would lose the spread of a channel that sits on a pedestal. Of a column that may be missing, of what is there.
    """
    wanted = np.zeros(inputs.rows, dtype=bool)
    wanted[train] = True
    shape = [-1 if axis == 1 else 1 for axis in range(len(inputs.shape(name)))]
    required = ~np.isin(parts, inputs.attributes["missing"]).reshape(shape)

    def average(of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        total, count = np.zeros(len(parts)), np.zeros(len(parts))
        for start, stop in inputs.blocks():
            values = of(inputs.read(name, start, stop)[wanted[start:stop]].astype(np.float64))
            there = required | ~np.isnan(values)
            total += np.where(there, values, 0).sum(axis=axes)
            count += there.sum(axis=axes)
        return total / np.maximum(count, 1)

    mean = average(lambda values: values)
    with np.errstate(invalid="ignore"):  # an infinite mean is refused below, by name
        std = np.sqrt(average(lambda values: (values - mean.reshape(shape)) ** 2))
    for part, centre, spread in zip(parts, mean, std, strict=True):
        if not np.isfinite(spread):
            raise InputError(f"{inputs.path}: {part} is not finite in some training row; mend or drop that feature")
        if spread <= 1e-12 * abs(centre):
            raise InputError(f"{inputs.path}: {part} is {centre:g} in every training row; drop that feature")
    return {"mean": mean.tolist(), "std": std.tolist()}


def _arrays(inputs: Store, channels: int, columns: int, num_targets: int) -> list[Array]:
    frame = inputs.shape("maps")[2:]
    arrays = [
        Array("maps", "float32", (channels, *frame), ("c", "h", "w"), "", "normalised channels"),
        Array("target", "float32", (num_targets,), ("t",), "", "normalised targets"),
        Array("id", "str", long_name="name of the row in its source"),
        Array("row", "int64", long_name="row of the image store"),
    ]
    if columns:
        arrays.append(Array("vectors", "float32", (columns,), ("k",), "", "normalised vectors"))
    return arrays


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of every array of a prepared store."""

    inputs: Store
    rows: Int[np.ndarray, " m"]  # of the input, in the order of this store
    fitted: dict[str, Scale]
    targets: Float[np.ndarray, "m t"]
    ids: Shaped[np.ndarray, " m"]
    shown: Placebo

    def __call__(self, start: int, stop: int) -> dict[str, Any]:
        wanted = self.rows[start:stop]
        return {
            "target": scale(self.targets[start:stop], self.fitted["target"], 1),
            "id": self.ids[start:stop],
            "row": wanted,
            **self.shown(wanted, self.scaled),
        }

    def scaled(self, rows: Int[np.ndarray, " m"]) -> dict[str, Any]:
        """The maps and vectors that were computed of these rows of the input, in normalised units."""
        taken: dict[str, np.ndarray] = {
            name: self.inputs.take(name, rows) for name in ("maps", "vectors") if name in self.fitted
        }
        optional = np.isin(self.inputs.attributes["columns"], self.inputs.attributes["missing"])
        return scaled(taken, self.fitted, optional)


if __name__ == "__main__":
    run(normalise, "IMAGES ENGINEERED SPLIT FOLDER")
