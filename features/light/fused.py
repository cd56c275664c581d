"""`features.light.weights` on the CPU: a few passes over an image in cache, not thirty over a block in memory."""

import math

import numpy as np
from jaxtyping import Float64

from features.geometry.compiled import compiler
from features.light.weights import BLURRED, CLEAR, GONE, LEAST, LOW, MISFIT, NOTHING

Maps = Float64[np.ndarray, "n h w"]
Image = Float64[np.ndarray, "h w"]
# sums in any order; NaN and infinity stay what they are
compiled = compiler("reassoc", "contract", "arcp", "nsz")


@compiled
def variance(image: Image, model: Image, before: float) -> float:
    """Variance of the sky: of the pixels below the model, less of those that it outshines."""
    shares, below, square = 0.0, 0.0, 0.0
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            residual = min(image[i, j] - model[i, j], 0.0)
            misfit = MISFIT * model[i, j]
            share = before / (before + misfit * misfit)
            below += share * residual * residual
            shares += share if residual < 0 else 0.0
            square += image[i, j] * image[i, j]
    return max(below / (shares + NOTHING), LEAST * square / image.size) + NOTHING


@compiled
def held_low(image: Image, model: Image, sky: float, weights: Image) -> None:
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            misfit = MISFIT * model[i, j]
            keep = LOW if image[i, j] > model[i, j] else 1.0
            weights[i, j] = keep * sky / (sky + misfit * misfit)


@compiled
def clipped(image: Image, model: Image, sky: float, weights: Image) -> None:
    height, width = image.shape
    column = np.empty(width + 2)  # sums of three rows, and one more at either end
    for i in range(height):
        above, beneath = max(i - 1, 0), min(i + 1, height - 1)
        for j in range(width):
            middle = image[i, j] - model[i, j]
            column[j + 1] = image[above, j] - model[above, j] + 2 * middle + image[beneath, j] - model[beneath, j]
        column[0], column[-1] = column[1], column[width]
        for j in range(width):
            blurred = (column[j] + 2 * column[j + 1] + column[j + 2]) / 16
            misfit = (MISFIT * model[i, j]) ** 2
            beyond = (blurred / math.sqrt(BLURRED * sky + misfit) - CLEAR) / (GONE - CLEAR)
            beyond = min(max(beyond, 0.0), 1.0)
            weights[i, j] = (1 - beyond * beyond * (3 - 2 * beyond)) * sky / (sky + misfit)


@compiled
def reweighted(images: Maps, model: Maps, sky: Maps, low: bool) -> tuple[Maps, Maps]:
    weights, after = np.empty_like(images), np.empty_like(sky)
    for n in range(len(images)):
        after[n, 0, 0] = variance(images[n], model[n], sky[n, 0, 0])
        if low:
            held_low(images[n], model[n], after[n, 0, 0], weights[n])
        else:
            clipped(images[n], model[n], after[n, 0, 0], weights[n])
    return weights, after
