"""What every head begins with, and the numbers that it ends in."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from models.blocks.activation import activation as activation_named
from models.blocks.options import one_of

NORMS: dict[str, Callable[[int], nn.Module]] = {"none": nn.Identity, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}


class Perceptron(nn.Sequential):
    """From features (n, f) to features (n, `width`): for each of `widths`, a linear layer, `norm` and `activation`.

    Dropout comes before every linear layer, that of the head's outputs included, so that it acts without `widths` too:
    then this is nothing else, and the head is linear in the trunk's features.
    """

    def __init__(
        self,
        width: int,
        widths: Sequence[int] = (),
        dropout: float = 0.0,
        norm: str = "none",
        activation: str = "relu",
    ) -> None:
        if min(widths, default=1) < 1:
            raise ValueError(f"widths: {list(widths)}; each must be at least 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: {dropout:g}; it must be at least 0 and below 1")
        one_of("norm", norm, NORMS)
        activation_named(activation)  # refuse a wrong name although there may be no layer for it
        layers: list[nn.Module] = []
        for a, b in zip([width, *widths], widths, strict=False):
            layers += [nn.Dropout(dropout), nn.Linear(a, b), NORMS[norm](b), activation_named(activation)]
        super().__init__(*layers, nn.Dropout(dropout))
        self.width = [width, *widths][-1]


def single(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """In single precision at least: the eight bits of bfloat16 do not do for logarithms, squares and running sums."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def positive(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Any number to one above zero, and zero to one: softplus in units of ln 2. Linear far above, so no overflow."""
    return softplus(values) / math.log(2)
