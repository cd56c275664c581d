"""Annuli about the centre of a frame, and sums and means over them.

A pixel belongs to one annulus, that of its centre (`annulus`, `annulus_means`, `ring_means`, `in_annuli`), or it is
shared out among all that have an area of it (`annulus_sums`). Sums are products with a matrix of (pixels, annuli).
"""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from features.filters import plain
from features.geometry.overlap import annulus_overlap, annulus_pixels, circular, number_of_annuli


def annulus(height: int, width: int, thickness: float, like: Tensor) -> Int[Tensor, "h w"]:
    """Number of the annulus that holds each pixel, centre first, each `thickness` pixels wide.

    Annuli that hold no pixel (the first one of an even frame, if it is thin) are skipped in the numbering, so
    that every number from 0 to the largest occurs.
    """
    return _rings(height, width, thickness, like.device)


@torch.compiler.assume_constant_result
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
    """`annulus_means` of the rings of `annulus`, as one product."""
    height, width = images.shape[1:]
    return _folded(images) @ _ring_weights(height, width, thickness, images.dtype, images.device)


def annulus_weights(
    images: Float[Tensor, "n h w"], thickness: float, axis_ratio: float = 1.0, angle: float = 0.0
) -> Float[Tensor, "q r"]:
    """For `annulus_sums`: the area that each annulus which the frame holds whole has of each pixel.

    Ellipses have half axes r / sqrt(q) and r sqrt(q), so that annuli have the areas of the round ones.
    """
    height, width = images.shape[1:]
    return _area_weights(height, width, thickness, axis_ratio, angle, images.dtype, images.device)


def annulus_sums(images: Float[Tensor, "n h w"], weights: Float[Tensor, "q r"]) -> Float[Tensor, "n r"]:
    """Flux of every image in every annulus; a pixel counts by the area in the annulus."""
    whole = len(weights) == images.shape[1] * images.shape[2]  # of annuli without the mirror lines of the frame
    return (images.flatten(1) if whole else _folded(images)) @ weights


def annulus_areas(number: int, thickness: float, like: Tensor) -> Float[Tensor, " r"]:
    """Area of whole annuli, pixels."""
    return math.pi * thickness**2 * (2 * torch.arange(number, device=like.device, dtype=like.dtype) + 1)


def in_annuli(
    images: Float[Tensor, "n h w"], thickness: float, axis_ratio: float = 1.0, angle: float = 0.0
) -> tuple[Float[Tensor, "n r m"], Int[Tensor, " r"]]:
    """Pixels whose centres lie in each whole annulus, in ascending order, and how many; the rest is infinite."""
    height, width = images.shape[1:]
    places, numbers = _places(height, width, thickness, axis_ratio, angle, images.device)
    beyond = torch.arange(places.shape[1], device=images.device) >= numbers[:, None]
    return images.flatten(1)[:, places].masked_fill(beyond, math.inf).sort(dim=2).values, numbers


@torch.compiler.assume_constant_result
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
    if plain(images):
        from features.geometry.fold import fold  # compiles; needed on a CPU only

        return torch.from_numpy(fold(images.contiguous().numpy())).flatten(1)
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


@torch.compiler.assume_constant_result
def _area_weights(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "q r"]:
    weights = _area_arrays(height, width, thickness, axis_ratio, angle, str(dtype).removeprefix("torch."))
    return torch.from_numpy(weights).to(device)


@lru_cache(maxsize=16)
def _area_arrays(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, dtype: str
) -> Float[np.ndarray, "q r"]:
    overlap = annulus_overlap(height, width, thickness, axis_ratio, angle)
    weights = _unfolded_weights(overlap) if _mirrored(axis_ratio, angle) else overlap.reshape(len(overlap), -1).T
    return np.ascontiguousarray(weights, dtype)


@torch.compiler.assume_constant_result
def _ring_weights(
    height: int, width: int, thickness: float, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "q r"]:
    weights = _ring_arrays(height, width, thickness, str(dtype).removeprefix("torch."))
    return torch.from_numpy(weights).to(device)


@lru_cache(maxsize=16)
def _ring_arrays(height: int, width: int, thickness: float, dtype: str) -> Float[np.ndarray, "q r"]:
    rings = _annulus(height, width, thickness)
    members = rings == np.arange(rings.max() + 1)[:, None, None]
    return np.ascontiguousarray(_unfolded_weights(members / members.sum(axis=(1, 2), keepdims=True)), dtype)


@torch.compiler.assume_constant_result
def _places(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, device: torch.device
) -> tuple[Int[Tensor, "r m"], Int[Tensor, " r"]]:
    places, numbers = annulus_pixels(height, width, thickness, axis_ratio, angle)
    return torch.from_numpy(places).to(device), torch.from_numpy(numbers).to(device)


@torch.compiler.assume_constant_result
def _positions(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float, device: torch.device
) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"], Float[Tensor, " p"]]:
    last = number_of_annuli(height, width, thickness, axis_ratio, angle) - 1
    place = np.hypot(*circular(height, width, axis_ratio, angle)).ravel() / thickness - 0.5
    inner = np.clip(np.floor(place), 0, max(last - 1, 0)).astype(int)
    fraction = np.clip(place - inner, -0.5, 1.5)
    inner, outer = torch.from_numpy(inner).to(device), torch.from_numpy(np.minimum(inner + 1, last)).to(device)
    return inner, outer, torch.from_numpy(fraction).to(device)
