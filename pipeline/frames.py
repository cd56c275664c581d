"""Images of a store, block by block, as whatever measures them wants them: float64, and a number in every pixel."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pipeline.errors import InputError
from pipeline.store import Store

ROWS, VALUES = 64, 2**21  # of a block, at most: in float64 it and its temporaries take about 100 MB


def check(store: Store) -> None:
    """Refuse a store without images."""
    if "images" not in store or len(store.shape("images")) != 4:
        raise InputError(f"{store.path}: no array images (n, b, h, w) in it; write it with python -m pipeline.ingest")
    if store.rows == 0:
        raise InputError(f"{store.path}: holds no image; ingest at least one")


def blocks(store: Store) -> list[tuple[int, int]]:
    """Row ranges of bounded size, which depend on the shape of an image and on nothing else that the store holds."""
    rows, *frame = store.shape("images")
    step = max(1, min(ROWS, VALUES // int(np.prod(frame))))
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def read(store: Store, start: int, stop: int) -> Float[np.ndarray, "n b h w"]:
    """Rows [start, stop) of the images, bad pixels filled."""
    images = store.read("images", start, stop)
    bad = store.read("mask", start, stop) if "mask" in store else np.zeros(images.shape, dtype=bool)
    return np.stack([filled(images[:, band], bad[:, band]) for band in range(images.shape[1])], axis=1)


def filled(images: Shaped[np.ndarray, "n h w"], bad: Bool[np.ndarray, "n h w"]) -> Float[np.ndarray, "n h w"]:
    """One band as float64, with the median of each image where a pixel is bad or not finite."""
    band = images.astype(np.float64)
    hole = bad | ~np.isfinite(band)
    for row in np.flatnonzero(hole.any(axis=(1, 2))):
        whole = band[row][~hole[row]]
        band[row][hole[row]] = np.median(whole) if whole.size else 0.0
    return band


def pooled(images: Float[np.ndarray, "n b h w"], most: int) -> Float[np.ndarray, "n p"]:
    """Means over square blocks of pixels, as small ones as leave at most `most` numbers an image, all bands counted.

    Blocks are laid out from the middle of the frame; what does not fill one at an edge is left out.
    """
    n, bands, height, width = images.shape
    shorter = min(height, width)
    fitting = (side for side in range(1, shorter) if bands * (height // side) * (width // side) <= most)
    side = next(fitting, shorter)
    h, w = height // side, width // side
    top, left = (height - h * side) // 2, (width - w * side) // 2
    inside = images[:, :, top : top + h * side, left : left + w * side]
    return inside.reshape(n, bands, h, side, w, side).mean(axis=(3, 5)).reshape(n, -1)
