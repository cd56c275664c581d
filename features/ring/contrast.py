"""Contrast: an image against its own surroundings, which keeps arcs and takes away what is smooth on a larger scale."""

import math

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from features.filters import blurred, fits, plain

Map = Float[Tensor, "n h w"]


def difference_of_gaussians(images: Map, sigma: float = 1.0, ratio: float = 1.6) -> Map:
    """The image blurred by `sigma` pixels less that blurred by `ratio` x `sigma`: structure between these sizes.

    At a ratio of 1.6 close to `laplacian_of_gaussian` (Marr & Hildreth 1980, Proc. R. Soc. B 207, 187, appendix B).
    The mean and whatever varies more slowly is lost, and so is detail below `sigma`.
    """
    if not ratio > 1:
        raise ValueError(f"ratio: {ratio:g} does not blur more the second time; it must be above 1")
    fits("sigma", sigma, (images.shape[1], images.shape[2]))
    fits("ratio x sigma", ratio * sigma, (images.shape[1], images.shape[2]))
    return blurred(images, sigma) - blurred(images, ratio * sigma)


def laplacian_of_gaussian(images: Map, sigma: float = 1.5) -> Map:
    """-sigma^2 times the Laplacian of the image blurred by `sigma` pixels: positive on blobs and ridges of that width.

    The mean and every slope is lost, and so is detail below `sigma`. The factor makes responses at several sigma
    comparable (Lindeberg 1998, IJCV 30, 79), the sign makes what is bright positive.
    """
    fits("sigma", sigma, (images.shape[1], images.shape[2]))
    return -(sigma**2) * (blurred(images, sigma, 2, 0) + blurred(images, sigma, 0, 2))


def unsharp(images: Map, sigma: float = 2.0, amount: float = 1.0) -> Map:
    """I + `amount` (I - G * I): detail below `sigma` pixels raised by up to 1 + `amount`, the mean kept.

    Nothing is lost: the mirror image continues the frame, so the filter multiplies each mode of the discrete cosine
    transform (DCT-I) by 1 + amount (1 - g), g the Gaussian's transform, and division by it is the inverse.
    """
    if not amount > 0:
        raise ValueError(f"amount: {amount:g} sharpens nothing; it must be above zero")
    fits("sigma", sigma, (images.shape[1], images.shape[2]))
    return images + amount * (images - blurred(images, sigma))


def white_top_hat(images: Map, radius: int = 5) -> Map:
    """Image less its opening by a disc of `radius` pixels: whatever is bright and too thin to hold the disc.

    A ring thinner than the disc stays, with its full height where the light under it is flat, and what is broader than
    the disc goes. On the flank of a bright galaxy only that much stays by which the ring rises above its inner side:
    on a steep flank nothing. Not linear; never negative. Only pixels in the frame count. Meyer 1979, J. Histochem.
    Cytochem. 27, 128; Serra 1982, Image Analysis and Mathematical Morphology, chapter XII.
    """
    side = min(images.shape[1], images.shape[2])
    if radius != int(radius) or not 1 <= radius <= (side - 1) // 2:
        raise ValueError(f"radius: a disc of {radius:g} pixels; it must be whole, from 1 to {(side - 1) // 2} here")
    return images - (_opening_cv2 if plain(images) else opening)(images, int(radius))


def opening(images: Map, radius: int) -> Map:
    """The brightest disc within the image that covers each pixel, by maxima along rows: on every device."""
    return widest(-widest(-images, radius), radius)


def widest(images: Map, radius: int) -> Map:
    """Maximum over a disc about each pixel."""
    height = images.shape[1]
    half = [math.isqrt(radius**2 - y**2) for y in range(-radius, radius + 1)]  # of the disc's rows
    rows = {reach: max_pool2d(images[:, None], (1, 2 * reach + 1), 1, (0, reach))[:, 0] for reach in set(half)}
    highest = images
    for start, reach in enumerate(half):
        # rows beyond the frame are below everything
        beyond = pad(rows[reach], (0, 0, radius, radius), value=-torch.inf)
        highest = torch.maximum(highest, beyond[:, start : start + height])
    return highest


def _opening_cv2(images: Map, radius: int) -> Map:
    """The same by OpenCV, which ignores what lies beyond the frame too."""
    x = np.arange(-radius, radius + 1)
    footprint = (x[:, None] ** 2 + x**2 <= radius**2).astype(np.uint8)
    opened = [cv2.morphologyEx(image, cv2.MORPH_OPEN, footprint) for image in images.contiguous().numpy()]
    return torch.from_numpy(np.stack(opened)) if opened else images.clone()
