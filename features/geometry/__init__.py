"""Geometry: not features, but what features stand on."""

from features.geometry.annuli import (
    annulus,
    annulus_areas,
    annulus_means,
    between_annuli,
    in_annuli,
    in_whole_annuli,
    places_within,
    ring_means,
    whole_annuli,
)
from features.geometry.centre import circle_fit, geometric_centre, light_centre, symmetry_centre
from features.geometry.frame import angle, offsets, radius
from features.geometry.profile import radial_quantile
from features.geometry.sky import border_rms, starlet_rms

__all__ = [
    "angle",
    "annulus",
    "annulus_areas",
    "annulus_means",
    "between_annuli",
    "border_rms",
    "circle_fit",
    "geometric_centre",
    "in_annuli",
    "in_whole_annuli",
    "light_centre",
    "offsets",
    "places_within",
    "radial_quantile",
    "radius",
    "ring_means",
    "starlet_rms",
    "symmetry_centre",
    "whole_annuli",
]
