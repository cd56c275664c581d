"""An input recipe made ready for images: checked, told of their observation, and computed block by block.

`engineer` computes it for the store that it is made ready with, `predict_shifted` for images that came later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import features
from features import Options
from pipeline.errors import InputError
from pipeline.observation import observation
from pipeline.params import Features
from pipeline.store import Store

BLOCK = 64  # images that features see at a time: larger temporaries would go back to the kernel after every use


@dataclass(frozen=True)
class Recipe:
    """Features with all that they need to know."""

    maps: Options
    vectors: Options
    known: Mapping[str, float]  # of the observation
    channels: list[str]
    columns: list[str]

    @property
    def missing(self) -> list[str]:
        """The columns in which a value may be NaN."""
        return [column for column in self.columns if column.startswith(features.missing(self.vectors))]

    def of_these(self, maps: Options, vectors: Options, bands: int) -> "Recipe":
        """Some of its maps, of as many bands, with all of its vectors or none: what a placebo of it has computed."""
        channels, columns = features.map_names(maps, bands), self.columns if vectors else []
        return replace(self, maps=maps, vectors=vectors, channels=channels, columns=columns)

    def of(self, images: Float[np.ndarray, "n b h w"]) -> dict[str, Float[np.ndarray, "n ..."]]:
        """`maps` (n, c, h, w), and `vectors` (n, k) if the recipe has any, of images in physical units."""
        blocks = torch.from_numpy(images).split(BLOCK)
        made = {"maps": _joined(features.compute_maps(block, self.maps, self.known) for block in blocks)}
        if self.vectors:
            made["vectors"] = _joined(features.compute_vectors(b, self.vectors, self.known)[0] for b in blocks)
        return made


def ready(name: str, chosen: Features, images: Store) -> Recipe:
    """Recipe `name` of params.yaml for a store of images. Raises `InputError` naming what is wrong in it."""
    recipe = chosen.recipes[name]
    maps = stretched(recipe.maps, {key: getattr(chosen, key) for key in ("transform", "softening", "power")})
    _check(name, maps, recipe.vectors)
    known = _known(name, images, chosen.floor, maps, recipe.vectors)
    bands, height, width = images.shape("images")[1:]
    columns = _columns(name, maps, recipe.vectors, torch.zeros(1, bands, height, width), known)
    return Recipe(maps, recipe.vectors, known, features.map_names(maps, bands), columns)


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
