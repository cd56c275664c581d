"""Stage `engineer`: the channels and vectors of one input recipe, row by row of the image store.

    python -m pipeline.engineer engineered data/images.zarr data/engineered/engineered.zarr

Of a placebo (`engineered_noise`) what has to be computed for it, and a description: `normalise` makes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import features
from pipeline import fingerprint, params, placebo, recipes, store
from pipeline.command import run
from pipeline.recipes import Recipe
from pipeline.store import Array, Store


def engineer(name: str, source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Compute what the input `name` needs of the images in the store `source`, and write it to the store `target`."""
    chosen, how = params.read(overrides, "features"), params.read(overrides, "engine")
    recipe, kind = chosen.source(name)
    images = Store(source)
    asked = recipes.ready(recipe, chosen, images)
    bands, height, width = images.shape("images")[1:]
    stands_in = {"placebo": placebo.described(kind, recipe, asked.channels, asked.columns, bands)} if kind else {}
    needed = asked.of_these(*placebo.needed(kind, asked.maps, asked.vectors), bands)
    for label, lost in features.per_image(needed.maps, needed.vectors).items():
        print(f"engineer: {name}: {label} has a scale of each image's own, and loses {lost}")
    described: dict[str, Any] = {
        "channels": needed.channels,
        "columns": needed.columns,
        "observation": needed.known,
        "symmetries": features.symmetries(asked.vectors),
        "missing": needed.missing,
        "recipe": {"maps": needed.maps, "vectors": needed.vectors},
        **stands_in,
    }
    made_of = fingerprint.digest(images.attributes["shards"], described, fingerprint.code(), torch.__version__)
    arrays = _arrays(len(needed.channels), len(needed.columns), (height, width))
    store.write(target, images.rows, arrays, _Rows(images, needed), key=made_of, how=how, **described)
    print(f"engineer: {name}: channels {', '.join(needed.channels)}; {len(needed.columns)} vector columns")


def _arrays(channels: int, columns: int, frame: tuple[int, int]) -> list[Array]:
    maps = Array("maps", "float32", (channels, *frame), ("c", "h", "w"), "", "map features")
    return [maps, Array("vectors", "float32", (columns,), ("k",), "", "vector features")] if columns else [maps]


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of every array of the store."""

    images: Store
    recipe: Recipe

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        return self.recipe.of(self.images.read("images", start, stop))


if __name__ == "__main__":
    run(engineer, "RECIPE IMAGES STORE")
