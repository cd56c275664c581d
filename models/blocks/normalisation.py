"""Normalisation layers by name."""

from collections.abc import Callable

from torch import nn

GROUPS = 8

NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(GROUPS, channels),
    "none": lambda channels: nn.Identity(),
}


def normalisation(name: str, channels: int) -> nn.Module:
    """The named layer for maps (n, channels, h, w)."""
    if name not in NORMALISATIONS:
        raise ValueError(f"norm: no {name!r}; there are {', '.join(NORMALISATIONS)}")
    return NORMALISATIONS[name](channels)
