"""Penalties on weights that are added to the loss. That on squares is not here: it is the optimiser's weight decay."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def l1(model: nn.Module, strength: float) -> Float[Tensor, ""]:
    """`strength` times the sum of absolute weights (the lasso, Tibshirani 1996, J. R. Stat. Soc. B 58, 267).

    Of kernels and matrices alone, like weight decay; with both it is the elastic net (Zou & Hastie 2005). It is part of
    the gradient, so that an adaptive optimiser scales it as it scales the loss's; gradient descent leaves weights near
    zero, not at it.
    """
    if not strength >= 0:
        raise ValueError(f"l1: {strength:g}; it must be zero or above")
    device = next(model.parameters()).device
    weights = [p.abs().sum() for p in model.parameters() if p.ndim > 1]
    return strength * sum(weights, torch.zeros((), device=device))
