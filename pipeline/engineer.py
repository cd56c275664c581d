"""Stage `engineer`: the channels and vectors of one input recipe, row by row of the image store.

python -m pipeline.engineer engineered data/images.zarr data/engineered/engineered.zarr
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

import features
from pipeline import fingerprint, params, recipes, store
from pipeline.command import run
from pipeline.recipes import Recipe
from pipeline.store import Array, Store


def engineer(name: str, source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Compute recipe `name` for the images in the store `source` and write it to the store `target`."""
    chosen, transform, softening, power, floor = params.read(
        overrides,
        f"features.recipes.{name}",
        "features.transform",
        "features.softening",
        "features.power",
        "features.floor",
    )
    how = params.read(overrides, "engine")
    images = Store(source)
    stretch = {"transform": transform, "softening": softening, "power": power}
    recipe = recipes.ready(name, chosen, stretch, floor, images)
    for label, lost in features.per_image(recipe.maps, recipe.vectors).items():
        print(f"engineer: {name}: {label} has a scale of each image's own, and loses {lost}")
    channels, columns = recipe.channels, recipe.columns
    height, width = images.shape("images")[2:]
    arrays = [Array("maps", "float32", (len(channels), height, width), ("c", "h", "w"), "", "map features")]
    if columns:
        arrays.append(Array("vectors", "float32", (len(columns),), ("k",), "", "vector features"))
    described = {
        "channels": channels,
        "columns": columns,
        "observation": recipe.known,
        "symmetries": features.symmetries(recipe.vectors),
        "missing": recipe.missing,
        "recipe": {"maps": recipe.maps, "vectors": recipe.vectors},
    }
    made_of = fingerprint.digest(images.attributes["shards"], described, fingerprint.code(), torch.__version__)
    store.write(target, images.rows, arrays, _Rows(images, recipe), key=made_of, how=how, **described)
    print(f"engineer: {name}: channels {', '.join(channels)}; {len(columns)} vector columns")


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of every array of the store."""

    images: Store
    recipe: Recipe

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        return self.recipe.of(self.images.read("images", start, stop))


if __name__ == "__main__":
    run(engineer, "RECIPE IMAGES STORE")
