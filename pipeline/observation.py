"""The observation: what features may ask to know of how a store's images were taken, one number each for all."""

from collections.abc import Callable

import numpy as np

from pipeline.errors import InputError
from pipeline.store import Store

WHERE = {  # a number that the images do not say can be had from
    "pixel_scale": "ingest.pixel_scale",
    "psf_fwhm": "ingest.psf_fwhm",
    "electrons": "headers with exposure and gain, and ingest.units",
}


def observation(images: Store, floor: float, needs: dict[str, str]) -> dict[str, float]:
    """What the features of a recipe need to know; `needs` says which of them asks.

    Raises `InputError` where the images do not say it.
    """
    known: dict[str, Callable[[], float | None]] = {
        "sky_rms": lambda: sky_rms(images, floor),
        "pixel_scale": lambda: _of_all(images, "pixel_scale"),
        "psf_fwhm": lambda: _of_all(images, "psf_fwhm"),
        "electrons": lambda: _electrons(images),
    }
    found = {}
    for need, label in sorted(needs.items()):
        value = known[need]()
        if value is None:
            raise InputError(f"{label} needs {need}, which these images do not say; it comes from {WHERE[need]}")
        found[need] = float(value)
    return found


def observed(images: Store) -> dict[str, float]:
    """What is known of all images: the median rms of their skies, and the pixel scale if they say it."""
    scale = _of_all(images, "pixel_scale")
    return {"sky_rms": float(np.median(images.read("noise"))), **({"pixel_scale": float(scale)} if scale else {})}


def sky_rms(images: Store, floor: float) -> float:
    """The sky rms that features are scaled by.

    The median over the images, but at least `floor` times their median peak: a noise-free set has no sky to speak of.
    """
    return float(max(np.median(images.read("noise")), floor * np.median(images.read("peak"))))


def _of_all(images: Store, name: str) -> float | None:
    """What the store says of all images, or the median of what each says."""
    return images.attributes[name] or _median(images, name)


def _electrons(images: Store) -> float | None:
    """Detected electrons in one unit of a pixel: exposure where the unit is per second, times gain where it counts."""
    units = images.attributes["units"]
    exposure = _median(images, "exposure") if "/ s" in units else 1.0
    gain = 1.0 if units.startswith("electron") else _median(images, "gain")
    return exposure * gain if units and exposure and gain else None


def _median(images: Store, name: str) -> float | None:
    """Of a column that every image has."""
    values = images.read("observed")[:, images.attributes["observed"].index(name)]
    return float(np.median(values)) if np.isfinite(values).all() else None
