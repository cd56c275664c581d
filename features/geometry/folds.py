"""Folds: an image as four quarter images, even and odd about each axis of its frame.

What is a sum over pixels with weights that are even or odd about both axes needs one of the four, with a quarter of the
pixels. Nothing is lost: `unfold` lays out what is symmetric about the centre again.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def half_offsets(length: int) -> Float[Tensor, " half"]:
    """Distance from the centre of the pixels on the far side of an axis, an odd axis's central one among them."""
    half = (length + 1) // 2
    return torch.arange(half, dtype=torch.float64) + (0.0 if length % 2 else 0.5)


def half_weights(length: int) -> Float[Tensor, " half"]:
    """What the folded pixels count: the central one of an odd axis is laid upon itself, and counts half."""
    return torch.where(half_offsets(length) == 0, 0.5, 1.0).double()


def fold(images: Float[Tensor, "n h w"]) -> dict[str, Float[Tensor, "n h2 w2"]]:
    """Sums and differences of the pixels that mirror each other, by parity in rows and columns.

    `even_odd` is even about the centre in y (rows) and odd in x (columns).
    """
    even, odd = _halves(images, 1)
    parts = [*_halves(even, 2), *_halves(odd, 2)]
    return dict(zip(("even_even", "even_odd", "odd_even", "odd_odd"), parts, strict=True))


def _halves(images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    length = images.shape[axis]
    half = (length + 1) // 2
    near, far = images.narrow(axis, 0, half).flip(axis), images.narrow(axis, length - half, half)
    return far + near, far - near


def unfold(
    same: Float[Tensor, "n h2 w2"], opposite: Float[Tensor, "n h2 w2"], height: int, width: int, sign: float = 1.0
) -> Float[Tensor, "n h w"]:
    """A map that a half turn leaves as it is, or multiplies by `sign`, from two of its quarters.

    `same` is where x and y have one sign (both positive), `opposite` where y is positive and x is negative, each from
    the centre outwards.
    """
    far = torch.cat([opposite.flip(2)[:, :, : width // 2], same], dim=2)  # (n, h2, w)
    return torch.cat([sign * far.flip(1, 2)[:, : height // 2], far], dim=1)
