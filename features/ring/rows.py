"""The eigenvalues of `hessian`, fused for a CPU: every inner loop is along a row, so that it is done in vectors."""

import numpy as np
from jaxtyping import Float

from features.geometry.compiled import compiler

Row = Float[np.ndarray, " w"]
# sums keep their order and NaN its meaning: no more liberty than fused multiplication and addition
compiled = compiler("contract")


@compiled
def mirrored(i: int, length: int) -> int:
    """The row that the mirror image of the frame has in place of row i."""
    i = abs(i)
    return i if i < length else 2 * (length - 1) - i


@compiled
def down(
    image: Float[np.ndarray, "h w"], i: int, taps: Float[np.ndarray, "3 k"], rows: Float[np.ndarray, "3 v"]
) -> None:
    """Row i correlated down the image with each kernel, continued at both ends by its mirror image."""
    height, width = image.shape
    reach = taps.shape[1] - 1
    blur, slope, curve = rows[0, reach : reach + width], rows[1, reach : reach + width], rows[2, reach : reach + width]
    here = image[i]
    for j in range(width):
        blur[j] = taps[0, 0] * here[j]
        slope[j] = 0
        curve[j] = taps[2, 0] * here[j]
    for k in range(1, reach + 1):
        above, below = image[mirrored(i - k, height)], image[mirrored(i + k, height)]
        a, b, c = taps[0, k], taps[1, k], taps[2, k]
        for j in range(width):
            both = above[j] + below[j]
            blur[j] += a * both
            slope[j] += b * (below[j] - above[j])
            curve[j] += c * both
    for o in range(3):
        row = rows[o]
        for k in range(1, reach + 1):
            row[reach - k] = row[reach + k]
            row[reach + width - 1 + k] = row[reach + width - 1 - k]


@compiled
def across(row: Row, taps: Float[np.ndarray, " k"], sign: float, total: Row) -> None:
    """A continued row correlated with an even (`sign` 1) or odd (-1) kernel."""
    reach, width = len(taps) - 1, len(total)
    here, middle = row[reach : reach + width], taps[0]
    for j in range(width):
        total[j] = middle * here[j]
    for k in range(1, reach + 1):
        left, right, tap = row[reach - k : reach - k + width], row[reach + k : reach + k + width], taps[k]
        for j in range(width):
            total[j] += tap * (right[j] + sign * left[j])


@compiled
def seconds(
    image: Float[np.ndarray, "h w"],
    i: int,
    taps: Float[np.ndarray, "3 k"],
    rows: Float[np.ndarray, "3 v"],
    half: Float[np.ndarray, "3 w"],
) -> None:
    """Row i of the second derivatives xx / 2, xy and yy / 2."""
    one = taps.dtype.type(1)
    down(image, i, taps, rows)
    across(rows[0], taps[2], one, half[0])
    across(rows[1], taps[1], -one, half[1])
    across(rows[2], taps[0], one, half[2])


@compiled
def eigenvalues(
    images: Float[np.ndarray, "n h w"],
    taps: Float[np.ndarray, "3 k"],
    lower: Float[np.ndarray, "n h w"],
    upper: Float[np.ndarray, "n h w"],
) -> None:
    """Of every image's Hessian, given the right halves of a Gaussian, its slope and half its curvature."""
    _, height, width = images.shape
    rows = np.empty((3, width + 2 * taps.shape[1] - 2), images.dtype)
    half = np.empty((3, width), images.dtype)
    xx, xy, yy = half[0], half[1], half[2]
    for n in range(len(images)):
        for i in range(height):
            seconds(images[n], i, taps, rows, half)
            low, high = lower[n, i], upper[n, i]
            for j in range(width):
                difference, mean = xx[j] - yy[j], xx[j] + yy[j]
                root = np.sqrt(difference * difference + xy[j] * xy[j])
                low[j] = mean - root
                high[j] = mean + root


@compiled
def raise_to_ridges(
    images: Float[np.ndarray, "n h w"],
    taps: Float[np.ndarray, "3 k"],
    variance: float,
    strongest: Float[np.ndarray, "n h w"],
) -> None:
    """The larger of what is there and `variance` times minus the lower eigenvalue, without a map in between."""
    _, height, width = images.shape
    rows = np.empty((3, width + 2 * taps.shape[1] - 2), images.dtype)
    half = np.empty((3, width), images.dtype)
    xx, xy, yy = half[0], half[1], half[2]
    for n in range(len(images)):
        for i in range(height):
            seconds(images[n], i, taps, rows, half)
            best = strongest[n, i]
            for j in range(width):
                difference = xx[j] - yy[j]
                root = np.sqrt(difference * difference + xy[j] * xy[j])
                best[j] = np.maximum(best[j], variance * (root - xx[j] - yy[j]))
