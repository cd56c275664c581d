"""Features: pure functions from images (n, h, w) to one map (n, h, w) or to one vector (n, k) with named columns.

`MAPS` and `VECTORS` are the tables. To add a feature: write the function, add it to its table, name it in a recipe of
params.yaml, and test what it means. Its keyword arguments with defaults are its options; one without a default
(`sky_rms`) is something it needs to know of the observation, and is supplied by `compute_maps` and `compute_vectors`.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from features.fourier import log_power, multipoles
from features.radial import radial_profile, radial_residual
from features.ring import ring
from features.stretch import intensity, pixels

Options = Mapping[str, Mapping[str, Any]]

MAPS: dict[str, Callable[..., Tensor]] = {f.__name__: f for f in (pixels, intensity, radial_residual, ring, log_power)}
VECTORS: dict[str, Callable[..., tuple[Tensor, list[str]]]] = {f.__name__: f for f in (radial_profile, multipoles)}


def compute_maps(
    images: Float[Tensor, "n b h w"], recipe: Options, observation: Mapping[str, float]
) -> Float[Tensor, "n c h w"]:
    """The map features of a recipe as channels: every band of the first feature, then of the next."""
    channels = [
        MAPS[name](images[:, band], **options, **_supplied(MAPS[name], observation))
        for name, options in recipe.items()
        for band in range(images.shape[1])
    ]
    return torch.stack(channels, dim=1)


def compute_vectors(
    images: Float[Tensor, "n b h w"], recipe: Options, observation: Mapping[str, float]
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """The vector features of a recipe, of the reference band (the first), side by side, with their columns' names."""
    vectors = [
        VECTORS[name](images[:, 0], **options, **_supplied(VECTORS[name], observation))
        for name, options in recipe.items()
    ]
    values = torch.cat([values for values, _ in vectors], dim=1) if vectors else images.new_zeros(len(images), 0)
    return values, [column for _, columns in vectors for column in columns]


def map_names(recipe: Options, bands: int) -> list[str]:
    """Names of the channels that `compute_maps` gives."""
    return [name if bands == 1 else f"{name}_{band}" for name in recipe for band in range(bands)]


def needs(maps: Options, vectors: Options) -> set[str]:
    """What the features of a recipe ask to know about the observation."""
    chosen = [MAPS[name] for name in maps] + [VECTORS[name] for name in vectors]
    return {need for feature in chosen for need in _needs(feature)}


def check(maps: Options, vectors: Options) -> None:
    """Raise `ValueError` if a recipe names a feature or an option that does not exist."""
    for kind, table, recipe in (("maps", MAPS, maps), ("vectors", VECTORS, vectors)):
        for name, options in recipe.items():
            if name not in table:
                raise ValueError(f"{kind}: no feature {name!r}; there are {', '.join(table)}")
            known = [p.name for p in _parameters(table[name]) if p.default is not Parameter.empty]
            for option in options:
                if option not in known:
                    raise ValueError(f"{kind}.{name}: no option {option!r}; there are {', '.join(known) or 'none'}")


def _parameters(feature: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a feature beside its images."""
    _, *rest = signature(feature).parameters.values()
    return rest


def _needs(feature: Callable[..., Any]) -> list[str]:
    """The names of its parameters that have no default."""
    return [p.name for p in _parameters(feature) if p.default is Parameter.empty]


def _supplied(feature: Callable[..., Any], observation: Mapping[str, float]) -> dict[str, float]:
    """What a feature asks to know about the observation, out of what there is."""
    return {need: observation[need] for need in _needs(feature)}
