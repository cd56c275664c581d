"""Filters: Gaussian derivatives and separable correlation. Not features, but what features stand on."""

import functools
import math
from collections.abc import Callable, Hashable
from typing import ParamSpec, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

Given = ParamSpec("Given")
Made = TypeVar("Made")


def plain(images: Tensor) -> bool:
    """Whether NumPy may work on the memory of a tensor: on the CPU, without a gradient, and not traced."""
    return not (
        torch.compiler.is_compiling()
        or images.device.type != "cpu"
        or images.requires_grad
        or torch._C._functorch.is_functorch_wrapped_tensor(images)  # by vmap, grad or jvp
        or torch.autograd.forward_ad.unpack_dual(images).tangent is not None
    )


def remembered(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Keep the last results of a function of plain values; to `torch.compile` they are constants."""
    recall: Callable[..., Made] = functools.lru_cache(maxsize=32)(function)

    @torch.compiler.assume_constant_result
    @functools.wraps(function)
    def remember(*given: Hashable) -> Made:
        return recall(*given)

    return remember  # keyword arguments are not passed on: a key has one spelling


def ordered(values: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """The values of every image in ascending order. NumPy's vectorised sort is several times as fast as torch's."""
    if not plain(values):
        return values.sort(dim=1).values
    ascending = values.clone(memory_format=torch.contiguous_format)
    ascending.numpy().sort(axis=1)
    return ascending


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
