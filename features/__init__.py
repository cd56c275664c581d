"""Features: pure functions from images (n, h, w) to one map (n, h, w) or to one vector (n, k) with named columns.

`MAPS` and `VECTORS` are the tables. To add a feature: write the function, add a line to its table, name it in a recipe
of params.yaml, and test what it means. A recipe names channels and how each is made: `{ring: {sigma: 2}}`, or, for a
second one of the kind, `{thin: {feature: ring, sigma: 1}}`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from features.feature import INVARIANT, OBSERVATION, Feature
from features.fourier import log_power, multipoles
from features.light.bspline import minus_bspline
from features.light.gaussians import minus_gaussians
from features.light.quantile import minus_quantile
from features.radial import radial_profile, radial_residual
from features.ring.ridge import ring
from features.stretch import intensity, pixels

Options = Mapping[str, Mapping[str, Any]]
Table = dict[str, Feature]


def table(*features: Feature) -> Table:
    return {feature.name: feature for feature in features}


MAPS = table(
    Feature(pixels, keeps="the ingested pixels", loses="nothing"),
    Feature(
        intensity,
        keeps="everything, faint parts at a scale that a network sees",
        loses="nothing: it has an inverse",
        flux="a stretch is not linear; log and arcsinh see only the ratio to the sky",
    ),
    Feature(radial_residual, keeps="arcs and clumps", loses="whatever is round: the galaxy, and a complete ring"),
    Feature(
        minus_quantile,
        keeps="arcs, clumps and part of a ring",
        loses="a round galaxy, the faintest level of a complete ring, the mean of the sky",
    ),
    Feature(
        minus_gaussians,
        keeps="arcs, clumps, rings, whatever the galaxy has off its centre",
        loses="the galaxy as ellipses of one centre and position angle, and the faint wings of a ring",
        compiles="its non-negative fits take up to sixty exchanges each: as one graph, minutes of compiling",
    ),
    Feature(
        minus_bspline,
        keeps="arcs, clumps, most of a ring",
        loses="the galaxy with its twists and boxes, and what of a ring is as wide as the galaxy's own changes",
    ),
    Feature(ring, keeps="bright curves of one width", loses="signs, and faint extended light"),
    Feature(
        log_power,
        keeps="how much structure there is at each scale and direction",
        loses="phase, and with it every position",
        flux=0.0,
    ),
)
VECTORS = table(
    Feature(radial_profile, keeps="the round part", loses="whatever depends on angle", turns=INVARIANT),
    Feature(multipoles, keeps="strength of each order of symmetry", loses="directions", turns=INVARIANT),
)


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


def needs(maps: Options, vectors: Options) -> set[str]:
    """What the features of a recipe ask to know about the observation."""
    chosen = [*_chosen(MAPS, maps), *_chosen(VECTORS, vectors)]
    return {need for feature, _ in chosen for need in feature.needs}


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


def _chosen(known: Table, recipe: Options) -> Iterable[tuple[Feature, dict[str, Any]]]:
    """Each line of a recipe as its feature and the options given to it."""
    for label, options in recipe.items():
        yield known[options.get("feature", label)], {key: own for key, own in options.items() if key != "feature"}


def _renamed(column: str, label: str, name: str) -> str:
    """A column's name under the label that the recipe gives its feature."""
    return column if label == name else f"{label}_{column.removeprefix(name).lstrip('_')}"


def _supplied(feature: Feature, observation: Mapping[str, float]) -> dict[str, float]:
    """What a feature asks to know about the observation, out of what there is."""
    return {need: observation[need] for need in feature.needs}


__all__ = ["INVARIANT", "MAPS", "OBSERVATION", "VECTORS", "Feature", "check", "compute_maps", "compute_vectors"]
