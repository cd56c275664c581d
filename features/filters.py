"""Filters: Gaussian derivatives and separable correlation. Not features, but what features stand on."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad


def gaussian_derivative(sigma: float, order: int, like: Tensor) -> Float[Tensor, " k"]:
    """Derivative of a Gaussian of order 0, 1 or 2, sampled at pixels out to four sigma."""
    reach = math.ceil(4 * sigma)
    x = torch.arange(-reach, reach + 1, device=like.device, dtype=torch.float64)
    gaussian = torch.exp(-0.5 * (x / sigma) ** 2)
    gaussian = gaussian / gaussian.sum()
    factor = (torch.ones_like(x), -x / sigma**2, x**2 / sigma**4 - 1 / sigma**2)[order]
    kernel = factor * gaussian
    if order == 2:
        kernel = kernel - kernel.sum() * gaussian  # sampled and cut off, it would see a curve in a flat sky
    return kernel.to(like.dtype)


def separable(
    images: Float[Tensor, "n h w"], vertical: Float[Tensor, " k"], horizontal: Float[Tensor, " k"]
) -> Float[Tensor, "n h w"]:
    """Correlate with a separable kernel; the frame is continued by its mirror image."""
    reach = len(vertical) // 2
    padded = pad(images[:, None], (reach, reach, reach, reach), mode="reflect")
    return conv2d(conv2d(padded, vertical[None, None, :, None]), horizontal[None, None, None, :])[:, 0]


def plain(images: Tensor) -> bool:
    """Whether NumPy and compiled code may take the images: on the CPU, without a gradient, and not being traced."""
    if torch.compiler.is_compiling():
        return False
    traced = torch._C._functorch.is_functorch_wrapped_tensor(images)
    return images.device.type == "cpu" and not images.requires_grad and not traced
