"""Annuli about the centre of a frame, and means over them."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from features.geometry.frame import radius


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
