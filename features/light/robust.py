"""A galaxy fitted beside arcs that nobody has masked: repeated weighted least squares, weights from the last residual.

A ring is light above the galaxy, never below it. So the first rounds hold the model low (an expectile of the
residuals, which has one solution wherever it starts from; Newey & Powell 1987, Econometrica 55, 819), and the later ones
give pixels that stand out above it no weight at all and the others their full one.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

LOW = 0.1  # weight of a pixel above the model beside one below, in the first rounds
MISFIT = 0.05  # how far, as a part of itself, a model of a galaxy is expected to be off
CLEAR, GONE = 2.0, 4.0  # up to how many sigma above the model a pixel keeps its weight, and from where it has none
NOTHING = 1e-200  # below the square of any flux

Map = Float[Tensor, "n h w"]


def fit(images: Map, start: Map, solve: Callable[[Map], Map], low: int = 3, clip: int = 3) -> Map:
    """The model that `solve` gives for the last weights: `low` rounds of a low expectile, then `clip` of clipping.

    `start` is a first guess, good enough to say where the galaxy outshines the sky.
    """
    model, sky = start, torch.full_like(images[:, :1, :1], torch.inf)
    for round_ in range(low + clip):
        residual = images - model
        sky = noise(residual, model, sky)
        variance = sky + (MISFIT * model) ** 2
        above = (residual > 0) if round_ < low else None
        keep = torch.where(above, LOW, 1.0) if above is not None else kept(residual / variance.sqrt())
        model = solve(keep * sky / variance)
    return model


def noise(residual: Map, model: Map, sky: Float[Tensor, "n 1 1"]) -> Float[Tensor, "n 1 1"]:
    """Variance of the sky, from the pixels below the model; those count less that the model outshines.

    Never below a millionth of the image's own mean square, which is far below what any of the models fit.
    """
    share = torch.where(residual < 0, 1.0, 0.0) / (1 + (MISFIT * model) ** 2 / sky)
    below = (share * residual**2).sum(dim=(1, 2), keepdim=True) / (share.sum(dim=(1, 2), keepdim=True) + NOTHING)
    least = 1e-8 * (residual + model).square().mean(dim=(1, 2), keepdim=True)
    return torch.maximum(below, least) + NOTHING


def kept(sigma: Map) -> Map:
    """Weight of a residual of so many sigma: 1 up to `CLEAR` above the model, 0 from `GONE` on, smooth between."""
    beyond = ((sigma - CLEAR) / (GONE - CLEAR)).clamp(0, 1)
    return 1 - beyond**2 * (3 - 2 * beyond)
