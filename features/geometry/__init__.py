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
from features.geometry.frame import angle, offsets, radius
from features.geometry.sky import border_rms, starlet_rms

__all__ = [
    "angle",
    "annulus",
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
    "whole_annuli",
]
