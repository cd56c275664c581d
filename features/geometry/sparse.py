"""Sums over annuli on a CPU: of the product of pixels and annuli, only what is not zero.

A product with the whole matrix is ten times the work and leaves the cache.
"""

import numpy as np
from jaxtyping import Float, UInt

from features.geometry.compiled import compiler

ABREAST = 4  # sums at a time: one alone would wait for itself


def sparse(
    weights: Float[np.ndarray, "q r"],
) -> tuple[UInt[np.ndarray, " e"], UInt[np.ndarray, "l 4"], Float[np.ndarray, "l 4"]]:
    """Lines of four pixels and their weights, annulus after annulus, and the line at which each annulus begins."""
    own = [np.flatnonzero(column) for column in weights.T]
    places = [np.pad(pixels, (0, -len(pixels) % ABREAST), constant_values=pixels[0]) for pixels in own]
    shares = [
        np.where(np.arange(len(place)) < len(pixels), column[place], 0)
        for place, pixels, column in zip(places, own, weights.T, strict=True)
    ]
    begins = np.cumsum([0, *(len(place) // ABREAST for place in places)])
    return (  # unsigned: no index counts from the end
        begins.astype(np.uint64),
        np.concatenate(places).reshape(-1, ABREAST).astype(np.uint32),
        np.concatenate(shares).reshape(-1, ABREAST).astype(weights.dtype),
    )


def sums(
    images: Float[np.ndarray, "n h w"],
    begins: UInt[np.ndarray, " e"],
    places: UInt[np.ndarray, "l 4"],
    shares: Float[np.ndarray, "l 4"],
) -> Float[np.ndarray, "n r"]:
    """Sums over annuli of images whose four quadrants mirror each other in the weights."""
    values = np.empty((len(images), len(begins) - 1), images.dtype)
    _add(images, begins, places, shares, values)
    return values


@compiler("reassoc", "contract", "nsz")
def _add(
    images: Float[np.ndarray, "n h w"],
    begins: UInt[np.ndarray, " e"],
    places: UInt[np.ndarray, "l 4"],
    shares: Float[np.ndarray, "l 4"],
    values: Float[np.ndarray, "n r"],
) -> None:
    number, height, width = images.shape
    quadrant, both = np.empty(((height + 1) // 2, (width + 1) // 2), images.dtype), np.empty(width, images.dtype)
    mirrored = both[::-1]
    for image in range(number):
        for row in range(quadrant.shape[0]):
            above, below, folded = images[image, row], images[image, height - 1 - row], quadrant[row]
            for column in range(width):
                both[column] = above[column] + below[column]
            for column in range(quadrant.shape[1]):
                folded[column] = both[column] + mirrored[column]
        pixels = quadrant.reshape(-1)
        for ring in range(len(begins) - 1):
            a = b = c = d = images.dtype.type(0)
            for line in range(begins[ring], begins[ring + 1]):
                a += shares[line, 0] * pixels[places[line, 0]]
                b += shares[line, 1] * pixels[places[line, 1]]
                c += shares[line, 2] * pixels[places[line, 2]]
                d += shares[line, 3] * pixels[places[line, 3]]
            values[image, ring] = (a + b) + (c + d)
