"""Polar grids: images read off at radii and angles about a centre, with the four pixels around each point."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from features.filters import plain

Numbers = Sequence[float]
AT_ONCE = 16  # images side by side that stay in a processor's cache


def unwrap(
    images: Float[Tensor, "n h w"], radii: Numbers, angles: Numbers, centre: Float[Tensor, "n 2"] | None = None
) -> Float[Tensor, "n r a"]:
    """Every image at `radii` (pixels, rows) and `angles` (radians from +x towards +y, columns) about its centre.

    Bilinear; beyond the frame its edge pixels are continued. `centre` is (y, x) in pixels of each image, or, None, the
    middle of the frame for all of them. Neighbours at small radii share pixels: their noise is correlated.
    """
    height, width = images.shape[1], images.shape[2]
    if centre is None and plain(images):
        return _read(images, *_taps(height, width, tuple(radii), tuple(angles), images.numpy().dtype.name))
    y, x = sampling(radii, angles, images)
    if centre is None:
        return _bilinear(images, (height - 1) / 2 + y[None], (width - 1) / 2 + x[None])
    where = centre.to(torch.float64)[:, :, None, None]  # (n, 2, 1, 1)
    return _bilinear(images, where[:, 0] + y, where[:, 1] + x)


def sampling(radii: Numbers, angles: Numbers, like: Tensor) -> tuple[Float[Tensor, "r a"], Float[Tensor, "r a"]]:
    """Offsets in y and x of the points of the grid from its centre, pixels, in float64 on the device of `like`."""
    r = torch.tensor(list(radii), dtype=torch.float64, device=like.device)[:, None]
    phi = torch.tensor(list(angles), dtype=torch.float64, device=like.device)
    return r * phi.sin(), r * phi.cos()


def _around(
    y: Float[Tensor, "*n r a"], x: Float[Tensor, "*n r a"], height: int, width: int
) -> tuple[Int[Tensor, "*n r a"], Float[Tensor, "*n r a"], Float[Tensor, "*n r a"]]:
    """The pixel above and left of each point, by its number in the frame, and how far below and right of it one is.

    A point that is nowhere (NaN, as the centre of a ring that was not found) gets NaN distances, and a valid pixel.
    """
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = (at.detach().nan_to_num().floor().clamp(max=length - 2) for at, length in ((y, height), (x, width)))
    return (top * width + left).long(), y - top, x - left


def _bilinear(
    images: Float[Tensor, "n h w"], y: Float[Tensor, "_ r a"], x: Float[Tensor, "_ r a"]
) -> Float[Tensor, "n r a"]:
    """Images at points: one set of them for each image, or one for all."""
    number, height, width = images.shape
    first, down, right = _around(y, x, height, width)
    flat, index = images.flatten(1), first.flatten(1).expand(number, -1)
    down, right = down.to(images.dtype), right.to(images.dtype)
    upper, lower = [
        flat.gather(1, index + step).view(number, *y.shape[1:]) * (1 - right)
        + flat.gather(1, index + step + 1).view(number, *y.shape[1:]) * right
        for step in (0, width)
    ]
    return upper * (1 - down) + lower * down


@lru_cache(maxsize=16)
def _taps(height: int, width: int, radii: Numbers, angles: Numbers, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """For `kernel.read`: the first of the four pixels around each point (r, a), and the weights of all (r, a, 4)."""
    y, x = sampling(radii, angles, torch.empty(0))
    first, down, right = _around((height - 1) / 2 + y, (width - 1) / 2 + x, height, width)
    weights = torch.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], dim=-1)
    return first.numpy(), weights.numpy().astype(dtype)


def _read(images: Float[Tensor, "n h w"], first: np.ndarray, weights: np.ndarray) -> Float[Tensor, "n r a"]:
    """The compiled route: images side by side, so that each point is a sum of four vectors."""
    from features.geometry.kernel import read  # Numba takes a third of a second to import

    made = np.empty((len(images), first.size), weights.dtype)
    flat = np.ascontiguousarray(images.flatten(1).numpy())
    read(flat, first.ravel(), weights.reshape(-1, 4), images.shape[2], max(1, min(AT_ONCE, len(images))), made)
    return torch.from_numpy(made).view(len(images), *first.shape)
