"""Coordinates: channels that say where a pixel is, which a convolution cannot know."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import angle, offsets, radius
from features.geometry.constant import constant

LIKE = torch.empty(0, dtype=torch.float64)


def coordinates(
    images: Float[Tensor, "n h w"], component: str = "radius", order: float = 1.0, wave: Sequence[float] = (1.0, 0.0)
) -> Float[Tensor, "n h w"]:
    """A coordinate of the frame, the same for every image: no information, but a bias for the network.

    With r the distance from the centre in units of half the frame's shorter side and phi the position angle:
    `radius` is r; `radial_cosine` and `radial_sine` are those of 2 pi `order` r; `cosine` and `sine` those of `order`
    phi, 0 at the centre itself, which has no angle; `wave_cosine` and `wave_sine` those of 2 pi b v, b = `wave` cycles
    per half frame in x and y: the Fourier features of Tancik et al. 2020 (NeurIPS 33, 7537), eq. 5, one to a channel.
    Only the radial ones have the symmetry of the frame.
    """
    if component not in COMPONENTS:
        raise ValueError(f"component: no coordinate {component!r}; there are {', '.join(COMPONENTS)}")
    if component in ("cosine", "sine") and (order != int(order) or order < 1):
        raise ValueError(f"order: {order:g} does not close around the centre; it must be a whole number, 1 or more")
    if len(wave) != 2:
        raise ValueError(f"wave: {len(wave)} numbers; it must be cycles per half frame in x and in y")
    height, width = images.shape[1], images.shape[2]
    frame = constant(_coordinate, height, width, component, float(order), tuple(map(float, wave)), like=images)
    return frame.expand(len(images), height, width).clone()


def _coordinate(
    height: int, width: int, component: str, order: float, wave: tuple[float, float]
) -> Float[Tensor, "h w"]:
    return COMPONENTS[component](height, width, order, wave)


Coordinate = Callable[[int, int, float, tuple[float, float]], Tensor]


def _r(height: int, width: int) -> Float[Tensor, "h w"]:
    return radius(height, width, LIKE) / (min(height, width) / 2)


def _phi(height: int, width: int, order: float) -> Float[Tensor, "h w"]:
    return order * angle(height, width, LIKE)


def _off_centre(height: int, width: int) -> Float[Tensor, "h w"]:
    return (radius(height, width, LIKE) > 0).double()


def _turns(height: int, width: int, wave: tuple[float, float]) -> Float[Tensor, "h w"]:
    y, x = offsets(height, width, LIKE)
    return 2 * torch.pi * (wave[0] * x + wave[1] * y) / (min(height, width) / 2)


COMPONENTS: dict[str, Coordinate] = {
    "radius": lambda h, w, order, wave: _r(h, w),
    "radial_cosine": lambda h, w, order, wave: torch.cos(2 * torch.pi * order * _r(h, w)),
    "radial_sine": lambda h, w, order, wave: torch.sin(2 * torch.pi * order * _r(h, w)),
    "cosine": lambda h, w, order, wave: torch.cos(_phi(h, w, order)) * _off_centre(h, w),
    "sine": lambda h, w, order, wave: torch.sin(_phi(h, w, order)) * _off_centre(h, w),
    "wave_cosine": lambda h, w, order, wave: torch.cos(_turns(h, w, wave)),
    "wave_sine": lambda h, w, order, wave: torch.sin(_turns(h, w, wave)),
}
