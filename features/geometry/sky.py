"""The sky rms of every image of a batch, from the image alone. `pipeline/sky.py` has the same two for whole stores."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from features.filters import b3_smooth, ordered
from features.geometry.frame import radius

BORDER = 0.42  # of the shorter side; beyond it is border
CLIP = 3.0  # standard deviations
ROUNDS = 5
MAD_TO_RMS = 1.482602218505602  # of a Gaussian
# the standard deviation of a Gaussian cut at 3 sigma, over the Gaussian's
CLIPPED = math.sqrt(1 - 2 * CLIP * math.exp(-(CLIP**2) / 2) / math.sqrt(2 * math.pi) / math.erf(CLIP / math.sqrt(2)))
GAINS = (
    0.8907963102787584,
    0.20066385102441897,
)  # of white noise in the first two starlet planes: `features.wavelet` has them all
SIGNIFICANT = 4.0  # standard deviations of the second plane: there is light here
REACH = 5  # pixels: what light touches in the first plane
SMALLEST = 5  # pixels a side: what the second plane's mirror image takes


def border_rms(images: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The sigma-clipped standard deviation of the pixels beyond 0.42 of the shorter side from the centre.

    It starts from the scaled median absolute deviation, clips at 3 sigma, and makes up for what clipping takes from a
    Gaussian. Zero where the border is of one value; too large where light reaches it.
    """
    height, width = images.shape[1:]
    far = radius(height, width, torch.empty(0, dtype=torch.float64)) > BORDER * min(height, width)
    pixels = images[:, far.to(images.device)]  # (n, p)
    centre = _median(pixels)
    spread = MAD_TO_RMS * _median((pixels - centre).abs())
    for _ in range(ROUNDS):
        kept = (pixels - centre).abs() <= CLIP * spread
        centre = _mean(pixels, kept)
        spread = _mean((pixels - centre) ** 2, kept).sqrt() / CLIPPED
    return spread[:, 0]


def starlet_rms(images: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The scaled median absolute deviation of the first plane of the starlet transform (Starck & Murtagh 1998, PASP
    110, 193), divided by what white noise of rms 1 has in that plane.

    It sees through smooth light, and leaves out the pixels where the second plane shows sharp light, so it may use
    the whole frame. Noise that is correlated between pixels (resampled frames) it takes for light, and comes out too
    small.
    """
    side = min(images.shape[1:])
    if side < SMALLEST:
        raise ValueError(f"images: {side} pixels a side; the sky rms takes {SMALLEST} or more")
    smooth = b3_smooth(images, 1)
    plane, coarse = images - smooth, smooth - b3_smooth(smooth, 2)
    everywhere = torch.ones_like(plane, dtype=torch.bool)
    rms = _mad(plane, everywhere)
    for _ in range(ROUNDS):
        light = coarse.abs() > SIGNIFICANT * GAINS[1] * rms[:, None, None]
        near = max_pool2d(light.to(images.dtype)[:, None], REACH, stride=1, padding=REACH // 2)[:, 0]
        dark = near == 0
        rms = _mad(plane, dark | ~dark.any(dim=2).any(dim=1)[:, None, None])
    return rms


def _mad(plane: Float[Tensor, "n h w"], kept: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    values, among = plane.flatten(1), kept.flatten(1)
    deviation = (values - _median_among(values, among)).abs()
    return MAD_TO_RMS * _median_among(deviation, among)[:, 0] / GAINS[0]


def _median(values: Float[Tensor, "n p"]) -> Float[Tensor, "n 1"]:
    ascending, pixels = ordered(values), values.shape[1]
    return (ascending[:, (pixels - 1) // 2, None] + ascending[:, pixels // 2, None]) / 2


def _median_among(values: Float[Tensor, "n p"], kept: Bool[Tensor, "n p"]) -> Float[Tensor, "n 1"]:
    """The median of those that are kept: the others are sorted beyond them."""
    ascending, pixels = ordered(values.masked_fill(~kept, math.inf)), kept.sum(dim=1, keepdim=True)
    return (ascending.gather(1, (pixels - 1) // 2) + ascending.gather(1, pixels // 2)) / 2


def _mean(values: Float[Tensor, "n p"], kept: Bool[Tensor, "n p"]) -> Float[Tensor, "n 1"]:
    # NaN images keep nothing and stay NaN
    return values.masked_fill(~kept, 0).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
