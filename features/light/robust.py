"""A galaxy fitted beside arcs that nobody has masked: repeated weighted least squares, weights from the last residual.

A ring is light above the galaxy, never below it. So the first rounds hold the model low (an expectile of the
residuals, which has one solution wherever it starts from; Newey & Powell 1987, Econometrica 55, 819), and the later
ones give pixels that stand out above it, in the residual blurred by a pixel, no weight and the others their full one.
"""

from collections.abc import Callable

import torch

from features.filters import plain
from features.light import weights
from features.light.weights import Each, Map

BRIGHT = 1e60  # variance of the sky before there is a model


def fit(images: Map, solve: Callable[[Map], Map], low: int = 2, clip: int = 4) -> Map:
    """The model that `solve` gives for the last weights: `low` rounds of a low expectile, then `clip` of clipping."""
    model, sky = torch.zeros_like(images), torch.full_like(images[:, :1, :1], BRIGHT)
    for turn in range(low + clip):
        weight, sky = reweighted(images, model, sky, turn < low)
        model = solve(weight)
    return model


def reweighted(images: Map, model: Map, sky: Each, low: bool) -> tuple[Map, Each]:
    """Weights of the pixels and variance of the sky, on whichever device."""
    if not plain(images):
        return weights.reweighted(images, model, sky, low)
    from features.light import fused  # Numba takes half a second to start

    found, after = fused.reweighted(*(part.contiguous().numpy() for part in (images, model, sky)), low)
    return torch.from_numpy(found), torch.from_numpy(after)
