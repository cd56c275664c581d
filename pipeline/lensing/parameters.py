"""Every parameter of a lens: its unit, the values it may have, and the one it has unless a preset says otherwise.

Their order is that of the random numbers of a lens: new ones go to the end, so that old lenses stay as they are.
Angles are in radians, counter-clockwise from +x; positions are in arcsec from the middle of the frame, except those of
sources, which are from the lens. A parameter without a default is absent, and with it what it describes.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    unit: str
    low: float
    high: float
    default: float | None = None


TURN = Parameter("rad", -2 * math.pi, 2 * math.pi, 0.0)
OFFSET = Parameter("arcsec", -10.0, 10.0, 0.0)
RADIUS = Parameter("arcsec", 1e-3, 10.0, 0.3)
AXIS_RATIO = Parameter("", 0.2, 1.0, 1.0)
MAGNITUDE = Parameter("mag", 10.0, 40.0)
INDEX = Parameter("", 0.3, 8.0, 1.0)

PARAMETERS: dict[str, Parameter] = {
    "log10_axion_mass": Parameter("dex(eV)", -26.0, -20.0),  # length of the vortex
    "vortex_angle": TURN,
    "source_x": OFFSET,
    "source_y": OFFSET,
    "source_radius": RADIUS,  # half of the light, along the geometric mean of the axes
    "source_axis_ratio": AXIS_RATIO,
    "source_angle": TURN,
    "source_magnitude": MAGNITUDE,  # unlensed
    "vortex_fraction": Parameter("", 0.0, 1.0, 0.03),  # of the mass within the Einstein radius
    "redshift_lens": Parameter("", 1e-3, 10.0, 0.5),
    "redshift_source": Parameter("", 1e-3, 20.0, 1.0),
    "einstein_radius": Parameter("arcsec", 1e-3, 60.0, 1.2),  # unless the halo's mass decides it
    "log10_halo_mass": Parameter("dex(solMass)", 8.0, 16.0),  # M_200 of an isothermal halo
    "halo_scatter": Parameter("dex", -1.0, 1.0, 0.0),  # of its velocity dispersion about the isothermal one
    "axis_ratio": AXIS_RATIO,
    "angle": TURN,
    "slope": Parameter("", 1.2, 2.8, 2.0),  # of the density in space; 2 is isothermal
    "lens_x": OFFSET,
    "lens_y": OFFSET,
    "shear": Parameter("", 0.0, 0.9, 0.0),
    "shear_angle": TURN,
    "multipole3": Parameter("", -0.2, 0.2, 0.0),  # of the mass, over the Einstein radius
    "multipole3_angle": TURN,
    "multipole4": Parameter("", -0.2, 0.2, 0.0),
    "multipole4_angle": TURN,
    "source_index": INDEX,
    "clumps": Parameter("", 0.0, 100.0, 0.0),  # how many, rounded down
    "clump_fraction": Parameter("", 0.0, 1.0, 0.3),  # of the source's flux
    "clump_width": Parameter("", 1e-2, 1.0, 0.15),  # standard deviation over the source's radius
    "second_x": OFFSET,
    "second_y": OFFSET,
    "second_radius": RADIUS,
    "second_axis_ratio": AXIS_RATIO,
    "second_angle": TURN,
    "second_magnitude": MAGNITUDE,
    "second_index": INDEX,
    "light_radius": RADIUS,
    "light_axis_ratio": AXIS_RATIO,
    "light_angle": TURN,
    "light_magnitude": MAGNITUDE,
    "light_index": INDEX,
    "disc_radius": RADIUS,
    "disc_axis_ratio": AXIS_RATIO,
    "disc_angle": TURN,
    "disc_magnitude": MAGNITUDE,
    "disc_index": INDEX,
    "substructure_fraction": Parameter("", 0.0, 1.0),  # expected, of cold dark matter
    "mass_slope": Parameter("", -4.0, 2.0, -1.9),  # of dN / dm
    "log10_least_mass": Parameter("dex(solMass)", 4.0, 12.0, 8.0),
    "log10_most_mass": Parameter("dex(solMass)", 4.0, 13.0, 10.0),
    "log10_half_mode_mass": Parameter("dex(solMass)", 4.0, 12.0),  # of warm dark matter
    "log10_fuzzy_mass": Parameter("dex(eV)", -24.0, -18.0),  # of the axion that keeps small halos from forming
    "exposure_factor": Parameter("", 0.1, 10.0, 1.0),
    "psf_factor": Parameter("", 0.2, 5.0, 1.0),  # of its width
    "vortex_points": Parameter("", 0.0, 1000.0, 0.0),  # point masses in place of the line, rounded down; 0: the line
    "expected_subhalos": Parameter("", 0.0, 1e5),  # of cold dark matter, in place of their fraction
    "log10_critical_mass": Parameter("dex(solMass)", 8.0, 14.0),  # of a square arcsec; else the cosmology says
    "picture_scale": Parameter("arcsec", 1e-4, 1.0, 0.03),  # of a pixel of the user's galaxies, in the source plane
}
