"""The frame: offset, radius and angle of every pixel.

The centre of a frame is ((h - 1) / 2, (w - 1) / 2), on even and odd frames alike: the middle of the pixel grid, which
the four quarter turns leave in place.
"""

import torch
from jaxtyping import Float
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
