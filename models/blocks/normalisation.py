"""Normalisations by name."""

import math
from collections.abc import Callable

from torch import nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(math.gcd(8, channels), channels),
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "none": lambda channels: nn.Identity(),
}


def normalisation(name: str, channels: int) -> nn.Module:
    """A new layer of that name for maps of so many channels."""
    if name not in NORMS:
        raise ValueError(f"norm: no {name!r}; there are {', '.join(NORMS)}")
    return NORMS[name](channels)
