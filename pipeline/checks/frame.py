"""Places in a frame: which pixels are sky, and how far each is from the middle."""

import numpy as np
from jaxtyping import Bool, Float

SKY = 0.42  # of the shorter side: beyond this radius a lens cutout is mostly sky


def radius(height: int, width: int) -> Float[np.ndarray, "h w"]:
    """Pixels from the middle of the frame, (h - 1) / 2."""
    y, x = np.indices((height, width))
    return np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)


def sky(height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The border: corners, and what lies outside the largest circle but a little."""
    return radius(height, width) > SKY * min(height, width)


def separable(images: Float[np.ndarray, "n h w"], weights: Float[np.ndarray, " k"]) -> Float[np.ndarray, "n a b"]:
    """Filtered along both axes; the frame loses (k - 1) / 2 pixels on each side."""
    h, w = (size - len(weights) + 1 for size in images.shape[1:])
    rows = sum(weight * images[:, i : i + h] for i, weight in enumerate(weights))
    return sum(weight * rows[:, :, i : i + w] for i, weight in enumerate(weights))


def inner(mask: Bool[np.ndarray, "h w"], margin: int) -> Bool[np.ndarray, "a b"]:
    """A map of the frame, less what a filter loses."""
    return mask[margin : mask.shape[0] - margin, margin : mask.shape[1] - margin]
