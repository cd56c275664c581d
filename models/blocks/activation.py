"""Activations by name."""

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish}


def activation(name: str) -> nn.Module:
    """The named function as a module."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation: no {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
