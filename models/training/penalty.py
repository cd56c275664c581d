"""A penalty on weights that is added to the loss. That on squares is not here: it is the optimiser's weight decay."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Penalty:
    """`strength` times the sum of absolute weights (the lasso, Tibshirani 1996, J. R. Stat. Soc. B 58, 267).

    Of the weights that decay, which makes both together the elastic net (Zou & Hastie 2005). It is part of the
    gradient, so that an adaptive optimiser scales it as it scales the loss's; gradient descent leaves weights near
    zero, not at it.
    """

    weights: Sequence[Tensor]
    strength: float

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise ValueError(f"l1: {self.strength:g}; it must be zero or above")

    def __call__(self) -> Float[Tensor, ""]:
        if not self.weights:
            return torch.zeros(())
        return self.strength * torch.stack([weight.abs().sum() for weight in self.weights]).sum()
