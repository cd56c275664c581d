"""Geometry: not features, but what features stand on."""

from features.geometry.annuli import annulus, annulus_means, whole_annuli
from features.geometry.centre import circle_fit, geometric_centre, light_centre, symmetry_centre
from features.geometry.frame import angle, offsets, radius
from features.geometry.profile import radial_quantile

__all__ = [
    "angle",
    "annulus",
    "annulus_means",
    "circle_fit",
    "geometric_centre",
    "light_centre",
    "offsets",
    "radial_quantile",
    "radius",
    "symmetry_centre",
    "whole_annuli",
]
