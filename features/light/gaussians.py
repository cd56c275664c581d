"""The galaxy as a sum of Gaussians of one centre and position angle: a multi-Gaussian expansion."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from features.filters import plain
from features.geometry import light_centre, offsets
from features.light.nnls import nnls
from features.light.robust import fit

NARROWEST = 0.5  # pixels
FLATTENING = (0.0, 1.0, 2.0)  # of the ladder's Gaussians, beside that of the galaxy's own moments
REACH = 6.0  # pixels: the window of the moments
DARK = -100.0  # least exponent of a Gaussian: products of denormal numbers are slow
PART = 2048  # pixels


def minus_gaussians(
    images: Float[Tensor, "n h w"], ratio: float = 1.6, centre: str = "light"
) -> Float[Tensor, "n h w"]:
    """Image minus the galaxy as Gaussians of no negative amplitude (Cappellari 2002, MNRAS 333, 400; linear here).

    Their widths are a ladder from half a pixel to half the frame, each `ratio` times the one before; each is there
    round, as flat as the galaxy's second moments, which the PSF rounds, and about twice as flat, along their position
    angle. Arcs are kept out by `features.light.robust` instead of a mask. Twists of the isophotes stay, and so does
    whatever a galaxy has off its centre: `light` is `light_centre` (an image without a lens galaxy gives the arcs'),
    `frame` the frame's.
    """
    if not 1.2 <= ratio <= 4:
        raise ValueError(f"ratio: {ratio:g} of one width to the one before must be from 1.2 to 4")
    if centre not in CENTRES:
        raise ValueError(f"centre: no centre {centre!r}; there are {', '.join(CENTRES)}")
    doubled = images.double()
    columns = ladder(doubled, CENTRES[centre](doubled), ratio)
    joined = torch.cat([columns, doubled.flatten(1)[:, None]], dim=1)
    free: list[Bool[Tensor, "n k"] | None] = [None]  # the last round's, to begin with

    def solve(weights: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
        gram, moment = equations(joined, weights.flatten(1))
        amplitudes, free[0] = nnls(gram, moment, free[0])
        return (amplitudes[:, None] @ columns)[:, 0].view_as(doubled)

    return (doubled - fit(doubled, solve)).to(images.dtype)


def equations(
    columns: Float[Tensor, "n k p"], weights: Float[Tensor, "n p"]
) -> tuple[Float[Tensor, "n c c"], Float[Tensor, "n c"]]:
    """Weighted normal equations; of the columns the last is what the others are to add up to.

    On a CPU a part of a frame at a time, as the weighted columns of a block would not stay in cache.
    """
    if not plain(columns):
        products = (columns * weights[:, None]) @ columns.mT
    else:
        products = torch.stack([_products(*one) for one in zip(columns, weights, strict=True)])
    return products[:, :-1, :-1], products[:, :-1, -1]


def _products(columns: Float[Tensor, "k p"], weights: Float[Tensor, " p"]) -> Float[Tensor, "k k"]:
    total = columns.new_zeros(len(columns), len(columns))
    for part, weight in zip(columns.split(PART, dim=1), weights.split(PART), strict=True):
        total.addmm_(part * weight, part.T)
    return total


def ladder(images: Float[Tensor, "n h w"], centre: Float[Tensor, "n 2"], ratio: float) -> Float[Tensor, "n k p"]:
    """Gaussians of height 1 of every width and flattening, one a row."""
    height, width = images.shape[1], images.shape[2]
    y, x = offsets(height, width, images)
    y, x = y - centre[:, :1, None], x - centre[:, 1:, None]  # (n, h, 1), (n, 1, w)
    plus, cross = (part[:, None, None] for part in ellipticity(images, y, x))
    steps = math.ceil(math.log(min(height, width) / 2 / NARROWEST) / math.log(ratio))
    rows = []
    for stretch in FLATTENING:
        flat = stretch / (1 + (stretch * plus) ** 2 + (stretch * cross) ** 2).sqrt()  # never as flat as a line
        p, c = flat * plus, flat * cross
        square = ((1 - p) * x**2 - 2 * c * x * y + (1 + p) * y**2) / (1 - p**2 - c**2).sqrt()
        falls = [square.flatten(1) * (-0.5 / (NARROWEST * ratio**step) ** 2) for step in range(steps + 1)]
        rows += [torch.exp(fall.clamp_min(DARK)) for fall in falls]
    return torch.stack(rows, dim=1)


def ellipticity(
    images: Float[Tensor, "n h w"], y: Float[Tensor, "n h 1"], x: Float[Tensor, "n 1 w"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """(xx - yy, 2 xy) / (xx + yy) of the second moments under a round window, freed of the window's roundness.

    For a Gaussian galaxy the window's inverse square adds to the galaxy's (Bernstein & Jarvis 2002, AJ 123, 583).
    """
    light = images * torch.exp(-0.5 * (y**2 + x**2) / REACH**2)
    total = light.sum(dim=(1, 2)).clamp_min(0.1 * light.abs().sum(dim=(1, 2))) + 1e-200
    xx, yy, xy = ((light * part).sum(dim=(1, 2)) / total for part in (x * x, y * y, x * y))
    area = (xx * yy - xy**2).clamp_min(1e-3)
    # inverse of the moments, less the window's: (yy, xx, -xy) / area - 1 / REACH^2
    across, down, along = yy / area - REACH**-2, xx / area - REACH**-2, xy / area
    trace = (across + down).clamp_min(0.1 * (across.abs() + down.abs())) + 1e-200
    plus, cross = (down - across) / trace, 2 * along / trace
    shrink = 0.9 / (plus**2 + cross**2).clamp_min(0.81).sqrt()
    return plus * shrink, cross * shrink


CENTRES = {"light": light_centre, "frame": lambda images: images.new_zeros(len(images), 2)}
