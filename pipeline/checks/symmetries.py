"""The eight symmetries of a square, as a lens simulator or an augmentation may have applied them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped

Turn = Callable[[Shaped[np.ndarray, "*n h w"]], Shaped[np.ndarray, "*n a b"]]

SYMMETRIES: dict[str, Turn] = {
    "identity": lambda images: images,
    "rot90": lambda images: np.rot90(images, 1, (-2, -1)),
    "rot180": lambda images: np.rot90(images, 2, (-2, -1)),
    "rot270": lambda images: np.rot90(images, 3, (-2, -1)),
    "flip_x": lambda images: images[..., ::-1],
    "flip_y": lambda images: images[..., ::-1, :],
    "transpose": lambda images: images.swapaxes(-2, -1),
    "anti_transpose": lambda images: np.rot90(images, 2, (-2, -1)).swapaxes(-2, -1),
}


def symmetries(height: int, width: int) -> dict[str, Turn]:
    """Those that keep the shape of a frame."""
    keep = ("identity", "rot180", "flip_x", "flip_y")
    return SYMMETRIES if height == width else {name: SYMMETRIES[name] for name in keep}
