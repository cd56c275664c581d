"""Geometry: not features, but what features stand on."""

from features.geometry.annuli import annulus, annulus_means, whole_annuli
from features.geometry.frame import angle, offsets, radius
from features.geometry.sky import border_rms, starlet_rms

__all__ = [
    "angle",
    "annulus",
    "annulus_means",
    "border_rms",
    "offsets",
    "radius",
    "starlet_rms",
    "whole_annuli",
]
