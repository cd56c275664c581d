"""Band-pass: the part of an image between two scales."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry.constant import constant


def band_pass(
    images: Float[Tensor, "n h w"], low: float = 0.05, high: float = 0.25, softness: float = 0.25
) -> Float[Tensor, "n h w"]:
    """The structure between `low` and `high` cycles per pixel, wavelengths of 1 / high to 1 / low pixels.

    Linear. Each edge c falls as half a cosine from c (1 - softness) to c (1 + softness), so that bands that share an
    edge add up: 0 to a, a to b and b to 1 are the image again. The frame is continued by its mirror image (the
    transform is a cosine transform, DCT-II), so that its edges add no structure. What lies outside the band is lost:
    with `low` above zero, the mean.
    """
    height, width = images.shape[1], images.shape[2]
    lowest, highest = 1 / (2 * max(height, width)), math.hypot(0.5, 0.5)
    if not 0 <= softness < 1:
        raise ValueError(f"softness: {softness:g} of an edge; it must be from 0 to below 1")
    if not 0 <= low < high:
        raise ValueError(f"low: {low:g} cycles per pixel; it must be at least zero and below high, {high:g}")
    if low * (1 - softness) >= highest or high * (1 + softness) <= lowest:
        frame = f"a frame of {height} x {width} pixels holds {lowest:.2g} to {highest:.2g}"
        raise ValueError(f"{'high' if high < highest else 'low'}: no frequency from {low:g} to {high:g}; {frame}")
    rows, columns = (constant(_cosines, length, like=images) for length in (height, width))
    passed = constant(_passed, height, width, float(low), float(high), float(softness), like=images)
    return rows.T @ ((rows @ (images @ columns.T)) * passed) @ columns


def _cosines(length: int) -> Float[Tensor, "length length"]:
    """The orthonormal DCT-II: row k is a cosine of k / (2 length) cycles per pixel."""
    k, x = torch.arange(length, dtype=torch.float64)[:, None], torch.arange(length, dtype=torch.float64) + 0.5
    norm = torch.where(k == 0, 1.0, 2.0).double() / length
    return norm.sqrt() * torch.cos(torch.pi * k * x / length)


def _passed(height: int, width: int, low: float, high: float, softness: float) -> Float[Tensor, "h w"]:
    """What is passed of every cosine."""
    rows, columns = (torch.arange(length, dtype=torch.float64) / (2 * length) for length in (height, width))
    f = torch.hypot(rows[:, None], columns)
    return _below(f, high, softness) - _below(f, low, softness)


def _below(f: Tensor, edge: float, softness: float) -> Tensor:
    """One below the edge, zero above, half a cosine between."""
    if edge == 0 or softness == 0:
        return (f < edge).double()
    past = ((f / edge - 1 + softness) / (2 * softness)).clamp(0, 1)  # of the fall
    return (1 + torch.cos(torch.pi * past)) / 2
