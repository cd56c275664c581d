"""Values: are the pixels numbers, as the instrument gave them, and on what scale?"""

import numpy as np
from jaxtyping import Bool, Shaped

from pipeline.checks.measured import Measured
from pipeline.findings import Finding, finding

EXACT = 1e-6  # how close to 0 and 1 float32 arithmetic leaves the ends of a scaled image
STANDARD = 1e-3  # likewise mean 0 and standard deviation 1, of a sum over thousands of pixels
TOP_PIXELS = 5  # a noisy image has its highest value once; counts of a few hundred, now and then twice
TOP_FRACTION = 1e-3  # of the pixels, in larger images
FEW = 0.01  # of the images: fewer than this are accidents of single images, not how the set was made
WIDE = 1e3  # peak over sky rms: beyond it a linear stretch in 8 bits or a colour bar shows nothing but peaks


def measure(images: Shaped[np.ndarray, "n b h w"], bad: Bool[np.ndarray, "n b h w"]) -> dict[str, np.ndarray]:
    """Ends, moments and repeats of the top value of each image, all bands together, without its bad pixels."""
    n = len(images)
    finite = np.isfinite(images)
    good = np.where(bad | ~finite, np.nan, images).reshape(n, -1).astype(np.float64)
    empty = np.isnan(good).all(axis=1)
    good[empty] = 0.0
    top = np.nanmax(good, axis=1)
    return {
        "not_finite": (~finite & ~bad).reshape(n, -1).sum(axis=1),
        "top": top,
        "bottom": np.nanmin(good, axis=1),
        "mean": np.nanmean(good, axis=1),
        "spread": np.nanstd(good, axis=1),
        "at_top": (good == top[:, None]).sum(axis=1),
        "whole": (good == np.rint(good)).sum(axis=1) == np.isfinite(good).sum(axis=1),
    }


def check(seen: Measured) -> list[Finding]:
    return [*_pixels(seen), *_scaled(seen), *_saturated(seen), *_layout(seen), *_range(seen)]


def constant(seen: Measured) -> Bool[np.ndarray, " n"]:
    """Images of one value throughout."""
    return seen["top"] == seen["bottom"]


def scaled(seen: Measured) -> Bool[np.ndarray, " n"]:
    """Images brought to [0, 1], [-1, 1], [0, 255], or mean 0 and deviation 1, each by itself."""
    top, bottom = seen["top"], seen["bottom"]
    ends = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]
    unit = [(np.abs(bottom - low) < EXACT) & (np.abs(top - high) < EXACT * high) for low, high in ends]
    standard = (np.abs(seen["mean"]) < STANDARD) & (np.abs(seen["spread"] - 1) < STANDARD)
    return np.any([*unit, standard], axis=0)


def _pixels(seen: Measured) -> list[Finding]:
    which = seen["not_finite"] > 0
    if not which.any():
        return []
    pixels = int(seen["not_finite"].sum())
    return [
        finding(
            "nan_pixels",
            f"{pixels} pixels of {which.sum()} images are NaN or infinite and are not masked",
            pixels=pixels,
            **seen.who(which),
        )
    ]


def _scaled(seen: Measured) -> list[Finding]:
    which = scaled(seen) & ~constant(seen)
    if which.mean() <= FEW:
        return []
    return [
        finding(
            "normalised",
            f"{which.mean():.0%} of the images are already scaled one by one, as to a maximum of 1 and a minimum of 0",
            median_top=float(np.median(seen["top"])),
            median_bottom=float(np.median(seen["bottom"])),
            **seen.who(which),
        )
    ]


def saturated(seen: Measured) -> Bool[np.ndarray, " n"]:
    """Images that hold their highest value in many pixels."""
    pixels = np.prod(seen.store.shape("images")[1:])
    return (seen["at_top"] >= max(TOP_PIXELS, TOP_FRACTION * pixels)) & ~constant(seen) & ~seen["coarse"]


def _saturated(seen: Measured) -> list[Finding]:
    which = saturated(seen)
    if which.mean() <= FEW:
        return []
    return [
        finding(
            "saturation",
            f"{which.mean():.0%} of the images hold their highest value in many pixels, as a full well does",
            median_pixels_at_top=float(np.median(seen["at_top"][which])),
            **seen.who(which),
        )
    ]


def _layout(seen: Measured) -> list[Finding]:
    found = []
    _, bands, height, width = seen.store.shape("images")
    if height != width:
        found.append(finding("not_square", f"images are {height} x {width} pixels", height=height, width=width))
    if seen.dtype != "float32":
        found.append(finding("dtype", f"pixels are stored as {seen.dtype}, not float32"))
    if not seen.store.attributes.get("units"):
        found.append(finding("unknown_units", "the unit of the pixels is not known", bands=bands))
    return found


def _range(seen: Measured) -> list[Finding]:
    noisy = ~seen["noise_free"] & (seen["rms"] > 0)
    ratio = (seen["top"] - seen["level"])[noisy] / seen["rms"][noisy]
    if len(ratio) == 0 or np.median(ratio) < WIDE:
        return []
    middle = float(np.median(ratio))
    return [finding("dynamic_range", f"peaks are {middle:.0f} times the sky rms in the median", peak_over_rms=middle)]
