"""The annulus response: how much brighter an image is on circles about its middle than next to them."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import radius

INNER, OUTER = 0.1, 0.9  # of half the shorter side: the first and the last trial radius


def annulus_response(
    images: Float[Tensor, "n h w"], count: int = 16, width: float = 1.5
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Matched response at `count` trial radii from 0.1 to 0.9 of half the shorter side, evenly spaced.

    The mean over a soft annulus, a Gaussian of `width` pixels in radius, minus that over one twice as wide: of a flat
    sky it is zero, of a ring largest at its own radius, of a galaxy small. Whatever depends on angle is lost.
    """
    height, wide = images.shape[1:]
    reach = min(height, wide) / 2
    if count < 1:
        raise ValueError(f"count: {count} trial radii; there must be at least 1")
    if not 0.5 <= width <= reach / 4:
        raise ValueError(f"width: {width:g} pixels; it must be between 0.5 and {reach / 4:g}, an eighth of the frame")
    weights = _weights(height, wide, count, width).to(images)
    return images.flatten(1) @ weights, [f"annulus_response_{i}" for i in range(count)]


def trial_radii(height: int, width: int, count: int) -> Float[Tensor, " k"]:
    """Pixels."""
    return torch.linspace(INNER, OUTER, count, dtype=torch.float64) * (min(height, width) / 2)


@lru_cache(maxsize=8)
def _weights(height: int, wide: int, count: int, width: float) -> Float[Tensor, "hw k"]:
    """What every pixel counts for at every trial radius; adds up to zero."""
    r = radius(height, wide, torch.empty(0, dtype=torch.float64)).flatten()[:, None]
    off = (r - trial_radii(height, wide, count)) / width
    narrow, broad = torch.exp(-(off**2) / 2), torch.exp(-(off**2) / 8)
    return narrow / narrow.sum(0) - broad / broad.sum(0)
