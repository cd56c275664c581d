"""What is done to a frame before it becomes a row: pixels that were not measured, then cutout and resampling as asked.

Flux is kept: a cutout takes pixels as they are, by whole pixels; resampling shares each pixel's flux out by area.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter

from pipeline.params import Cutout, Resample, Step
from pipeline.sources.frame import Frame

WHOLE = 1e-6  # pixels: nearer to a whole number than this is that number
ENOUGH = 0.05  # of the weight around must have been measured
Position = tuple[float, float]  # x, y in pixels from 0


def prepared(
    frame: Frame, steps: Sequence[Step], nan: Literal["refuse", "mask", "inpaint"], position: Position | None = None
) -> Frame:
    """The frame with float32 pixels, all of them finite, after the steps in their order.

    `position` is where the lens is in the frame as it comes; None stands for the frame's centre. The mask is kept
    with the frame unless `nan` is refuse, when there is nothing to mask. Raises `ValueError` with the reason.
    """
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        frame = FILL[nan](replace(frame, image=frame.image.astype(np.float64)))
    for step in steps:
        if step.cutout is not None:
            frame, position = _cutout(frame, step.cutout, position)
        if step.resample is not None:
            frame, position = _resample(frame, step.resample, position)
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused by who asked
        return replace(frame, image=frame.image.astype(np.float32))


def _bad(frame: Frame) -> Bool[np.ndarray, "b h w"]:
    """Pixels that were not measured, or that a mask rules out."""
    bad = ~np.isfinite(frame.image)
    if frame.mask is not None:
        bad = bad | frame.mask
    if bad.all():
        raise ValueError("every pixel is NaN, infinite or masked")
    return bad


def _refuse(frame: Frame) -> Frame:
    bad = _bad(frame)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {bad.size} pixels are NaN, infinite or masked; ingest.nan can mask or inpaint them"
        )
    return replace(frame, mask=None)


def _mask(frame: Frame) -> Frame:
    bad = _bad(frame)
    return replace(frame, image=np.where(bad, 0, frame.image), mask=bad)


def _inpaint(frame: Frame) -> Frame:
    bad = _bad(frame)
    bands = [inpainted(band, hole) for band, hole in zip(frame.image, bad, strict=True)]
    return replace(frame, image=np.stack(bands), mask=bad)


FILL: dict[str, Callable[[Frame], Frame]] = {"refuse": _refuse, "mask": _mask, "inpaint": _inpaint}


def inpainted(image: Float[np.ndarray, "h w"], hole: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """The image with its hole filled by the weighted mean of the pixels around, from the finest scale that reaches.

    Normalised convolution (Knutsson & Westin 1993) with Gaussians of 1, 2, 4, ... pixels. A constant stays one; noise
    in the hole is smoothed away, and light whose peak lies in the hole is lost.
    """
    if hole.all():
        return np.zeros_like(image)
    measured, light = (~hole).astype(np.float64), np.where(hole, 0.0, image)
    filled, left = np.where(hole, light.sum() / measured.sum(), image), hole.copy()
    sigma = 1.0
    while left.any() and sigma < max(image.shape):  # what is farther from any light gets the mean of all
        weight = gaussian_filter(measured, sigma, mode="constant", truncate=3)
        mean = gaussian_filter(light, sigma, mode="constant", truncate=3)
        near = left & (weight > ENOUGH)
        filled[near] = mean[near] / weight[near]
        left &= ~near
        sigma *= 2
    return filled


def _cutout(frame: Frame, cut: Cutout, position: Position | None) -> tuple[Frame, Position | None]:
    """A square of whole pixels whose centre is within half a pixel of the position; an exact tie goes to the lower."""
    height, width = frame.image.shape[1:]
    x, y = position or ((width - 1) / 2, (height - 1) / 2)
    left, top = (math.ceil(at - (cut.size - 1) / 2 - 0.5 - WHOLE) for at in (x, y))
    over = max(-left, -top, left + cut.size - width, top + cut.size - height)
    if over > 0:
        raise ValueError(
            f"a cutout of {cut.size} pixels about x = {x:g}, y = {y:g} leaves the frame of {width} x {height} by {over}"
        )
    rows, columns = slice(top, top + cut.size), slice(left, left + cut.size)
    mask = None if frame.mask is None else frame.mask[:, rows, columns]
    moved = None if position is None else (x - left, y - top)
    return replace(frame, image=frame.image[:, rows, columns], mask=mask), moved


def _resample(frame: Frame, to: Resample, position: Position | None) -> tuple[Frame, Position | None]:
    """Pixels of another size about the same centre, each with the flux of the area that it covers.

    Flux is conserved but for a margin of less than a pixel at the edges, where the new frame does not reach. White
    noise of rms s comes out with the rms s times the root of the sum of the squared weights (its median over pixels);
    unless the ratio is whole, neighbouring pixels then share some of it. A pixel that touches a masked one is masked.
    """
    scale = frame.observed.get("pixel_scale", math.nan)
    if not scale > 0:
        raise ValueError("its pixel scale is unknown, and without it it cannot be resampled; state ingest.pixel_scale")
    ratio = to.pixel_scale / scale
    down, across = (_overlaps(length, ratio) for length in frame.image.shape[1:])
    mask = None if frame.mask is None else down @ frame.mask.astype(np.float64) @ across.T > WHOLE
    spread = np.median(np.sqrt(np.outer((down**2).sum(axis=1), (across**2).sum(axis=1))))
    moved = None
    if position is not None:
        sides = (frame.image.shape[2], across.shape[0]), (frame.image.shape[1], down.shape[0])
        x, y = ((at - (old - 1) / 2) / ratio + (new - 1) / 2 for at, (old, new) in zip(position, sides, strict=True))
        moved = x, y
    resampled = replace(
        frame,
        image=down @ frame.image @ across.T,
        mask=mask,
        noise=float(frame.noise * spread),
        observed={**frame.observed, "pixel_scale": to.pixel_scale},
    )
    return resampled, moved


def _overlaps(length: int, ratio: float) -> Float[np.ndarray, "new old"]:
    """How much of each old pixel each new one covers, along one axis; the new ones are `ratio` old pixels long."""
    count = math.floor(length / ratio + WHOLE)
    if count < 1:
        raise ValueError(f"its {length} pixels are less than one of the new size")
    edges = length / 2 + (np.arange(count + 1) - count / 2) * ratio  # in old pixels from the first one's edge
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(covered, 0, 1)
