"""Filters: Gaussians and their derivatives, as matrices. Not features, but what features stand on.

A correlation along an axis is a product with a banded matrix, and the mirror image that continues the frame is folded
into its first and last columns. So it is exact on every device, it differentiates, compiles and maps, and a batch of
small frames is two matrix products.
"""

import math
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import pad


def plain(images: Tensor) -> bool:
    """Whether nothing but the values is asked for: on the CPU, without a gradient, not traced or mapped.

    Only then can NumPy, OpenCV or Numba work on the memory.
    """
    return not (
        torch.compiler.is_compiling()
        or images.device.type != "cpu"
        or images.dtype not in (torch.float32, torch.float64)
        or images.requires_grad
        or torch._C._functorch.is_functorch_wrapped_tensor(images)  # by vmap, grad or jvp
        or torch.autograd.forward_ad.unpack_dual(images).tangent is not None
    )


def fits(name: str, sigma: float, frame: tuple[int, int]) -> None:
    """Refuse a Gaussian, given as option `name`, that does not suit the frame: it is cut off at four sigma."""
    side = min(frame)
    if not 0 < 4 * sigma <= side - 1:
        raise ValueError(f"{name}: {sigma:g} pixels; it must be above zero, and four of it within the frame's {side}")


def rounding(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n 1 1"]:
    """Differences of an image that are no more than rounding errors: those that a flat image has, with a margin."""
    return 64 * torch.finfo(images.dtype).eps * images.abs().amax(dim=(1, 2), keepdim=True)


Given = ParamSpec("Given")
Made = TypeVar("Made")


def unseen(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """What it returns is a constant to `torch.compile`: `torch.compiler.assume_constant_result`, which for this mark
    alone would import the compiler, two seconds of a stage's start."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def remembered(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Keep the last results of a function of plain values; to `torch.compile` they are constants."""
    recall: Callable[..., Made] = lru_cache(maxsize=32)(function)

    @unseen
    @wraps(function)
    def remember(*given: Hashable) -> Made:
        return recall(*given)

    return remember  # type: ignore[return-value]  # keyword arguments are not passed on: a key has one spelling


def ordered(values: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """The values of every image in ascending order. NumPy's vectorised sort is several times as fast as torch's."""
    if not plain(values):
        return values.sort(dim=1).values
    ascending = values.clone(memory_format=torch.contiguous_format)
    ascending.numpy().sort(axis=1)
    return ascending


def sorted_quantile(ascending: Float[Tensor, "n p"], fraction: float) -> Float[Tensor, " n"]:
    """Linear between order statistics, as NumPy's default."""
    place = fraction * (ascending.shape[1] - 1)
    below, above = math.floor(place), math.ceil(place)
    return torch.lerp(ascending[:, below], ascending[:, above], place - below)


def b3_smooth(images: Float[Tensor, "n h w"], step: int) -> Float[Tensor, "n h w"]:
    """Smooth by the B3-spline (1, 4, 6, 4, 1) / 16 along both axes, its taps `step` pixels apart ("a trous").

    The frame is continued by its mirror image about the outermost pixels, which the eight symmetries of the square
    leave as it is.
    """
    reach = 2 * step
    tall = _four_pairs(pad(images, (0, 0, reach, reach), mode="reflect"), step, 1)
    return _four_pairs(pad(tall, (reach, reach, 0, 0), mode="reflect"), step, 2) / 256


def _four_pairs(padded: Tensor, step: int, axis: int) -> Tensor:
    """Four times the sum of a pixel and its neighbour, (1, 1)^4 = (1, 4, 6, 4, 1): fewer passes than five taps."""
    for _ in range(4):
        length = padded.shape[axis] - step
        padded = padded.narrow(axis, 0, length) + padded.narrow(axis, step, length)
    return padded


def gaussian_derivative(sigma: float, order: int, like: Tensor) -> Float[Tensor, " k"]:
    """Derivative of a Gaussian of order 0, 1 or 2, sampled at pixels out to four sigma."""
    return torch.from_numpy(_kernel(sigma, order)).to(like)


def separable(
    images: Float[Tensor, "n h w"], vertical: Float[Tensor, " k"], horizontal: Float[Tensor, " k"]
) -> Float[Tensor, "n h w"]:
    """Correlate with a separable kernel; the frame is continued by its mirror image."""
    down, across = (
        torch.zeros(length, length, dtype=images.dtype, device=images.device).scatter_add(
            1,
            torch.from_numpy(_mirrored(length, len(kernel) // 2)).to(images.device),
            kernel.expand(length, len(kernel)),
        )
        for kernel, length in ((vertical, images.shape[1]), (horizontal, images.shape[2]))
    )
    return down @ images @ across.T


def blurred(images: Float[Tensor, "n h w"], sigma: float, down: int = 0, across: int = 0) -> Float[Tensor, "n h w"]:
    """The image blurred by a Gaussian, or its derivative of these orders (0, 1, 2) down the rows and across."""
    vertical, horizontal = (
        torch.from_numpy(_matrix(sigma, order, length)).to(images)
        for order, length in ((down, images.shape[1]), (across, images.shape[2]))
    )
    return vertical @ (images @ horizontal.T)


def _kernel(sigma: float, order: int) -> Float64[np.ndarray, " k"]:
    reach = math.ceil(4 * sigma)
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    gaussian = np.exp(-0.5 * (x / sigma) ** 2)
    gaussian = gaussian / gaussian.sum()
    factor = (np.ones_like(x), -x / sigma**2, x**2 / sigma**4 - 1 / sigma**2)[order]
    kernel = factor * gaussian
    if order == 2:
        kernel = kernel - kernel.sum() * gaussian  # sampled and cut off, it would see a curve in a flat sky
    return kernel


def _mirrored(length: int, reach: int) -> np.ndarray:
    """(length, k) The pixel of an axis that each tap of a kernel falls on, at each of its places."""
    at = np.abs(np.arange(length)[:, None] + np.arange(-reach, reach + 1))
    return np.where(at < length, at, 2 * (length - 1) - at)


def _build(sigma: float, order: int, length: int) -> Float64[np.ndarray, "length length"]:
    kernel = _kernel(sigma, order)
    reach = len(kernel) // 2
    to, of = np.arange(length)[:, None], np.arange(length)  # a pixel, and each that it is a sum of

    def tap(step: np.ndarray) -> np.ndarray:
        return np.where(np.abs(step) <= reach, kernel[np.clip(step + reach, 0, 2 * reach)], 0)

    last = length - 1  # the first and last pixel are their own mirror images
    return tap(of - to) + tap(-of - to) * (of > 0) + tap(2 * last - of - to) * (of < last)


_kept = lru_cache(maxsize=256)(_build)


def _matrix(sigma: float, order: int, length: int) -> Float64[np.ndarray, "length length"]:
    """The matrix that correlates an axis of so many pixels with a derivative of a Gaussian."""
    build = _build if torch.compiler.is_compiling() else _kept  # the compiler warns of caches, and folds this anyway
    return build(sigma, order, length)
