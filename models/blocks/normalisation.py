"""Normalisation of maps by name."""

from collections.abc import Callable

from torch import nn

NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "none": lambda channels: nn.Identity(),
}


def normalisation(name: str, channels: int) -> nn.Module:
    """A fresh layer for maps (n, c, h, w). Raises `ValueError` for a name that does not exist."""
    if name not in NORMALISATIONS:
        raise ValueError(f"norm: no {name!r}; there are {', '.join(NORMALISATIONS)}")
    return NORMALISATIONS[name](channels)
