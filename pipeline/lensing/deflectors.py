"""Deflectors: the angle by which mass bends light, in units of the image plane (reduced deflection, arcsec).

All are centred on the origin. A ray seen at (x, y) left the source plane at (x, y) - deflection.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Grid = Float[Tensor, "h w"]
PerLens = Float[Tensor, "n 1 1"]
Deflection = tuple[Float[Tensor, "n h w"], Float[Tensor, "n h w"]]


def sie(x: Grid, y: Grid, einstein_radius: PerLens, axis_ratio: PerLens) -> Deflection:
    """Singular isothermal ellipsoid with its major axis along x.

    `einstein_radius` is that of the circle which encloses the same area as the critical ellipse (lenstronomy's
    convention). Kormann, Schneider & Bartelmann 1994, A&A 284, 285, eq. 27a. At the centre, where the
    direction is undefined, the deflection is zero.
    """
    f = (1 - axis_ratio**2).clamp_min(1e-8).sqrt()  # below 1e-4 the sphere's limit, to 1e-8
    psi = (axis_ratio**2 * x**2 + y**2).sqrt().clamp_min(1e-12)
    strength = einstein_radius * axis_ratio.sqrt() / f
    return strength * torch.atan(f * x / psi), strength * torch.atanh(f * y / psi)


def shear(x: Grid, y: Grid, gamma1: PerLens, gamma2: PerLens) -> Deflection:
    """External shear: the tide of everything outside the image. Convergence-free."""
    return gamma1 * x + gamma2 * y, gamma2 * x - gamma1 * y


def line_mass(x: Grid, y: Grid, einstein_radius: PerLens, half_length: PerLens, angle: PerLens) -> Deflection:
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
