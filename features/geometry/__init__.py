"""Geometry: not features, but what features stand on."""

from features.geometry.annuli import annulus, annulus_means, whole_annuli
from features.geometry.frame import angle, offsets, radius

__all__ = ["angle", "annulus", "annulus_means", "offsets", "radius", "whole_annuli"]
