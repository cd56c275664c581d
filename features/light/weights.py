"""What a pixel counts in the fit of a galaxy: less where the galaxy outshines the sky, less or nothing above it."""

import torch
from jaxtyping import Float
from torch import Tensor

LOW = 0.1  # weight of a pixel above the model beside one below, while the model is held low
MISFIT = 0.05  # how far, as a part of itself, a model of a galaxy is expected to be off
CLEAR, GONE = 1.5, 3.0  # up to how many sigma above the model a pixel keeps its weight, and from where it has none
BLURRED = 0.375**2  # part of the variance of white noise that `blurred` leaves
LEAST = 1e-8  # variance of the sky over the image's mean square: never less
NOTHING = 1e-200  # below the square of any flux

Map = Float[Tensor, "n h w"]
Each = Float[Tensor, "n 1 1"]


def reweighted(images: Map, model: Map, sky: Each, low: bool) -> tuple[Map, Each]:
    """Weights for the next fit, and the variance of the sky by this model, given that by the one before.

    The variance is that of the pixels below the model; those count less that the model outshines.
    """
    residual, misfit = images - model, (MISFIT * model) ** 2
    share = (residual < 0).to(sky.dtype) / (1 + misfit / sky)
    below = (share * residual**2).sum(dim=(1, 2), keepdim=True) / (share.sum(dim=(1, 2), keepdim=True) + NOTHING)
    sky = torch.maximum(below, LEAST * images.square().mean(dim=(1, 2), keepdim=True)) + NOTHING
    if low:
        keep = 1 - (1 - LOW) * (residual > 0).to(sky.dtype)
    else:
        keep = kept(blurred(residual) / (BLURRED * sky + misfit).sqrt())
    return keep * sky / (sky + misfit), sky


def kept(sigma: Map) -> Map:
    """Weight of a residual of so many sigma: 1 up to `CLEAR` above the model, 0 from `GONE` on, smooth between."""
    beyond = ((sigma - CLEAR) / (GONE - CLEAR)).clamp(0, 1)
    return 1 - beyond**2 * (3 - 2 * beyond)


def blurred(images: Map) -> Map:
    """Smoothed by (1, 2, 1) / 4 along both axes: an arc stands out of the noise sooner, with its wings."""
    tall = torch.cat([images[:, :1], images, images[:, -1:]], dim=1)
    tall = tall[:, :-2] + 2 * tall[:, 1:-1] + tall[:, 2:]
    wide = torch.cat([tall[:, :, :1], tall, tall[:, :, -1:]], dim=2)
    return (wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]) / 16
