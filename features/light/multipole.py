"""B-splines times multipoles: the columns of a linear model of a galaxy, and the products that its equations need.

Splines far apart do not overlap, so that of all products of two columns only those of a spline and its next three are
summed over the pixels, each once, and put where they belong.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from features.filters import remembered
from features.geometry import offsets

CORE = 1.0  # pixels: inside, knots are evenly spaced in radius; outside, in its logarithm
LIKE = torch.empty(0, dtype=torch.float64)


def even_orders(orders: Sequence[int]) -> tuple[int, ...]:
    """The orders of symmetry, ascending, or why they will not do."""
    if not orders or any(order not in (0, 2, 4, 6, 8) for order in orders) or len({*orders}) < len(orders):
        raise ValueError(f"orders: {list(orders)} must be some of 0, 2, 4, 6, 8, each once")
    return tuple(sorted(orders))


def bspline(place: Float[Tensor, "*p"]) -> Float[Tensor, "*p"]:
    """The cubic B-spline on the knots -2, -1, 0, 1, 2."""
    distance = place.abs()
    return ((2 - distance).clamp_min(0) ** 3 - 4 * (1 - distance).clamp_min(0) ** 3) / 6


def basis(
    y: Float[Tensor, "*p"], x: Float[Tensor, "*p"], spacing: float, orders: tuple[int, ...], reach: float
) -> tuple[Float[Tensor, "*p k"], Float[Tensor, "*p m"], list[bool]]:
    """Splines in radius out to `reach`; cosines, then sines, in angle, and which are sines.

    Knots are even in arcsinh(r / `CORE`). At the centre, where there is no angle, all orders but 0 vanish as r^2.
    """
    square = y**2 + x**2
    knot = torch.asinh(square.sqrt() / CORE) / spacing
    last = math.asinh(reach / CORE) / spacing
    radial = bspline(knot[..., None] - torch.arange(-1, math.floor(last) + 3, device=y.device, dtype=y.dtype))
    onset = square / (square + 1)
    cosines, sines = [], []
    cosine, sine = torch.ones_like(square), torch.zeros_like(square)  # of 0, 2, 4 ... times the angle
    twice = (x**2 - y**2) / square.clamp_min(1e-200), 2 * x * y / square.clamp_min(1e-200)  # exactly 0 on a diagonal
    for order in range(0, max(orders) + 1, 2):
        if order in orders:
            cosines.append(cosine * onset if order else cosine)
            sines += [sine * onset] if order else []
        cosine, sine = cosine * twice[0] - sine * twice[1], sine * twice[0] + cosine * twice[1]
    return radial, torch.stack(cosines + sines, dim=-1), [False] * len(cosines) + [True] * len(sines)


def pairs(
    radial: Float[Tensor, "*p k"], angular: Float[Tensor, "*p m"], sines: list[bool]
) -> tuple[Float[Tensor, "*p a"], Float[Tensor, "*p b"], Int[Tensor, "c c"]]:
    """Products of any two splines that overlap and of any two multipoles; and where each stands in the equations.

    Sums over pixels of a product of both kinds are numbered multipoles first, even before odd ones.
    """
    splines, angles = overlapping(radial.shape[-1]), couples(sines)
    of_splines = torch.stack([radial[..., i] * radial[..., j] for i, j in splines], dim=-1)
    of_angles = torch.stack([angular[..., i] * angular[..., j] for i, j in angles], dim=-1)
    number = radial.shape[-1]
    place = torch.full((number * len(sines),) * 2, len(splines) * len(angles))  # the last stands for zero
    for one, (a, b) in enumerate(angles):
        for other, (i, j) in enumerate(splines):
            for p, q in ((a * number + i, b * number + j), (a * number + j, b * number + i)):
                place[p, q] = place[q, p] = one * len(splines) + other
    return of_splines, of_angles, place


def overlapping(splines: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(splines) for j in range(i, min(i + 4, splines))]


def couples(sines: list[bool]) -> list[tuple[int, int]]:
    """Pairs of multipoles, those whose product is even before those of a sine and a cosine."""
    every = [(a, b) for a in range(len(sines)) for b in range(a, len(sines))]
    return sorted(every, key=lambda pair: sines[pair[0]] != sines[pair[1]])


def assembled(moments: Float[Tensor, "n s"], place: Int[Tensor, "c c"]) -> Float[Tensor, "n c c"]:
    """The matrix of the normal equations out of its different elements."""
    return torch.cat([moments, moments.new_zeros(len(moments), 1)], dim=1)[:, place]


@remembered
def design(height: int, width: int, spacing: float, orders: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Of a quarter of the frame: even and odd columns, even and odd products, each pixel's share, their places.

    A pixel on the middle line of an odd side is its own mirror image and counts half.
    """
    y, x = offsets(height, width, LIKE)
    tall, wide = -(-height // 2), -(-width // 2)
    share = torch.where(y == 0, 0.5, 1.0) * torch.where(x == 0, 0.5, 1.0)
    y, x = (part.expand(height, width)[:tall, :wide].flatten() for part in (y, x))
    radial, angular, sines = basis(y, x, spacing, orders, float(y[0] ** 2 + x[0] ** 2) ** 0.5)
    columns = (angular[:, :, None] * radial[:, None, :]).flatten(1)
    of_splines, of_angles, place = pairs(radial, angular, sines)
    products = (of_angles[:, :, None] * of_splines[:, None, :]).flatten(1)
    even = sines.count(False) * radial.shape[1]
    even_products = sum(sines[a] == sines[b] for a, b in couples(sines)) * of_splines.shape[1]
    parts = columns[:, :even], columns[:, even:], products[:, :even_products], products[:, even_products:]
    return *(part.contiguous() for part in parts), share[:tall, :wide].flatten(), place
