"""The galaxy as B-splines in radius times multipoles in angle."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import light_centre, offsets
from features.light.multipole import assembled, basis, design, even_orders, pairs
from features.light.robust import fit
from features.light.weights import Map

RIDGE = 1e-6  # of the diagonal of the normal equations: settles what no pixel does
CHUNK = 8  # images at a time, of those with a design of their own

Solve = Callable[[Map], Map]


def minus_bspline(
    images: Float[Tensor, "n h w"],
    spacing: float = 0.7,
    orders: Sequence[int] = (0, 2, 4),
    centre: str = "frame",
) -> Float[Tensor, "n h w"]:
    """Image minus the galaxy as cubic B-splines in radius, times cos and sin of each of `orders` times the angle.

    The model of SLACS (Bolton et al. 2006, ApJ 638, 703, sect. 4), with knots `spacing` e-foldings of the radius apart
    (evenly inside one pixel), too far for a ring to be fitted, and `features.light.robust` instead of a mask drawn by
    hand. Orders are even: a galaxy is alike on both its sides. What changes slowly with radius at one of these orders
    is lost, the halo of a complete ring for instance. `frame` puts the galaxy at the centre of the frame, where one
    design serves a whole block; `light` at `light_centre`, with a design of each image's own, at many times the cost.
    """
    if not 0.2 <= spacing <= 3:
        raise ValueError(f"spacing: {spacing:g} e-foldings from knot to knot must be from 0.2 to 3")
    if centre not in ("frame", "light"):
        raise ValueError(f"centre: no centre {centre!r}; there are frame, light")
    doubled, known = images.double(), even_orders(orders)
    if centre == "frame":
        model = fit(doubled, at_frame(doubled, spacing, known))
    else:
        parts = doubled.split(CHUNK)
        model = torch.cat([fit(part, at_light(part, spacing, known)) for part in parts])
    return (doubled - model).to(images.dtype)


def at_frame(images: Map, spacing: float, orders: tuple[int, ...]) -> Solve:
    """The fit with one design for all images.

    Cosines of even orders are even across both axes of the frame, and sines are odd: sums over the four mirror images
    of a quarter, with the signs of a sine or without, hold all that the normal equations need.
    """
    height, width = images.shape[1], images.shape[2]
    even, odd, even_pairs, odd_pairs, share, place = (
        part.to(images.device) for part in design(height, width, spacing, orders)
    )
    splines = even.shape[1] // len(orders)  # a cosine of each order

    def solve(weights: Map) -> Map:
        symmetric, skew = (part * share for part in folded(weights))
        gram = assembled(torch.cat([symmetric @ even_pairs, skew @ odd_pairs], dim=1), place)
        symmetric, skew = (part * share for part in folded(weights * images))
        found = solution(gram, torch.cat([symmetric @ even, skew @ odd], dim=1), splines)
        return unfolded(found[:, : even.shape[1]] @ even.T, found[:, even.shape[1] :] @ odd.T, height, width)

    return solve


def at_light(images: Map, spacing: float, orders: tuple[int, ...]) -> Solve:
    """The same with a design for each image, about the centre of its light."""
    height, width = images.shape[1], images.shape[2]
    y, x = offsets(height, width, images)
    centre = light_centre(images)
    y, x = (y - centre[:, :1, None]).expand_as(images), (x - centre[:, 1:, None]).expand_as(images)
    reach = float(height**2 + width**2) ** 0.5
    radial, angular, sines = basis(y.flatten(1), x.flatten(1), spacing, orders, reach)
    radial_pairs, angular_pairs, place = pairs(radial, angular, sines)
    place = place.to(images.device)

    def solve(weights: Map) -> Map:
        flat = weights.flatten(1)[:, :, None]
        moments = (angular_pairs * flat).mT @ radial_pairs  # (n, angular pairs, radial pairs)
        light = (angular * flat * images.flatten(1)[:, :, None]).mT @ radial  # (n, angular, radial)
        found = solution(assembled(moments.flatten(1), place), light.flatten(1), radial.shape[2]).view_as(light)
        return ((radial @ found.mT) * angular).sum(dim=2).view_as(images)

    return solve


def solution(gram: Float[Tensor, "n c c"], moment: Float[Tensor, "n c"], splines: int) -> Float[Tensor, "n c"]:
    """Of the normal equations, each spline first scaled to have length one at its longest order.

    A multipole that hardly shows in a spline's few pixels, near the centre, is then small beside the ridge.
    """
    longest = gram.diagonal(dim1=1, dim2=2).unflatten(1, (-1, splines)).amax(dim=1).clamp_min(1e-200)
    scale = longest.rsqrt().repeat(1, gram.shape[1] // splines)
    even = gram * scale[:, :, None] * scale[:, None, :]
    even = even + RIDGE * torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype)
    root, _ = torch.linalg.cholesky_ex(even)
    return torch.cholesky_solve((moment * scale)[:, :, None], root)[:, :, 0] * scale


def folded(images: Map) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n q"]]:
    """A quarter of each frame plus its mirror images; and minus those across one axis. Middle lines count twice."""
    tall, wide = -(-images.shape[1] // 2), -(-images.shape[2] // 2)
    top, bottom = images[:, :tall], images[:, -tall:].flip(1)
    both, difference = top + bottom, top - bottom
    symmetric = both[:, :, :wide] + both[:, :, -wide:].flip(2)
    skew = difference[:, :, :wide] - difference[:, :, -wide:].flip(2)
    return symmetric.flatten(1), skew.flatten(1)


def unfolded(symmetric: Float[Tensor, "n q"], skew: Float[Tensor, "n q"], height: int, width: int) -> Map:
    """The frame of which one quarter has a part that is even across both axes and one that is odd across both."""
    tall, wide = -(-height // 2), -(-width // 2)
    near, far = (symmetric + skew).unflatten(1, (tall, wide)), (symmetric - skew).unflatten(1, (tall, wide))
    top = torch.cat([near, far[:, :, : width - wide].flip(2)], dim=2)
    bottom = torch.cat([far, near[:, :, : width - wide].flip(2)], dim=2)
    return torch.cat([top, bottom[:, : height - tall].flip(1)], dim=1)
