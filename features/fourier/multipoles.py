"""Multipoles: the strength of each order of rotational symmetry, annulus by annulus."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import annulus, whole_annuli
from features.geometry.constant import constant
from features.geometry.folds import fold, half_offsets, half_weights

# parity in y and in x of cos(m phi) and sin(m phi), by that of m
PARITIES = {0: ("even_even", "odd_odd"), 1: ("even_odd", "odd_even")}


def multipoles(
    images: Float[Tensor, "n h w"], orders: int = 4, width: float = 3.0, phases: bool = False
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Amplitudes of the azimuthal modes m = 1 ... `orders` in annuli `width` pixels wide, as far as they are whole.

    A_m(r) = 2 |<I exp(-i m phi)>| over an annulus, the amplitude of cos m(phi - phi_m) there; it does not change
    when the image turns. The modes' phases are lost, and so is the mean (m = 0): the radial profile is taken away
    first, because the pixels of an annulus do not cover its angles evenly and would show it as a mode. m = 1 is a
    shifted source, m = 2 ellipticity and shear, higher orders ever smaller structure.

    With `phases`, a_m = 2 <I cos m phi> and b_m = 2 <I sin m phi> follow as columns `_cosine` and `_sine`, which keep
    the directions and change when the image turns.
    """
    height, across = images.shape[1], images.shape[2]
    inside = _whole(height, across, orders, float(width))
    cosine, sine = _modes(images, orders, float(width), inside)
    values, names = [2 * (cosine**2 + sine**2).sqrt()], _names(orders, inside, "")
    if phases:
        values += [2 * cosine, 2 * sine]
        names += _names(orders, inside, "_cosine") + _names(orders, inside, "_sine")
    return torch.cat([value.flatten(1) for value in values], dim=1), names


def _names(orders: int, inside: int, part: str) -> list[str]:
    return [f"multipole_{order}_{ring}{part}" for order in range(1, orders + 1) for ring in range(inside)]


@lru_cache
def _whole(height: int, width: int, orders: int, thickness: float) -> int:
    """How many annuli there are; raises unless each has two pixels for every order."""
    if orders < 1:
        raise ValueError(f"orders: {orders} leaves no mode; ask for 1 or more")
    with torch._C._DisableFuncTorch():
        rings = annulus(height, width, thickness, torch.empty(0))
        inside = whole_annuli(rings, thickness)
        pixels = rings.flatten().bincount()[:inside].tolist()
    if 2 * orders > min(pixels):
        ring, few = pixels.index(min(pixels)), min(pixels)
        raise ValueError(
            f"orders: {orders} modes on the {few} pixels of annulus {ring}; {few // 2} can be told apart there: "
            f"ask for fewer, or for annuli wider than {thickness:g} pixels"
        )
    return inside


def _modes(
    images: Float[Tensor, "n h w"], orders: int, thickness: float, inside: int
) -> tuple[Float[Tensor, "n m r"], Float[Tensor, "n m r"]]:
    """Means over annuli of the image times cos m phi and sin m phi: two products for odd orders, two for even."""
    height, width = images.shape[1], images.shape[2]
    folded = fold(images)
    waves: list[list[Tensor]] = [[], []]  # cosine, sine; in each odd orders, even orders
    for parity in (1, 0)[: min(orders, 2)]:
        for wave, part in enumerate(PARITIES[parity]):
            weights = constant(_weights, height, width, orders, thickness, inside, parity, wave, like=images)
            waves[wave].append((folded[part].flatten(1) @ weights).unflatten(1, (-1, inside)))
    return _woven(waves[0], orders), _woven(waves[1], orders)


def _woven(parts: list[Float[Tensor, "n _ r"]], orders: int) -> Float[Tensor, "n m r"]:
    """Odd and even orders in turn."""
    return torch.stack([parts[(m - 1) % 2][:, (m - 1) // 2] for m in range(1, orders + 1)], dim=1)


def _weights(
    height: int, width: int, orders: int, thickness: float, inside: int, parity: int, wave: int
) -> Float[Tensor, "q k"]:
    """Weights of the folded pixels (rows) for orders of one parity in every whole annulus (columns).

    The mean over thin annuli is taken from the weights instead of from every image; those that are odd about an axis
    have none.
    """
    y, x = half_offsets(height)[:, None], half_offsets(width)[None, :]
    phi, off_centre = torch.atan2(y, x), torch.hypot(y, x) > 0  # the central pixel has no angle
    rings, pixels = _quarter(annulus(height, width, thickness, torch.empty(0)))
    shape = (torch.cos, torch.sin)[wave]
    modes = torch.stack([shape(m * phi) * off_centre for m in range(2 - parity, orders + 1, 2)], dim=-1)
    member = (rings.flatten()[:, None] == torch.arange(inside)).double() / pixels[:inside]
    weights = modes.flatten(0, 1)[:, :, None] * member[:, None, :]  # (q, m, r)
    counted = torch.outer(half_weights(height), half_weights(width)).flatten()[:, None, None]
    if PARITIES[parity][wave] == "even_even":
        thin, population = _quarter(annulus(height, width, min(1.0, thickness), torch.empty(0)))
        sums = torch.zeros(len(population), *weights.shape[1:], dtype=torch.float64)
        sums.index_add_(0, thin.flatten(), 4 * counted * weights)
        weights = weights - (sums / population[:, None, None])[thin.flatten()]
    return (counted * weights).flatten(1)


def _quarter(rings: Tensor) -> tuple[Tensor, Tensor]:
    """The annuli of the folded pixels, and how many pixels of the whole frame each has."""
    height, width = rings.shape
    return rings[height // 2 :, width // 2 :], rings.flatten().bincount()
