"""Stretches: intensity on a scale that shows faint parts, one for a whole store or, declared, each image's own."""

from features.stretch.fixed import STRETCHES, anscombe, anscombe_inverse, intensity, inverse, pixels
from features.stretch.per_image import clahe, minmax, percentile_clip, zscale
from features.stretch.stored import stored

__all__ = [
    "STRETCHES",
    "anscombe",
    "anscombe_inverse",
    "clahe",
    "intensity",
    "inverse",
    "minmax",
    "percentile_clip",
    "pixels",
    "stored",
    "zscale",
]
