"""The sky rms of an image whose source does not know it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import correlate1d, maximum_filter
from scipy.special import erf

BLOCK = 256  # images at a time: their planes stay in memory
BORDER = 0.42  # of the shorter side; beyond it is border
CLIP = 3.0  # standard deviations
ROUNDS = 5
MAD_TO_RMS = 1.482602218505602  # of a Gaussian
B3_SPLINE = np.array([1, 4, 6, 4, 1]) / 16

Images = Float[np.ndarray, "n b h w"]
Masks = Bool[np.ndarray, "n b h w"] | None
Rms = Float[np.ndarray, " n"]


def border(images: Images, mask: Masks = None) -> Rms:
    """The sigma-clipped standard deviation of the pixels beyond 0.42 of the shorter side from the centre.

    It starts from the scaled median absolute deviation, clips at 3 sigma, and makes up for what clipping takes from a
    Gaussian. Of several bands, the first. Zero where the border is of one value; too large where light reaches it;
    NaN where all of it is masked.
    """
    height, width = images.shape[2:]
    y, x = np.mgrid[:height, :width]
    far = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) > BORDER * min(height, width)
    pixels = np.ascontiguousarray(_measured(images, mask)[:, far])  # or sums would depend on the batch's layout
    kept = np.isfinite(pixels)
    centre = _median(pixels, kept)
    spread = MAD_TO_RMS * _median(np.abs(pixels - centre), kept)
    for _ in range(ROUNDS):
        kept = np.isfinite(pixels) & (np.abs(pixels - centre) <= CLIP * spread)
        centre = _mean(pixels, kept)
        spread = np.sqrt(_mean((pixels - centre) ** 2, kept)) / CLIPPED
    return spread[:, 0]


def starlet(images: Images, mask: Masks = None) -> Rms:
    """The scaled median absolute deviation of the first plane of the starlet transform (Starck & Murtagh 1998, PASP
    110, 193), divided by what white noise of rms 1 has in that plane.

    It sees through smooth light, and leaves out the pixels where the second plane shows sharp light, so it may use
    the whole frame. Noise that is correlated between pixels (resampled frames) it takes for light, and comes out too
    small. Of several bands, the first.
    """
    found = [_starlet(_measured(images[i : i + BLOCK], None if mask is None else mask[i : i + BLOCK]))
             for i in range(0, len(images), BLOCK)]  # fmt: skip
    return np.concatenate(found) if found else np.empty(0)


ESTIMATORS: dict[str, Callable[[Images, Masks], Rms]] = {"border": border, "starlet": starlet}

# the standard deviation of a Gaussian cut at 3 sigma, over the Gaussian's
CLIPPED = float(np.sqrt(1 - 2 * CLIP * np.exp(-(CLIP**2) / 2) / np.sqrt(2 * np.pi) / erf(CLIP / np.sqrt(2))))

SIGNIFICANT = 4.0  # standard deviations of the second plane: there is light here
REACH = 5  # pixels: what light touches in the first plane


def _planes(frames: Float[np.ndarray, "n h w"]) -> list[Float[np.ndarray, "n h w"]]:
    """The first two planes of the starlet transform: what is lost on smoothing once, and then at twice the scale."""
    planes, wide = [], np.insert(B3_SPLINE, [1, 2, 3, 4], 0)
    for kernel in (B3_SPLINE, wide):
        smooth = correlate1d(correlate1d(frames, kernel, axis=1, mode="mirror"), kernel, axis=2, mode="mirror")
        planes.append(frames - smooth)
        frames = smooth
    return planes


_DELTA = np.zeros((1, 33, 33))
_DELTA[0, 16, 16] = 1
STARLET_GAINS = [float(np.sqrt((plane**2).sum())) for plane in _planes(_DELTA)]  # 0.8908, 0.2007 of white noise


def _starlet(first: Float[np.ndarray, "n h w"]) -> Rms:
    """The rms of a block of images, without the pixels where the second plane shows light."""
    measured = np.isfinite(first)
    flat = first.reshape(len(first), -1)
    plane, coarse = _planes(np.where(measured, first, _median(flat, np.isfinite(flat))[:, :, None]))
    rms = _mad(plane, measured)
    for _ in range(ROUNDS):
        light = np.abs(coarse) > SIGNIFICANT * STARLET_GAINS[1] * rms[:, None, None]
        dark = measured & ~maximum_filter(light, size=(1, REACH, REACH))
        rms = _mad(plane, np.where(dark.any(axis=(1, 2), keepdims=True), dark, measured))
    return rms


def _mad(plane: Float[np.ndarray, "n h w"], kept: Bool[np.ndarray, "n h w"]) -> Rms:
    values, among = plane.reshape(len(plane), -1), kept.reshape(len(plane), -1)
    return MAD_TO_RMS * _median(np.abs(values - _median(values, among)), among)[:, 0] / STARLET_GAINS[0]


def _measured(images: Images, mask: Masks) -> Float[np.ndarray, "n h w"]:
    """The first band in float64, NaN where masked."""
    first = images[:, 0].astype(np.float64)
    return first if mask is None else np.where(mask[:, 0], np.nan, first)


def _median(values: Float[np.ndarray, "n p"], kept: Bool[np.ndarray, "n p"]) -> Float[np.ndarray, "n 1"]:
    if kept.all():
        return np.median(values, axis=1, keepdims=True)
    found = [np.median(row[keep]) if keep.any() else np.nan for row, keep in zip(values, kept, strict=True)]
    return np.array(found).reshape(-1, 1)


def _mean(values: Float[np.ndarray, "n p"], kept: Bool[np.ndarray, "n p"]) -> Float[np.ndarray, "n 1"]:
    count = kept.sum(axis=1, keepdims=True)
    return np.where(count, np.where(kept, values, 0).sum(axis=1, keepdims=True) / np.maximum(count, 1), np.nan)
