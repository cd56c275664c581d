"""Features: pure functions from images (n, h, w) to one map (n, h, w) or to one vector (n, k) with named columns.

`MAPS` and `VECTORS` are the tables. To add a feature: write the function, add a line to `table.py`, name it in a recipe
of params.yaml, and test what it means. A recipe names channels and how each is made: `{ridge: {sigmas: [2]}}`, or,
for a second one of the kind, `{thin: {feature: ridge, sigmas: [1]}}`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from features.feature import INVARIANT, OBSERVATION, Feature
from features.table import MAPS, VECTORS, Table

Options = Mapping[str, Mapping[str, Any]]


def compute_maps(
    images: Float[Tensor, "n b h w"], recipe: Options, observation: Mapping[str, float]
) -> Float[Tensor, "n c h w"]:
    """The map features of a recipe as channels: every band of the first feature, then of the next."""
    channels = [
        made.compute(images[:, band], **options, **_supplied(made, observation))
        for made, options in _chosen(MAPS, recipe)
        for band in range(images.shape[1])
    ]
    return torch.stack(channels, dim=1)


def compute_vectors(
    images: Float[Tensor, "n b h w"], recipe: Options, observation: Mapping[str, float]
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """The vector features of a recipe, of the reference band (the first), side by side, with their columns' names."""
    vectors = [
        made.compute(images[:, 0], **options, **_supplied(made, observation))
        for made, options in _chosen(VECTORS, recipe)
    ]
    values = torch.cat([values for values, _ in vectors], dim=1) if vectors else images.new_zeros(len(images), 0)
    names = [
        _renamed(column, label, made.name)
        for (label, (made, _), (_, columns)) in zip(recipe, _chosen(VECTORS, recipe), vectors, strict=True)
        for column in columns
    ]
    return values, names


def map_names(recipe: Options, bands: int) -> list[str]:
    """Names of the channels that `compute_maps` gives."""
    return [name if bands == 1 else f"{name}_{band}" for name in recipe for band in range(bands)]


def needs(maps: Options, vectors: Options) -> dict[str, str]:
    """What the features of a recipe ask to know about the observation, and which of them asks."""
    return {need: label for label, feature in _features(maps, vectors) for need in feature.needs}


def per_image(maps: Options, vectors: Options) -> dict[str, str]:
    """What is lost by the features of a recipe whose scale is each image's own."""
    return {label: feature.per_image for label, feature in _features(maps, vectors) if feature.per_image}


def missing(vectors: Options) -> tuple[str, ...]:
    """The vectors of a recipe in which a value may be NaN."""
    return tuple(label for label, feature in _features({}, vectors) if feature.missing)


def symmetries(vectors: Options) -> dict[str, tuple[str, ...]]:
    """What each vector of a recipe is promised to stay the same under: `d4`, the symmetries of the square, or nothing.

    No promise is made of other angles, which resample the image, nor of shifts, which move it off the frame's centre.
    """
    chosen = zip(vectors, _chosen(VECTORS, vectors), strict=True)
    return {
        label: ("d4",) if feature.turns == INVARIANT and not options.get(feature.oriented) else ()
        for label, (feature, options) in chosen
    }


def check(maps: Options, vectors: Options) -> None:
    """Raise `ValueError` if a recipe names a feature or an option that does not exist."""
    for kind, known, recipe in (("maps", MAPS, maps), ("vectors", VECTORS, vectors)):
        for label, options in recipe.items():
            name = options.get("feature", label)
            if name not in known:
                raise ValueError(f"{kind}: no feature {name!r}; there are {', '.join(known)}")
            for option in options:
                if option not in known[name].options and option != "feature":
                    there = ", ".join(known[name].options) or "none"
                    raise ValueError(f"{kind}.{label}: no option {option!r}; there are {there}")


def _features(maps: Options, vectors: Options) -> Iterable[tuple[str, Feature]]:
    """The label and the feature of each line of a recipe."""
    for known, recipe in ((MAPS, maps), (VECTORS, vectors)):
        yield from ((label, feature) for label, (feature, _) in zip(recipe, _chosen(known, recipe), strict=True))


def _chosen(known: Table, recipe: Options) -> Iterable[tuple[Feature, dict[str, Any]]]:
    """Each line of a recipe as its feature and the options given to it."""
    for label, options in recipe.items():
        yield known[options.get("feature", label)], {key: own for key, own in options.items() if key != "feature"}


def _renamed(column: str, label: str, name: str) -> str:
    """A column's name under the label that the recipe gives its feature."""
    return column if label == name else f"{label}{column.removeprefix(name).removeprefix(name.removesuffix('s'))}"


def _supplied(feature: Feature, observation: Mapping[str, float]) -> dict[str, float]:
    """What a feature asks to know about the observation, out of what there is."""
    return {need: observation[need] for need in feature.needs}


__all__ = ["INVARIANT", "MAPS", "OBSERVATION", "VECTORS", "Feature", "check", "compute_maps", "compute_vectors"]
