"""Wavelets: an image by scale (starlet), and by scale, angle and what modulates them (scattering)."""
