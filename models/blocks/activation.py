"""Activations by name."""

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish}


def activation(name: str) -> nn.Module:
    """A new layer of that name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation: no {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
