"""Geometry: radius, angle and annuli of a frame, and means over these. Not features, but what features stand on.

The centre of a frame is ((h - 1) / 2, (w - 1) / 2), on even and odd frames alike: the middle of the pixel grid, which
the four quarter turns leave in place.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def offsets(height: int, width: int, like: Tensor) -> tuple[Float[Tensor, "h 1"], Float[Tensor, "1 w"]]:
    """Distance of every row and column from the centre, pixels, on the device and in the dtype of `like`."""
    y = torch.arange(height, device=like.device, dtype=like.dtype) - (height - 1) / 2
    x = torch.arange(width, device=like.device, dtype=like.dtype) - (width - 1) / 2
    return y[:, None], x[None, :]


def radius(height: int, width: int, like: Tensor) -> Float[Tensor, "h w"]:
    """Distance of every pixel from the centre, pixels."""
    y, x = offsets(height, width, like)
    return (x**2 + y**2).sqrt()


def angle(height: int, width: int, like: Tensor) -> Float[Tensor, "h w"]:
    """Position angle of every pixel about the centre, radians from +x (columns) towards +y (rows)."""
    y, x = offsets(height, width, like)
    return torch.atan2(y.expand(height, width), x.expand(height, width))


def annulus(height: int, width: int, thickness: float, like: Tensor) -> Int[Tensor, "h w"]:
    """Number of the annulus that holds each pixel, centre first, each `thickness` pixels wide.

    Annuli that hold no pixel (the first one of an even frame, if it is thin) are skipped in the numbering, so
    that every number from 0 to the largest occurs.
    """
    if not thickness > 0:
        raise ValueError(f"width: an annulus {thickness:g} pixels wide holds nothing; it must be above zero")
    # in float64 whatever `like` is, so that a pixel on an edge falls the same way in every precision
    ring = (radius(height, width, torch.empty(0, dtype=torch.float64)) / thickness).floor()
    return torch.unique(ring, return_inverse=True)[1].to(like.device)


def whole_annuli(rings: Int[Tensor, "h w"], thickness: float) -> int:
    """How many annuli, centre first, the frame does not cut; the innermost always counts."""
    height, width = rings.shape
    reach = max(1, math.floor(min(height, width) / 2 / thickness)) * thickness
    within = radius(height, width, torch.empty(0, dtype=torch.float64, device=rings.device)) < reach
    return int(rings[within].max()) + 1


def annulus_means(images: Float[Tensor, "n h w"], rings: Int[Tensor, "h w"]) -> Float[Tensor, "n r"]:
    """Mean of every image over every annulus of the frame."""
    flat = rings.flatten()
    pixels = flat.bincount()  # (r,)
    sums = images.new_zeros(len(images), len(pixels)).index_add_(1, flat, images.flatten(1))
    return sums / pixels
