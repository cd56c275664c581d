"""The starlet: an image as the sum of itself at one scale after another, the same pixels at each.

The isotropic undecimated wavelet transform: c_0 is the image, c_j is c_{j-1} smoothed by the B3-spline with its taps
2^(j-1) pixels apart, w_j = c_{j-1} - c_j is the plane of scale j, and the image is w_1 + ... + w_J + c_J exactly
(Starck & Murtagh 1994, A&A 288, 342; Starck, Fadili & Murtagh 2007, IEEE Trans. Image Process. 16, 297). Plane j shows
structure about 2^j pixels wide. The frame is continued by its mirror image, so a source at its edge is seen twice.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import b3_smooth, remembered


def starlet(images: Float[Tensor, "n h w"], scale: int = 1, smooth: bool = False) -> Float[Tensor, "n h w"]:
    """Plane w_`scale` of the starlet transform, scale 1 the finest; or, with `smooth`, the smooth remainder c_`scale`.

    A plane holds what is about 2^scale pixels wide and averages to zero; the rest is lost unless the planes 1 ... J
    and the remainder of J are all channels.
    """
    _check(images, scale)
    for finer in range(scale - 1):
        images = b3_smooth(images, 2**finer)
    coarser = b3_smooth(images, 2 ** (scale - 1))
    return coarser if smooth else images - coarser


def starlet_significance(images: Float[Tensor, "n h w"], scale: int = 1, *, sky_rms: float) -> Float[Tensor, "n h w"]:
    """Plane w_`scale` in units of the rms that sky noise, if it is white, has in it.

    Noise that is correlated between pixels (resampled frames) has less in the finest planes and more in the coarser.
    """
    return starlet(images, scale) / (sky_rms * starlet_gain(scale))


def starlet_planes(images: Float[Tensor, "n h w"], scales: int = 4) -> Float[Tensor, "n j h w"]:
    """All planes, w_1 ... w_`scales` and the smooth remainder: j = `scales` + 1 of them, which add up to the image."""
    _check(images, scales)
    smooth = [images]
    for finer in range(scales):
        smooth.append(b3_smooth(smooth[-1], 2**finer))
    planes = [before - after for before, after in itertools.pairwise(smooth)]
    return torch.stack([*planes, smooth[-1]], dim=1)


@remembered
def starlet_gain(scale: int, smooth: bool = False) -> float:
    """Rms of white noise of rms 1 in plane w_`scale`, or in the remainder c_`scale`, away from the frame's edges.

    It is the norm of the plane's response to one pixel, h_{j-1} h_{j-1} - h_j h_j along both axes, which is that of
    one-dimensional inner products: sqrt(<h_{j-1}, h_{j-1}>^2 - 2 <h_{j-1}, h_j>^2 + <h_j, h_j>^2).
    """
    finer, coarser = _response(scale - 1), _response(scale)
    if smooth:
        return _inner(coarser, coarser)
    return math.sqrt(_inner(finer, finer) ** 2 - 2 * _inner(finer, coarser) ** 2 + _inner(coarser, coarser) ** 2)


def _response(scale: int) -> list[float]:
    """h_`scale`: what one pixel becomes along an axis when it is smoothed so many times."""
    response = [1.0]
    for finer in range(scale):
        step = 2**finer
        wider = [0.0] * (len(response) + 4 * step)
        for tap, weight in enumerate((1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)):
            for i, value in enumerate(response):
                wider[i + tap * step] += weight * value
        response = wider
    return response


def _inner(narrow: list[float], wide: list[float]) -> float:
    """Inner product of two responses, of odd length, about a common centre."""
    margin = (len(wide) - len(narrow)) // 2
    return sum(value * wide[i + margin] for i, value in enumerate(narrow))


def _check(images: Float[Tensor, "n h w"], scale: int) -> None:
    side = min(images.shape[1:])
    if not 1 <= scale <= side:  # before 2**scale grows beyond all bounds
        raise ValueError(f"scale: {scale} of a frame of {side} pixels a side; it must be 1 or more, and far fewer")
    if not 2**scale < side:
        raise ValueError(f"scale: {scale} takes a frame of more than {2**scale} pixels a side; this one has {side}")
