"""Stretches: the intensity of an image on a scale that shows its faint parts. Nothing is lost: each has an inverse.

A stretch here has one scale for the whole data set. A scale of each image's own (its minimum and maximum, say) would
throw away the flux, which carries mass: those are in `per_image.py`.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from features.stretch.arcsinh import arcsinh


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
    _check(transform, softening, power)
    return STRETCHES[transform](images, softening * sky_rms, power)


def inverse(
    stretched: Float[Tensor, "n h w"],
    transform: str = "linear",
    softening: float = 3.0,
    power: float = 0.7,
    *,
    sky_rms: float,
) -> Float[Tensor, "n h w"]:
    """The image that `intensity` with the same options stretched.

    In float32, rounding the stretched value costs the image a fraction of 1e-7 times that value where the stretch is
    logarithmic, so 1e-6 of a pixel a thousand knees bright.
    """
    _check(transform, softening, power)
    return INVERSES[transform](stretched, softening * sky_rms, power)


def anscombe(images: Float[Tensor, "n h w"], *, sky_rms: float, electrons: float) -> Float[Tensor, "n h w"]:
    """The generalised Anscombe transform: an image whose noise has rms 1 everywhere, zero where the sky is.

    Of photon noise, at g = 1 / `electrons` in units of the pixel, and Gaussian noise of rms s = `sky_rms` together it
    makes y = 2/g sqrt(g x + c), c = 3/8 g^2 + s^2 (Murtagh, Starck & Bijaoui 1995, A&AS 112, 179). We take off its
    value at x = 0, which leaves 2 x / (sqrt(g x + c) + sqrt c): without photons, x / s. Below x = -3/4 c / g, where the
    root would soon end, its tangent goes on. The rms is within 5 % of 1 where s is three photons or more.
    """
    gain = 1 / electrons
    empty = _empty(gain, sky_rms)
    end = -0.75 * empty**2 / gain
    inside = images.clamp_min(end)
    beyond = (images - end).clamp_max(0)
    return 2 * inside / ((gain * inside + empty**2).sqrt() + empty) + 2 / empty * beyond


def anscombe_inverse(values: Float[Tensor, "n h w"], *, sky_rms: float, electrons: float) -> Float[Tensor, "n h w"]:
    """The image that `anscombe` transformed, exactly: of an estimate of y, the unbiased inverse would be another."""
    gain = 1 / electrons
    empty = _empty(gain, sky_rms)
    end = -empty / gain
    inside = values.clamp_min(end)
    return inside * (empty + gain / 4 * inside) + empty / 2 * (values - end).clamp_max(0)


def _empty(gain: float, sky_rms: float) -> float:
    """sqrt c: what the noise of an empty pixel counts for in the transform, 3/8 of a photon's included."""
    return math.sqrt(3 / 8 * gain**2 + sky_rms**2)


def _check(transform: str, softening: float, power: float) -> None:
    for name, value in (("softening", softening), ("power", power)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: {value:g} must be above zero")
    if transform not in STRETCHES:
        raise ValueError(f"transform: no stretch {transform!r}; there are {', '.join(STRETCHES)}")


Stretch = Callable[[Tensor, float, float], Tensor]

STRETCHES: dict[str, Stretch] = {
    "linear": lambda x, knee, power: x.clone(),
    "sqrt": lambda x, knee, power: x.sign() * x.abs().sqrt(),
    "power": lambda x, knee, power: x.sign() * x.abs() ** power,
    "log": lambda x, knee, power: x.sign() * torch.log1p(x.abs() / knee),
    "arcsinh": lambda x, knee, power: arcsinh(x / knee),
}
INVERSES: dict[str, Stretch] = {
    "linear": lambda y, knee, power: y.clone(),
    "sqrt": lambda y, knee, power: y * y.abs(),
    "power": lambda y, knee, power: y.sign() * y.abs() ** (1 / power),
    "log": lambda y, knee, power: y.sign() * knee * torch.expm1(y.abs()),
    "arcsinh": lambda y, knee, power: knee * torch.sinh(y),
}
