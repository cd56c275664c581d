"""Light: the surface brightness of sources and of lens galaxies, per square arcsec.

All are centred on the origin; parameters broadcast against the coordinates. Flux is total, and in whatever unit the
caller has it in.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from pipeline.lensing.deflectors import rotated

Grid = Float[Tensor, "..."]
Parameter = Float[Tensor, "..."]


def sersic(
    x: Grid,
    y: Grid,
    flux: Parameter,
    radius: Parameter,
    axis_ratio: Parameter,
    angle: Parameter,
    index: Parameter,
) -> Grid:
    """Elliptical Sersic profile of total `flux`.

    `radius` is the half-light radius along the geometric mean of the axes; `angle` that of the major axis, in
    radians. Graham & Driver 2005, PASA 22, 118, eqs. 1 and 4, with the exact b_n.
    """
    major, minor = rotated(x, y, angle)
    square = (axis_ratio * major**2 + minor**2 / axis_ratio) / radius**2
    fall = half_light(index) * square.clamp_min(1e-18) ** (0.5 / index)
    return torch.exp(log_centre(flux, radius, index) - fall)


def log_centre(flux: Parameter, radius: Parameter, index: Parameter) -> Parameter:
    """Natural logarithm of a Sersic profile's brightness at its centre."""
    b = half_light(index)
    unit = math.log(2 * math.pi) + index.log() - 2 * index * b.log() + torch.lgamma(2 * index)
    return (flux / radius**2).log() - unit


def half_light(index: Parameter) -> Parameter:
    """b_n: half of a Sersic profile's light is inside its half-light radius; the inverse of P(2n, b) = 1/2.

    Its value is exact; its derivative is that of Ciotti & Bertin 1999, A&A 352, 447, eq. 18, good to 1e-4 above
    n = 0.5. lenstronomy's 1.9992 n - 0.3271 is off by 1 % at n = 0.5.
    """
    n = index
    series = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3)
    series = series - 2194697 / (30690717750 * n**4)
    a, b = 2 * n.detach(), series.detach()
    for _ in range(3):  # Newton, from a value that is close
        density = torch.exp((a - 1) * b.log() - b - torch.lgamma(a))
        b = b - (torch.special.gammainc(a, b) - 0.5) / density
    return series + (b - series.detach())


def knots(
    x: Grid,
    y: Grid,
    flux: Float[Tensor, "... k"],
    at_x: Float[Tensor, "... k"],
    at_y: Float[Tensor, "... k"],
    width: Float[Tensor, "... k"],
) -> Grid:
    """Round Gaussian clumps of star formation; `width` is their standard deviation, `at` where they are."""
    total = torch.zeros_like(x * flux[..., 0])
    for one, x0, y0, sigma in zip(*(part.unbind(-1) for part in (flux, at_x, at_y, width)), strict=True):
        square = ((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2)
        total = total + one / (2 * math.pi * sigma**2) * torch.exp(-square)
    return total


def picture(x: Grid, y: Grid, flux: Parameter, pixels: Float[Tensor, "n hs ws"], scale: Parameter) -> Grid:
    """A picture of a real galaxy as the source: its pixels, `scale` arcsec wide, add up to one; dark outside.

    Bilinear between pixel centres; the middle of the frame is the origin, and its first row is at the bottom.
    """
    height, width = pixels.shape[-2:]
    at = torch.stack(
        torch.broadcast_tensors(x / (scale * width / 2), y / (scale * height / 2)), dim=-1
    )  # -1 to 1 from edge to edge
    found = grid_sample(pixels[:, None], at, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]
    return flux / scale**2 * found
