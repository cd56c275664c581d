"""Light: the surface brightness of sources."""

import math

import torch
from jaxtyping import Float
from scipy.special import gammaincinv
from torch import Tensor

PerLens = Float[Tensor, "n 1 1"]


def sersic(
    x: Float[Tensor, "n h w"],
    y: Float[Tensor, "n h w"],
    flux: PerLens,
    radius: PerLens,
    axis_ratio: PerLens,
    angle: PerLens,
    index: float,
) -> Float[Tensor, "n h w"]:
    """Elliptical Sersic profile of total `flux`, per square arcsec, centred on the origin of (x, y).

    `radius` is the half-light radius along the geometric mean of the axes; `angle` that of the major axis, in
    radians. b_n is exact (the inverse of the incomplete gamma function), not lenstronomy's linear approximation.
    Graham & Driver 2005, PASA 22, 118, eqs. 1 and 4.
    """
    b = float(gammaincinv(2 * index, 0.5))
    unit_flux = 2 * math.pi * index * math.exp(b) * b ** (-2 * index) * math.gamma(2 * index)  # of a unit profile
    cos, sin = torch.cos(angle), torch.sin(angle)
    major, minor = cos * x + sin * y, cos * y - sin * x
    r = (axis_ratio * major**2 + minor**2 / axis_ratio).sqrt() / radius
    return flux / (unit_flux * radius**2) * torch.exp(-b * (r ** (1 / index) - 1))


def magnitude_to_rate(magnitude: Tensor, zero_point: float) -> Tensor:
    """Electrons per second of an AB magnitude; `zero_point` is the magnitude of one."""
    return 10 ** (-0.4 * (magnitude - zero_point))
