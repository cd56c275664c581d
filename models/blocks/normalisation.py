"""Normalisation by name."""

from collections.abc import Callable

from torch import nn

NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "none": lambda channels: nn.Identity(),
}


def normalisation(name: str, channels: int) -> nn.Module:
    """The named normalisation of maps of so many channels."""
    if name not in NORMALISATIONS:
        raise ValueError(f"norm: no {name!r}; there are {', '.join(NORMALISATIONS)}")
    return NORMALISATIONS[name](channels)
