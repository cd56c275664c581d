"""Light: whether there is any, at what radius, and where."""

import numpy as np
from jaxtyping import Float

from pipeline.checks import frame
from pipeline.checks.measured import Measured
from pipeline.checks.noise import GAUSSIAN_MAD
from pipeline.checks.values import constant
from pipeline.findings import Finding, finding

BOX = 5  # pixels: about an arc's width, so that an arc adds up and noise averages out
NOTHING = 5.0  # S/N of the brightest box: noise alone reaches 3 to 4 somewhere in a frame
OFF_CENTRE = 1.0  # pixels, of the mean light of all images: half of one is a matter of convention
SURE = 3.0  # standard errors


def measure(
    images: Float[np.ndarray, "n h w"], level: Float[np.ndarray, " n"], rms: Float[np.ndarray, " n"]
) -> dict[str, np.ndarray]:
    """Radial profile, S/N of the brightest box, and centroid of what is above the noise."""
    above = images - level[:, None, None]
    boxes = frame.separable(above, np.full(BOX, 1 / BOX))
    border = frame.inner(frame.sky(*images.shape[1:]), BOX // 2)
    scatter = GAUSSIAN_MAD * np.median(np.abs(boxes[:, border]), axis=1) if border.any() else rms / BOX
    brightest = boxes.max(axis=(1, 2))
    return {
        "profile": _profile(above),
        "detection": np.where(
            scatter > 0, brightest / np.where(scatter > 0, scatter, 1.0), np.where(brightest > 0, np.inf, 0)
        ),
        "centroid": _centroid(np.where(above > 3 * rms[:, None, None], above, 0.0)),
    }


def _profile(above: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n r"]:
    """Means in annuli of one pixel, out to the nearer edge."""
    h, w = above.shape[1:]
    annulus = np.rint(frame.radius(h, w)).astype(int).ravel()
    inside = annulus < min(h, w) / 2
    weights = np.zeros((h * w, annulus[inside].max() + 1))
    weights[np.flatnonzero(inside), annulus[inside]] = 1.0
    filled = weights.sum(axis=0) > 0  # of an even frame no pixel is within half a pixel of the middle
    return above.reshape(len(above), -1) @ (weights / weights.sum(axis=0).clip(1))[:, filled]


def _centroid(bright: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 2"]:
    """Offset (y, x) in pixels of the light from the middle of the frame; NaN without light."""
    y, x = np.indices(bright.shape[1:])
    total = bright.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)
    middle = [(size - 1) / 2 for size in bright.shape[1:]]
    return np.stack(
        [(bright * axis).sum(axis=(1, 2)) / total - centre for axis, centre in zip((y, x), middle, strict=True)], axis=1
    )


def check(seen: Measured) -> list[Finding]:
    return [*_blank(seen), *_off_centre(seen)]


def _blank(seen: Measured) -> list[Finding]:
    which = constant(seen) | (seen["detection"] < NOTHING)
    if not which.any():
        return []
    return [
        finding(
            "blank_images",
            f"{which.sum()} images show no light above their noise",
            constant=int(constant(seen).sum()),
            threshold=NOTHING,
            **seen.who(which),
        )
    ]


def _off_centre(seen: Measured) -> list[Finding]:
    known = seen["centroid"][np.isfinite(seen["centroid"]).all(axis=1)]
    if len(known) < 2:
        return []
    mean, error = known.mean(axis=0), known.std(axis=0) / np.sqrt(len(known))
    if not ((np.abs(mean) > OFF_CENTRE) & (np.abs(mean) > SURE * error)).any():
        return []
    where = f"{_towards(mean[0], 'y')} and {_towards(mean[1], 'x')}"
    return [
        finding(
            "off_centre",
            f"the light of all images together lies {where} than the middle",
            mean_y=float(mean[0]),
            mean_x=float(mean[1]),
            standard_error_y=float(error[0]),
            standard_error_x=float(error[1]),
        )
    ]


def _towards(offset: float, axis: str) -> str:
    return f"{abs(offset):.1f} pixels {'higher' if offset > 0 else 'lower'} in {axis}"
