"""Stage `engineer`: the channels and vectors of one input recipe, row by row of the image store.

    python -m pipeline.engineer engineered data/images.zarr data/engineered/engineered.zarr

Of a placebo (`engineered_noise`) what has to be computed for it, and a description: `normalise` makes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import features
from features import Options
from pipeline import fingerprint, params, placebo, store
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.observation import observation
from pipeline.store import Array, Store

BLOCK = 64  # images that features see at a time: larger temporaries would go back to the kernel after every use


def engineer(name: str, source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Compute what the input `name` needs of the images in the store `source`, and write it to the store `target`."""
    chosen, how = params.read(overrides, "features"), params.read(overrides, "engine")
    recipe, kind = chosen.source(name)
    asked = chosen.recipes[recipe]
    asked_maps = stretched(asked.maps, {key: getattr(chosen, key) for key in ("transform", "softening", "power")})
    _check(recipe, asked_maps, asked.vectors)
    images = Store(source)
    known = _known(recipe, images, chosen.floor, asked_maps, asked.vectors)
    bands, height, width = images.shape("images")[1:]
    columns = _columns(recipe, asked_maps, asked.vectors, torch.zeros(1, bands, height, width), known)
    wide = features.map_names(asked_maps, bands)
    stands_in = {"placebo": placebo.described(kind, recipe, wide, columns, bands)} if kind else {}
    maps, vectors = placebo.needed(kind, asked_maps, asked.vectors)
    channels, columns = features.map_names(maps, bands), columns if vectors else []
    for label, lost in features.per_image(maps, vectors).items():
        print(f"engineer: {name}: {label} has a scale of each image's own, and loses {lost}")
    described = {
        "channels": channels,
        "columns": columns,
        "observation": known,
        "symmetries": features.symmetries(asked.vectors),
        "missing": [column for column in columns if column.startswith(features.missing(vectors))],
        "recipe": {"maps": maps, "vectors": vectors},
        **stands_in,
    }
    made_of = fingerprint.digest(images.attributes["shards"], described, fingerprint.code(), torch.__version__)
    arrays, rows = _arrays(len(channels), len(columns), (height, width)), _Rows(images, maps, vectors, known)
    store.write(target, images.rows, arrays, rows, key=made_of, how=how, **described)
    print(f"engineer: {name}: channels {', '.join(channels)}; {len(columns)} vector columns")


def _arrays(channels: int, columns: int, frame: tuple[int, int]) -> list[Array]:
    maps = Array("maps", "float32", (channels, *frame), ("c", "h", "w"), "", "map features")
    return [maps, Array("vectors", "float32", (columns,), ("k",), "", "vector features")] if columns else [maps]


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of every array of the store, features computed block by block."""

    images: Store
    maps: Options
    vectors: Options
    known: Mapping[str, float]  # of the observation

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        blocks = torch.from_numpy(self.images.read("images", start, stop)).split(BLOCK)
        made = {"maps": _joined(features.compute_maps(block, self.maps, self.known) for block in blocks)}
        if self.vectors:
            made["vectors"] = _joined(features.compute_vectors(b, self.vectors, self.known)[0] for b in blocks)
        return made


def stretched(maps: Options, stretch: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The recipe's maps with the data set's stretch given to `intensity`, where the recipe does not give its own."""
    return {
        label: {**(stretch if options.get("feature", label) == "intensity" else {}), **options}
        for label, options in maps.items()
    }


def _known(recipe: str, images: Store, floor: float, maps: Options, vectors: Options) -> dict[str, float]:
    try:
        return observation(images, floor, features.needs(maps, vectors))
    except InputError as error:
        raise InputError(f"features.recipes.{recipe}: {error}") from None


def _check(name: str, maps: Options, vectors: Options) -> None:
    try:
        features.check(maps, vectors)
    except ValueError as error:
        raise InputError(f"features.recipes.{name}.{error}") from None


def _columns(recipe: str, maps: Options, vectors: Options, blank: Tensor, known: Mapping[str, float]) -> list[str]:
    """Names of the vector columns. Tries every feature on a blank frame: a bad option shows here, not in an hour."""
    columns: list[str] = []
    for kind, features_of_kind in (("maps", maps), ("vectors", vectors)):
        for name, options in features_of_kind.items():
            try:
                if kind == "maps":
                    features.compute_maps(blank, {name: options}, known)
                else:
                    columns += features.compute_vectors(blank, {name: options}, known)[1]
            except (ValueError, TypeError) as error:
                raise InputError(f"features.recipes.{recipe}.{kind}.{name}: {error}") from error
    return columns


def _joined(parts: Iterable[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).numpy()


if __name__ == "__main__":
    run(engineer, "RECIPE IMAGES STORE")
