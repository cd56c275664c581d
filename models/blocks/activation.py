"""Activations by name."""

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
}


def activation(name: str) -> nn.Module:
    """A fresh layer that acts on each number alone. Raises `ValueError` for a name that does not exist."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation: no {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
