"""Compiled for the CPU: weighted sums of four neighbouring pixels, for several images at a time.

A point costs each image four loads from far apart if it is taken alone. Here a few images are interleaved first, so
that what is loaded for a point is a vector with one pixel of each.
"""

import numpy as np
from jaxtyping import Float, Int

from features.geometry.compiled import compiler

U = np.uintp  # an index that cannot be negative needs no look at its sign
Images = Float[np.ndarray, "n p"]
POINTS = 128  # whose sums stay in the nearest cache
compiled = compiler()


@compiled
def interleave(images: Images, mixed: Float[np.ndarray, "p m"]) -> None:
    """Pixels first, images second; eight images at a time, so that what is written is a line of memory."""
    for start in range(0, images.shape[0], 8):
        for pixel in range(images.shape[1]):
            for i in range(start, min(start + 8, images.shape[0])):
                mixed[U(pixel), U(i)] = images[U(i), U(pixel)]


@compiled
def sums(
    mixed: Float[np.ndarray, "p m"],
    first: Int[np.ndarray, " k"],
    weights: Float[np.ndarray, "k 4"],
    width: int,
    made: Float[np.ndarray, "k m"],
) -> None:
    """The four pixels from `first` on in two rows, by their weights."""
    for k in range(len(first)):
        pixel = U(first[k])
        a, b, c, d = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
        upper, upper_right = mixed[pixel], mixed[pixel + U(1)]
        lower, lower_right = mixed[pixel + U(width)], mixed[pixel + U(width) + U(1)]
        point = made[k]
        for i in range(mixed.shape[1]):
            point[i] = (a * upper[i] + b * upper_right[i]) + (c * lower[i] + d * lower_right[i])


@compiled
def read(
    images: Images,
    first: Int[np.ndarray, " k"],
    weights: Float[np.ndarray, "k 4"],
    width: int,
    at_once: int,
    made: Float[np.ndarray, "n k"],
) -> None:
    """Every image at every point."""
    mixed = np.empty((images.shape[1], at_once), images.dtype)
    tile = np.empty((POINTS, at_once), images.dtype)
    for start in range(0, len(images), at_once):
        stop = min(start + at_once, len(images))
        interleave(images[start:stop], mixed)  # of a short last batch, some columns are left from the one before
        for k in range(0, len(first), POINTS):
            end = min(k + POINTS, len(first))
            sums(mixed, first[k:end], weights[k:end], width, tile)
            interleave(tile[: end - k, : stop - start].T, made[start:stop, k:end].T)
