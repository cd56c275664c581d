"""Deflectors: the angle by which mass bends light, in units of the image plane (reduced deflection, arcsec).

All are centred on the origin. A ray seen at (x, y) left the source plane at (x, y) - deflection. Parameters broadcast
against the coordinates: of shape (n, 1, 1) against a grid of shape (h, w) for n lenses. Where the direction is
undefined, at the centre, the deflection is zero.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Grid = Float[Tensor, "..."]
Parameter = Float[Tensor, "..."]
Deflection = tuple[Float[Tensor, "..."], Float[Tensor, "..."]]

FLATTEST = 0.2  # axis ratio of an EPL for which its series is taken as far as `SERIES` unless a caller says otherwise
SERIES = 1e-10  # of the first term: those below it are left out
ROUND = 1e-4  # an NFW's functions are interpolated where |x - 1| is below this


def rotated(x: Grid, y: Grid, angle: Parameter) -> Deflection:
    """Coordinates in a frame whose x axis points along `angle` [rad, counter-clockwise from x]; a deflection found
    there comes back with the opposite angle."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def point_mass(x: Grid, y: Grid, einstein_radius: Parameter) -> Deflection:
    """A point: einstein_radius^2 / r, radially."""
    strength = einstein_radius**2 / (x**2 + y**2).clamp_min(1e-18)
    return strength * x, strength * y


def sis(x: Grid, y: Grid, einstein_radius: Parameter) -> Deflection:
    """Singular isothermal sphere: `einstein_radius` everywhere, radially."""
    strength = einstein_radius / (x**2 + y**2).clamp_min(1e-24).sqrt()
    return strength * x, strength * y


def sie(x: Grid, y: Grid, einstein_radius: Parameter, axis_ratio: Parameter) -> Deflection:
    """Singular isothermal ellipsoid with its major axis along x.

    `einstein_radius` is that of the circle which encloses the same area as the critical ellipse (lenstronomy's
    convention). Kormann, Schneider & Bartelmann 1994, A&A 284, 285, eq. 27a.
    """
    f = (1 - axis_ratio**2).clamp_min(1e-8).sqrt()  # below 1e-4 the sphere's limit, to 1e-8
    psi = (axis_ratio**2 * x**2 + y**2).clamp_min(1e-24).sqrt()
    strength = einstein_radius * axis_ratio.sqrt() / f
    return strength * torch.atan(f * x / psi), strength * torch.atanh(f * y / psi)


def terms(axis_ratio: float) -> int:
    """How many terms of an EPL's series matter at that axis ratio and above: each is (1 - q) / (1 + q) of the one
    before, or less."""
    ratio = (1 - axis_ratio) / (1 + axis_ratio)
    return 1 if ratio < SERIES else math.ceil(math.log(SERIES) / math.log(ratio))


TERMS = terms(FLATTEST)


def epl(
    x: Grid, y: Grid, einstein_radius: Parameter, axis_ratio: Parameter, slope: Parameter, terms: int = TERMS
) -> Deflection:
    """Elliptical power law with its major axis along x; `slope` is that of the density in space (2: isothermal).

    The convergence is (3 - slope) / 2 (einstein_radius / sqrt(q x^2 + y^2 / q))^(slope - 1).
    Tessore & Metcalf 2015, A&A 580, A79, eqs. 13, 22 and 23, with so many `terms` of their series.
    """
    t = slope - 1
    zx, zy = axis_ratio * x, y
    square = (zx**2 + zy**2).clamp_min(1e-24)
    ray = torch.complex(zx, zy) / square.sqrt()
    turn = ray**2 * (axis_ratio - 1) / (1 + axis_ratio)
    twice = 2 * torch.arange(1, terms + 1, dtype=x.dtype, device=x.device)
    first, *others = ((twice - 2 + t[..., None]) / (twice + 2 - t[..., None])).cumprod(-1).flip(-1).unbind(-1)
    series = first * turn
    for one in others:  # Horner, from the last term inwards
        series = (one + series) * turn
    series = 1 + series
    scale = einstein_radius * axis_ratio.sqrt()
    strength = 2 * scale / (1 + axis_ratio) * (scale**2 / square) ** ((t - 1) / 2)
    bend = strength * ray * series
    return bend.real, bend.imag


def shear(x: Grid, y: Grid, gamma1: Parameter, gamma2: Parameter) -> Deflection:
    """External shear: the tide of everything outside the image. Convergence-free."""
    return gamma1 * x + gamma2 * y, gamma2 * x - gamma1 * y


def sheet(x: Grid, y: Grid, convergence: Parameter) -> Deflection:
    """Uniform sheet of mass about the origin."""
    return convergence * x, convergence * y


