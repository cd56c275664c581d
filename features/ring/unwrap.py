"""Unwrapping about a centre of each image's own: what the search for the Einstein radius stands on.

All lengths are in pixels of the frame that `coarse` gives. The angles are half a step off the axes, so that the eight
symmetries of the square only reorder them.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, pad

ANGLES = 64
STEP = 0.5  # in radius
MOST = 105  # pixels on the shorter side, above which a frame is binned: the search costs the same on every frame
QUIET = 0.4  # rms of white noise of rms 1 after `smooth` and interpolation


def binning(height: int, width: int) -> int:
    """How many pixels, along each axis, go into one of the coarse frame."""
    return math.ceil(min(height, width) / MOST)


def coarse(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n hb wb"]:
    """Means over blocks of pixels laid out from the middle of the frame; pixels that a block cuts are shared out."""
    block = binning(*images.shape[1:])
    if block == 1:
        return images
    rows, columns = (_shares(side, block, images) for side in images.shape[1:])
    return rows @ images @ columns.T


def _shares(side: int, block: int, like: Tensor) -> Float[Tensor, "blocks side"]:
    """How much of each block lies in each pixel."""
    blocks = side // block
    edges = side / 2 + (torch.arange(blocks + 1, dtype=torch.float64) - blocks / 2) * block
    pixels = torch.arange(side, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (shared.clamp_min(0) / block).to(like)


def smooth(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Blur by (1, 2, 1) / 4 along both axes, about a pixel's worth: bilinear interpolation then loses little more."""
    padded = pad(images[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4


def radii(count: int, like: Tensor) -> Float[Tensor, " r"]:
    """Radii of an unwrapped image; as many as its frame's shorter side reach the nearest edge from the middle."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * STEP


def angles(like: Tensor) -> Float[Tensor, " a"]:
    return (torch.arange(ANGLES, dtype=like.dtype, device=like.device) + 0.5) * (2 * math.pi / ANGLES)


def stretch(ellipse: Float[Tensor, "n 2"]) -> Float[Tensor, "n a"]:
    """Radius of an elliptical isophote over its mean, at every angle; `ellipse` is (cosine, sine) of twice the angle of
    the long axis, times (1 - q) / (1 + q)."""
    phi = angles(ellipse)
    return 1 + ellipse[:, :1] * (2 * phi).cos() + ellipse[:, 1:] * (2 * phi).sin()


def unwrap(
    images: Float[Tensor, "n h w"], centre: Float[Tensor, "n 2"], ellipse: Float[Tensor, "n 2"] | None = None
) -> Float[Tensor, "n r a"]:
    """Bilinear samples at `radii` and `angles` about (x, y) from the middle of the frame, on circles or ellipses.

    Beyond its edge the frame is continued by its edge.
    """
    height, width = images.shape[1:]
    phi, r = angles(images), radii(min(height, width), images)
    along = r[:, None] if ellipse is None else r[:, None] * stretch(ellipse)[:, None, :]
    x = (centre[:, 0, None, None] + along * phi.cos()) * (2 / (width - 1))  # -1 and 1 are the outer pixels' centres
    y = (centre[:, 1, None, None] + along * phi.sin()) * (2 / (height - 1))
    where = torch.stack([x, y], dim=-1)
    return grid_sample(images[:, None], where, mode="bilinear", padding_mode="border", align_corners=True)[:, 0]
