"""Stretches: the intensity of an image on a scale that shows its faint parts. Nothing is lost: each has an inverse.

A stretch here has one scale for the whole data set. A scale of each image's own (its minimum and maximum, say) would
throw away the flux, which carries mass.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def pixels(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """The image as it was ingested: the control that everything else is held against."""
    return images.clone()


def intensity(
    images: Float[Tensor, "n h w"],
    transform: str = "linear",
    softening: float = 3.0,
    power: float = 0.7,
    *,
    sky_rms: float,
) -> Float[Tensor, "n h w"]:
    """The stretched image, odd about zero so that the noise of an empty sky stays symmetric.

    With x the pixel and b = `softening` x `sky_rms` the knee: `linear` is x; `sqrt` is sign(x) sqrt|x|; `power` is
    sign(x) |x|^power; `log` is sign(x) ln(1 + |x| / b), astropy's LogStretch continued to negative sky; `arcsinh`
    is arcsinh(x / b) (Lupton, Gunn & Szalay 1999, AJ 118, 1406, without the division that makes it a magnitude).
    """
    for name, value in (("softening", softening), ("power", power)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: {value:g} must be above zero")
    if transform not in STRETCHES:
        raise ValueError(f"transform: no stretch {transform!r}; there are {', '.join(STRETCHES)}")
    return STRETCHES[transform](images, softening * sky_rms, power)


Stretch = Callable[[Tensor, float, float], Tensor]

STRETCHES: dict[str, Stretch] = {
    "linear": lambda x, knee, power: x.clone(),
    "sqrt": lambda x, knee, power: x.sign() * x.abs().sqrt(),
    "power": lambda x, knee, power: x.sign() * x.abs() ** power,
    "log": lambda x, knee, power: x.sign() * torch.log1p(x.abs() / knee),
    "arcsinh": lambda x, knee, power: torch.asinh(x / knee),
}