def multipole(x: Grid, y: Grid, order: int, amplitude: Parameter, angle: Parameter) -> Deflection:
    """Isothermal multipole of the mass: isodensity contours bulge by `amplitude` [arcsec] cos(order (phi - angle)).

    The convergence is amplitude / (2 r) cos(order (phi - angle)). Xu et al. 2015, MNRAS 447, 3189, eq. B3
    (lenstronomy's MULTIPOLE).
    """
    ray = torch.complex(x, y) / (x**2 + y**2).clamp_min(1e-24).sqrt()
    turned = ray**order * torch.polar(torch.ones_like(angle), -order * angle)
    along = amplitude / (1 - order**2) * turned
    bend = ray * torch.complex(along.real, -order * along.imag)
    return bend.real, bend.imag


def line_mass(x: Grid, y: Grid, einstein_radius: Parameter, half_length: Parameter, angle: Parameter) -> Deflection:
    """Uniform straight line of mass through the origin: the vortex of an axion halo.

    `einstein_radius` is that of a point with the same mass, `half_length` in arcsec, `angle` in radians. With
    z = x + iy and w = half_length exp(i angle), the conjugate of the deflection is
    einstein_radius^2 / (2 half_length) exp(-i angle) ln[(z + w) / (z - w)]: the integral of point masses
    einstein_radius^2 / z* along the line. The branch cut of the logarithm lies on the line itself, where the
    deflection jumps; a half-length of zero is not allowed (its limit is a point mass).
    """
    cos, sin = torch.cos(angle), torch.sin(angle)
    ax, ay = x + half_length * cos, y + half_length * sin  # z + w
    bx, by = x - half_length * cos, y - half_length * sin  # z - w
    tiny = torch.finfo(x.dtype).tiny
    log_modulus = 0.5 * (((ax**2 + ay**2).clamp_min(tiny)) / (bx**2 + by**2).clamp_min(tiny)).log()
    argument = torch.atan2(ay * bx - ax * by, ax * bx + ay * by)
    strength = einstein_radius**2 / (2 * half_length)
    return strength * (cos * log_modulus + sin * argument), strength * (sin * log_modulus - cos * argument)


def nfw(x: Grid, y: Grid, scale_convergence: Parameter, scale_radius: Parameter) -> Deflection:
    """Navarro, Frenk & White's halo; `scale_convergence` is rho_s r_s / Sigma_cr, `scale_radius` in arcsec.

    Its convergence at the scale radius is two thirds of `scale_convergence`. Bartelmann 1996, A&A 313, 697.
    """
    r = (x**2 + y**2).clamp_min(1e-18).sqrt()
    u = r / scale_radius
    strength = 4 * scale_convergence * scale_radius * (torch.log(u / 2) + nfw_shape(u)) / u
    return strength * x / r, strength * y / r


def tnfw(x: Grid, y: Grid, scale_convergence: Parameter, scale_radius: Parameter, truncation: Parameter) -> Deflection:
    """An NFW halo whose density falls faster beyond `truncation` scale radii: times tau^2 / (tau^2 + (r / r_s)^2).

    Baltz, Marshall & Oguri 2009, JCAP 1, 15, eq. A.13; its mass is finite.
    """
    r = (x**2 + y**2).clamp_min(1e-18).sqrt()
    u = r / scale_radius
    strength = 4 * scale_convergence * scale_radius * tnfw_mass(u, truncation) / u
    return strength * x / r, strength * y / r


def tnfw_mass(u: Tensor, truncation: Tensor) -> Tensor:
    """Projected mass inside `u` scale radii, in units of 4 pi rho_s r_s^3."""
    tau2 = truncation**2
    root = (tau2 + u**2).sqrt()
    log = torch.log(u / (root + truncation))
    inner = (tau2 + 1 + 2 * (u**2 - 1)) * nfw_shape(u) + truncation * math.pi + (tau2 - 1) * torch.log(truncation)
    outer = root * (-math.pi + (tau2 - 1) / truncation * log)
    return tau2 / (tau2 + 1) ** 2 * (inner + outer)


def nfw_shape(u: Tensor) -> Tensor:
    """arccosh(1 / u) / sqrt(1 - u^2) inside the scale radius and arccos(1 / u) / sqrt(u^2 - 1) outside it."""
    near = (u - 1).abs() < ROUND
    inside = torch.where(near | (u > 1), 0.5, u)  # where it is not asked for, a value without a NaN in its gradient
    outside = torch.where(near | (u < 1), 2.0, u)
    below = torch.acosh(1 / inside) / (1 - inside**2).sqrt()
    above = torch.acos(1 / outside) / (outside**2 - 1).sqrt()
    at_one = 1 - 2 / 3 * (u - 1) + 7 / 15 * (u - 1) ** 2
    return torch.where(near, at_one, torch.where(u < 1, below, above))
