"""Stage `shortcuts`: what a label costs without looking at the lens.

    python -m pipeline.shortcuts data/images.zarr data/lenses.parquet data/split.json data/baselines/shortcuts.parquet

Answers from less than a lens, for every target and whatever inputs are trained on; a network that beats the tree on
its own input, but not these, has found no more than they say. By `model`:

`constant`: the mean of the training targets.
`flux`, `ring_radius`: gradient-boosted trees on that one column of `data/lenses.parquet`, the flux as its logarithm. A
flux below zero and a ring that was not found are missing, not zero.
`profile`: trees on the radial profile of the first band, in annuli of a pixel.
`pca_ridge`: ridge regression on principal components of the pixels of all bands (pipeline/pca_ridge.py), averaged over
blocks until at most 4096 are left: 64 x 64 of one band, 16 kB an image in memory.

All are fitted on the training rows, but for the strength of the ridge, which is chosen on the validation rows. Pixels
are those of the store: no recipe has touched them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, Shaped
from threadpoolctl import threadpool_limits

from features.radial import radial_profile
from pipeline import frames, lenses, params, pca_ridge, tables, trees
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.params import Baselines
from pipeline.places import place
from pipeline.store import Store

PIXELS = 64 * 64  # of all bands together
ANSWERED = ("validation", "calibration", "test")

Rows = Int[np.ndarray, " m"]
Targets = Float[np.ndarray, "_ t"]


@dataclass(frozen=True)
class Labels:
    """The chosen targets of every row of the image store, which rows have which role, and the training rows' scale."""

    names: list[str]
    units: list[str]
    ids: Shaped[np.ndarray, " n"]
    values: Targets  # physical units
    roles: Mapping[str, Rows]
    mean: Float[np.ndarray, " t"]
    std: Float[np.ndarray, " t"]

    def of(self, role: str) -> Targets:
        """In units of the spread of the training rows, about their mean."""
        return (self.values[self.roles[role]] - self.mean) / self.std

    def table(self, answers: Mapping[str, Targets]) -> pd.DataFrame:
        """The prediction table of such answers, by role."""
        parts = [
            tables.lines(
                role,
                self.ids[self.roles[role]],
                self.names,
                self.units,
                {"truth": self.values[self.roles[role]], "prediction": said * self.std + self.mean},
            )
            for role, said in answers.items()
        ]
        return tables.with_spread(pd.concat(parts, ignore_index=True))


def shortcuts(images: str, described: str, split: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Fit every shortcut on the training rows and write its predictions for the others, by `model`."""
    chosen = params.read(overrides, "baselines")
    store = Store(images)
    frames.check(store)
    table = lenses.read(described, store.rows)
    labels = _labels(split, store)
    profiles, pixels = _pixels(store)
    flux, radius = (table[[name]].to_numpy(np.float64) for name in ("flux", "ring_radius"))
    columns = {"flux": np.log(np.where(flux > 0, flux, np.nan)), "ring_radius": radius, "profile": profiles}
    with threadpool_limits(1):  # or the number of cores would show in the last digits
        answers = {
            "constant": {role: np.zeros_like(labels.of(role)) for role in ANSWERED},
            **{model: _from_trees(labels, column, chosen) for model, column in columns.items()},
            "pca_ridge": _from_pixels(labels, pixels, chosen.components),
        }
    parts = [labels.table(said).assign(model=model) for model, said in answers.items()]
    tables.write(pd.concat(parts, ignore_index=True), target)
    print(f"shortcuts: {', '.join(answers)} for {', '.join(labels.names)}")


def _from_trees(labels: Labels, inputs: Float[np.ndarray, "n k"], chosen: Baselines) -> dict[str, Targets]:
    """Answers by role of one ensemble a target."""
    train = inputs[labels.roles["train"]]
    ensembles = [trees.fitted(train, target, chosen) for target in labels.of("train").T]
    return {
        role: np.stack([tree.predict(inputs[labels.roles[role]]) for tree in ensembles], axis=1) for role in ANSWERED
    }


def _from_pixels(labels: Labels, pixels: Float[np.ndarray, "n p"], components: int) -> dict[str, Targets]:
    train, validation = ((pixels[labels.roles[role]], labels.of(role)) for role in ("train", "validation"))
    ridge = pca_ridge.fit(train, validation, components)
    return {role: ridge.predict(pixels[labels.roles[role]]) for role in ANSWERED}


def _labels(split: str, store: Store) -> Labels:
    """What the split decided of the images, and their targets."""
    decided = json.loads(place(split).read_text())
    if decided["rows"] != store.rows:
        raise InputError(f"{split}: made for {decided['rows']} rows; {store.path} has {store.rows}")
    names, said = decided["targets"], store.attributes
    roles = {role: np.array(rows, dtype=np.int64) for role, rows in decided["roles"].items()}
    values = store.read("targets")[:, [said["target_names"].index(name) for name in names]]
    train = values[roles["train"]]
    for name, column in zip(names, train.T, strict=True):
        if np.ptp(column) == 0:
            raise InputError(f"split.targets: {name} is {column[0]:g} in every training row; there is nothing to learn")
    units = [said["target_units"][name] for name in names]
    return Labels(names, units, store.read("id"), values, roles, train.mean(axis=0), train.std(axis=0))


def _pixels(store: Store) -> tuple[Float[np.ndarray, "n r"], Float[np.ndarray, "n p"]]:
    """The radial profile and the averaged pixels of every row, in one pass over the images."""
    profiles, pixels = [], []
    for start, stop in frames.blocks(store):
        images = frames.read(store, start, stop)
        profiles.append(radial_profile(torch.from_numpy(images[:, 0]))[0].numpy().astype(np.float32))
        pixels.append(frames.pooled(images, PIXELS).astype(np.float32))
    return np.concatenate(profiles), np.concatenate(pixels)


if __name__ == "__main__":
    run(shortcuts, "IMAGES LENSES SPLIT PREDICTIONS")
