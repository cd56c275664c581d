"""Geometry: not features, but what features stand on."""

<<<<<<< HEAD
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
from features.geometry.frame import angle, offsets, radius
from features.geometry.sky import border_rms, starlet_rms
=======
from features.geometry.annuli import annulus, annulus_means, whole_annuli
from features.geometry.centre import circle_fit, geometric_centre, light_centre, symmetry_centre
from features.geometry.frame import angle, offsets, radius
from features.geometry.profile import radial_quantile
>>>>>>> f-light

__all__ = [
    "angle",
    "annulus",
<<<<<<< HEAD
    "annulus_areas",
    "annulus_means",
    "between_annuli",
    "border_rms",
    "in_annuli",
    "in_whole_annuli",
    "offsets",
    "places_within",
    "radius",
    "ring_means",
    "starlet_rms",
=======
    "annulus_means",
    "circle_fit",
    "geometric_centre",
    "light_centre",
    "offsets",
    "radial_quantile",
    "radius",
    "symmetry_centre",
>>>>>>> f-light
    "whole_annuli",
]
