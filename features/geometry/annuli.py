"""Annuli about the centre of a frame, and sums and means over them.

A pixel belongs to one annulus, that of its centre (`annulus`, `annulus_means`, `ring_means`, `in_annuli`), or it is
shared out among all that have an area of it (`in_whole_annuli`). Sums are products with a
matrix of (pixels, annuli), but for the CPU's shortcut in `sparse`.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt
from torch import Tensor

from features.filters import plain, unseen
from features.geometry.overlap import annulus_overlap, annulus_pixels, circular, number_of_annuli


def annulus(height: int, width: int, thickness: float, like: Tensor) -> Int[Tensor, "h w"]:
    """Number of the annulus that holds each pixel, centre first, each `thickness` pixels wide.

    Annuli that hold no pixel (the first one of an even frame, if it is thin) are skipped in the numbering, so
    that every number from 0 to the largest occurs.
    """
    return _rings(height, width, thickness, like.device)


@unseen
def _rings(height: int, width: int, thickness: float, device: torch.device) -> Int[Tensor, "h w"]:
    return torch.from_numpy(_annulus(height, width, thickness).copy()).to(device)


@lru_cache(maxsize=16)
def _annulus(height: int, width: int, thickness: float) -> Int[np.ndarray, "h w"]:
    if not thickness > 0:
        raise ValueError(f"width: an annulus {thickness:g} pixels wide holds nothing; it must be above zero")
    # in float64 whatever the images are, so that a pixel on an edge falls the same way in every precision
    ring = np.floor(np.hypot(*circular(height, width, 1.0, 0.0)) / thickness)
    return np.unique(ring, return_inverse=True)[1].reshape(height, width)


def whole_annuli(rings: Int[Tensor, "h w"], thickness: float) -> int:
    """How many annuli, centre first, the frame does not cut; the innermost always counts."""
    height, width = rings.shape
    reach = max(1, math.floor(min(height, width) / 2 / thickness)) * thickness
    within = np.hypot(*circular(height, width, 1.0, 0.0)) < reach
    return int(rings[torch.from_numpy(within).to(rings.device)].max()) + 1


def annulus_means(images: Float[Tensor, "n h w"], rings: Int[Tensor, "h w"]) -> Float[Tensor, "n r"]:
    """Mean of every image over every annulus of the frame."""
    flat = rings.flatten()
    pixels = flat.bincount()  # (r,)
    sums = images.new_zeros(len(images), len(pixels)).index_add_(1, flat, images.flatten(1))
    return sums / pixels


def ring_means(images: Float[Tensor, "n h w"], thickness: float) -> Float[Tensor, "n r"]:
    """`annulus_means` of the rings of `annulus`."""
    height, width = images.shape[1:]
    dtype = _named(images.dtype)
    if plain(images):
        return _sparse_sums(images, _sparse_rings(height, width, thickness, dtype))
    return _folded(images) @ _ring_weights(height, width, thickness, dtype, images.device)


def in_whole_annuli(
    images: Float[Tensor, "n h w"], thickness: float, axis_ratio: float = 1.0, angle: float = 0.0
) -> Callable[[Float[Tensor, "n h w"]], Float[Tensor, "n r"]]:
    """What gives the flux of images like these in every annulus that the frame holds whole.

    A pixel counts by its area in the annulus. Ellipses have half axes r / sqrt(q) and r sqrt(q), so that annuli have
    the areas of the round ones. For two sums ask once: `torch.compile` takes a constant function once in a graph.
    """
    height, width = images.shape[1:]
    shape, mirrored = (height, width, thickness, axis_ratio, angle, _named(images.dtype)), _mirrored(axis_ratio, angle)
    if plain(images) and mirrored:
        lines = _sparse_areas(*shape)
        return lambda images: _sparse_sums(images, lines)
    weights = _area_weights(*shape, images.device)
    return lambda images: (_folded(images) if mirrored else images.flatten(1)) @ weights


def annulus_areas(number: int, thickness: float, like: Tensor) -> Float[Tensor, " r"]:
    """Area of whole annuli, pixels."""
    return _ring_areas(number, thickness, _named(like.dtype), like.device)


def in_annuli(
    images: Float[Tensor, "n h w"], thickness: float, axis_ratio: float = 1.0, angle: float = 0.0
) -> tuple[Float[Tensor, "n r m"], Int[Tensor, " r"]]:
    """Pixels whose centres lie in each whole annulus, in ascending order, and how many; the rest is infinite."""
    height, width = images.shape[1:]
    places, numbers = _places(height, width, thickness, axis_ratio, angle, images.device)
    beyond = torch.arange(places.shape[1], device=images.device) >= numbers[:, None]
    return images.flatten(1)[:, places].masked_fill(beyond, math.inf).sort(dim=2).values, numbers


@unseen
def places_within(height: int, width: int, reach: float, device: torch.device) -> Int[Tensor, " p"]:
    """Places (row x width + column) of the pixels whose centres are nearer to the centre than `reach` pixels."""
    within = np.hypot(*circular(height, width, 1.0, 0.0)) < reach
    return torch.from_numpy(np.flatnonzero(within)).to(device)


def between_annuli(
    images: Float[Tensor, "n h w"], thickness: float, axis_ratio: float = 1.0, angle: float = 0.0
) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"], Float[Tensor, " p"]]:
    """Whole annuli between whose middles each pixel lies, and how far from the one to the other.

    Beyond the first and the last middle the line between the nearest two goes on, by half an annulus.
    """
    height, width = images.shape[1:]
    inner, outer, fraction = _positions(height, width, thickness, axis_ratio, angle, images.device)
    return inner, outer, fraction.to(images.dtype)


def _folded(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n q"]:
    """Sums of the four pixels that mirror each other, for the pixels of the first quadrant; middle rows count twice."""
    height, width = images.shape[1:]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    half = images[:, :rows] + images[:, height - rows :].flip(1)
    return (half[:, :, :columns] + half[:, :, width - columns :].flip(2)).flatten(1)


def _mirrored(axis_ratio: float, angle: float) -> bool:
    """Whether ellipses have the mirror lines of the frame."""
    return axis_ratio == 1 or abs(math.sin(2 * angle)) < 1e-12


def _unfolded_weights(weights: Float[np.ndarray, "r h w"]) -> Float[np.ndarray, "q r"]:
    """What the pixels of `_folded` weigh in each annulus."""
    number, height, width = weights.shape
    quadrant = weights[:, : (height + 1) // 2, : (width + 1) // 2].copy()
    quadrant[:, height // 2 :] /= 2  # a middle row, on odd frames: folded onto itself
    quadrant[:, :, width // 2 :] /= 2
    return quadrant.reshape(number, -1).T


def _named(dtype: torch.dtype) -> str:
    """The name that a precision has in NumPy."""
    return str(dtype).removeprefix("torch.")


Lines = tuple[UInt[np.ndarray, " e"], UInt[np.ndarray, "l 4"], Float[np.ndarray, "l 4"]]


def _sparse_sums(images: Float[Tensor, "n h w"], lines: Lines) -> Float[Tensor, "n r"]:
    from features.geometry.sparse import sums  # Numba, only where it is used

    return torch.from_numpy(sums(images.contiguous().numpy(), *lines))


@lru_cache(maxsize=16)
def _sparse_areas(height: int, width: int, thickness: float, axis_ratio: float, angle: float, dtype: str) -> Lines:
    from features.geometry.sparse import sparse

    return sparse(_areas(height, width, thickness, axis_ratio, angle, dtype))


@lru_cache(maxsize=16)
def _sparse_rings(height: int, width: int, thickness: float, dtype: str) -> Lines:
    from features.geometry.sparse import sparse

    return sparse(_members(height, width, thickness, dtype))


@unseen
def _ring_areas(number: int, thickness: float, dtype: str, device: torch.device) -> Float[Tensor, " r"]:
    return torch.from_numpy((math.pi * thickness**2 * (2 * np.arange(number) + 1)).astype(dtype)).to(device)


@unseen
def _area_weights(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, dtype: str, device: torch.device
) -> Float[Tensor, "q r"]:
    return torch.from_numpy(_areas(height, width, thickness, axis_ratio, angle, dtype)).to(device)


@lru_cache(maxsize=16)
def _areas(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, dtype: str
) -> Float[np.ndarray, "q r"]:
    overlap = annulus_overlap(height, width, thickness, axis_ratio, angle)
    weights = _unfolded_weights(overlap) if _mirrored(axis_ratio, angle) else overlap.reshape(len(overlap), -1).T
    return np.ascontiguousarray(weights, dtype)


@unseen
def _ring_weights(height: int, width: int, thickness: float, dtype: str, device: torch.device) -> Float[Tensor, "q r"]:
    return torch.from_numpy(_members(height, width, thickness, dtype)).to(device)


@lru_cache(maxsize=16)
def _members(height: int, width: int, thickness: float, dtype: str) -> Float[np.ndarray, "q r"]:
    rings = _annulus(height, width, thickness)
    members = rings == np.arange(rings.max() + 1)[:, None, None]
    return np.ascontiguousarray(_unfolded_weights(members / members.sum(axis=(1, 2), keepdims=True)), dtype)


@unseen
def _places(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, device: torch.device
) -> tuple[Int[Tensor, "r m"], Int[Tensor, " r"]]:
    places, numbers = annulus_pixels(height, width, thickness, axis_ratio, angle)
    return torch.from_numpy(places).to(device), torch.from_numpy(numbers).to(device)


@unseen
def _positions(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, device: torch.device
) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"], Float[Tensor, " p"]]:
    last = number_of_annuli(height, width, thickness, axis_ratio, angle) - 1
    place = np.hypot(*circular(height, width, axis_ratio, angle)).ravel() / thickness - 0.5
    inner = np.clip(np.floor(place), 0, max(last - 1, 0)).astype(int)
    fraction = np.clip(place - inner, -0.5, 1.5)
    inner, outer = torch.from_numpy(inner).to(device), torch.from_numpy(np.minimum(inner + 1, last)).to(device)
    return inner, outer, torch.from_numpy(fraction).to(device)
