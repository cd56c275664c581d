"""Curvature of an image: the eigenvalues of its Hessian, on every device and, faster, on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import blurred, gaussian_derivative, plain

Pair = tuple[Float[Tensor, "n h w"], Float[Tensor, "n h w"]]


def eigenvalues(images: Float[Tensor, "n h w"], sigma: float) -> Pair:
    """Lower and upper eigenvalue of the Hessian of the image blurred by a Gaussian of width `sigma`, per pixel^2.

    The frame is continued by its mirror image.
    """
    return rowwise(images, sigma) if plain(images) else matrixwise(images, sigma)


def matrixwise(images: Float[Tensor, "n h w"], sigma: float) -> Pair:
    """By matrix products."""
    yy, xx, xy = (blurred(images, sigma, *orders) for orders in ((2, 0), (0, 2), (1, 1)))
    # never quite zero, where a square root has no slope
    half = (((xx - yy) / 2) ** 2 + xy**2).clamp_min(torch.finfo(images.dtype).tiny).sqrt()
    mean = (xx + yy) / 2
    return mean - half, mean + half


def rowwise(images: Float[Tensor, "n h w"], sigma: float) -> Pair:
    """By Numba, a row at a time, which stays in the nearest cache: about five times as fast."""
    from features.ring.rows import eigenvalues  # Numba takes half a second to import

    taps = torch.stack([gaussian_derivative(sigma, order, images) for order in range(3)])
    taps[2] /= 2  # half the second derivatives: their sum is the eigenvalues' mean
    lower, upper = torch.empty_like(images), torch.empty_like(images)
    right = taps[:, taps.shape[1] // 2 :].contiguous()  # each is even or odd
    eigenvalues(images.contiguous().numpy(), right.numpy(), lower.numpy(), upper.numpy())
    return lower, upper
