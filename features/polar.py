"""Polar features: an image unrolled about its centre, radius down and angle across.

A ring is a row, and turning the image rolls the map sideways. The angle axis is circular: column w - 1 is next to
column 0, which a convolution should know (circular padding).
"""

import math

from jaxtyping import Float
from torch import Tensor

from features.geometry.polar import unwrap


def polar(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """The image at h radii from the centre to half the frame's shorter side, and at w angles around it.

    Row i is radius (i + 1/2) min(h, w) / 2h and column j is angle 2 pi (j + 1/2) / w from +x (columns) towards +y
    (rows), so that no row is the centre alone, mirror images are mirror images, and quarter turns roll the map by w / 4
    where w is a multiple of four. Bilinear; the corners of the frame are lost, and so is detail at the outer radii,
    where neighbours are more than a pixel apart unless w > 2 pi r. At small radii they share pixels.
    """
    height, width = _frame(images)
    reach = min(height, width) / 2
    return unwrap(images, [(i + 0.5) / height * reach for i in range(height)], _angles(width))


def log_polar(images: Float[Tensor, "n h w"], inner: float = 1.0) -> Float[Tensor, "n h w"]:
    """The same at radii in equal steps of their logarithm, from `inner` pixels to half the frame's shorter side.

    A larger image of the same shape is shifted down (Reddy & Chatterji 1996, IEEE Trans. Image Process. 5, 1266).
    Row i is radius inner (min(h, w) / 2 inner)^((i + 1/2) / h). What lies within `inner` is lost as well.
    """
    height, width = _frame(images)
    reach = min(height, width) / 2
    if not 0 < inner < reach:
        raise ValueError(f"inner: {inner:g} pixels; it must be above zero and below half the frame, {reach:g}")
    return unwrap(images, [inner * (reach / inner) ** ((i + 0.5) / height) for i in range(height)], _angles(width))


def _frame(images: Float[Tensor, "n h w"]) -> tuple[int, int]:
    height, width = images.shape[1], images.shape[2]
    if min(height, width) < 2:
        raise ValueError(f"images: a frame of {height} x {width} pixels has nothing to unroll; it takes 2 x 2")
    return height, width


def _angles(number: int) -> list[float]:
    return [2 * math.pi * (j + 0.5) / number for j in range(number)]
