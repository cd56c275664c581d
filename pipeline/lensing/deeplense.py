"""The simulations of DeepLense, as its public generator makes them and as they are meant to be.

`legacy` is the generator (mwt5345/DeepLenseSim at a0c0191), quirk by quirk; `corrected` is without the quirks:

- the Einstein radius of the halo of 10^12 solar masses is found with luminosity distances, and with their difference in
  place of the distance between lens and source: 1.281" where 1.665" is right;
- Model II and III ask for a source at redshift 1 but measure deflections for one at 2.5: every deflection, shear and
  all, is .634 of what it is meant to be;
- dN / dm of the subhalos goes with m^-0.9 where m^-1.9 is meant, so that a few heavy ones hold nearly all the mass;
  there are 25 of them always; and they are uniform in radius, crowding about the centre;
- one ray per pixel, through its middle;
- Model I draws photon noise twice, and clips what is below zero; Model II and III add the image to itself where noise
  is meant to be added: they are noise-free, and twice as bright.

The generator's settings of Model III are not public at that commit: it names an instrument that it does not define.
Here it is HST WFC3/F160W as lenstronomy has it. The labels of "Test III" (the mass fraction in subhalos, 20,000 of
them) have a wider spread than a fixed number of subhalos gives; a Poisson number of mean 27.6 reproduces it.
"""

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from pipeline.lensing import photons
from pipeline.lensing.cosmology import STANDARD, Cosmology
from pipeline.lensing.instruments import INSTRUMENTS
from pipeline.lensing.priors import Preset, Priors, fixed, log_uniform, normal, uniform
from pipeline.params import Subhalos

Number = Literal["poisson", "fixed"]
HALO = 1e12  # solar masses
PYHALO = Cosmology(69.7, 0.2814)  # the cosmology that the generator traces rays in
LENS, SOURCE, CONVENTION = (torch.tensor(z, dtype=torch.float64) for z in (0.5, 1.0, 2.5))
KINDS = ("none", "subhalos", "vortex")
BACKGROUND = 0.01  # rms of Model I, electrons per second per pixel


def right_radius() -> float:
    """Einstein radius [arcsec] of the halo's mass."""
    return float(STANDARD.einstein_radius(torch.tensor(HALO, dtype=torch.float64), LENS, SOURCE))


def legacy_radius() -> float:
    """The same with luminosity distances."""
    lens, source = ((1 + z) * STANDARD.comoving(z) for z in (LENS, SOURCE))
    wrong = (source - lens) / (lens * source)
    right = STANDARD.distance_between(LENS, SOURCE) / (STANDARD.distance(LENS) * STANDARD.distance(SOURCE))
    return right_radius() * float(wrong / right) ** 0.5


def convention() -> float:
    """What is left of deflections that are measured for a source at 2.5."""
    at_one, further = (PYHALO.distance_between(LENS, z) / PYHALO.distance(z) for z in (SOURCE, CONVENTION))
    return float(at_one / further)


def magnitude(amplitude: float, zero_point: float) -> float:
    """Of the source whose brightness at `RADIUS` is `amplitude` per square arcsec."""
    flux = 2 * math.pi * amplitude * RADIUS**2 * math.exp(APPROXIMATE) / APPROXIMATE**2
    return zero_point - 2.5 * math.log10(flux)


RADIUS = 0.25  # arcsec, of an exponential source
EXACT, APPROXIMATE = 1.6783469900166605, 1.9992 - 0.3271  # b_1, and lenstronomy's
MODEL_1 = magnitude(20.0, INSTRUMENTS["deeplense_1"].zero_point)
SOURCES: Priors = {
    "source_x": uniform(-0.35, 0.35),
    "source_y": uniform(-0.35, 0.35),
    "source_axis_ratio": fixed((1 - 0.02**0.5) / (1 + 0.02**0.5)),  # ellipticity (-0.1, 0.1)
    "source_angle": fixed(3 * math.pi / 8),
}
HALOS: Priors = {"axis_ratio": fixed(0.9 / 1.1), "log10_least_mass": fixed(6.0), "log10_most_mass": fixed(10.0)}
VORTICES: Priors = {"log10_axion_mass": uniform(-24.0, -22.0), "vortex_angle": uniform(0.0, 2 * math.pi)}
EXPOSURES: Priors = {"exposure_factor": log_uniform(1.0, 10**0.5)}  # of 1000 s
CAMERA = {"pixel_scale": None, "psf_fwhm": None, "exposure": None, "sky_brightness": None, "read_noise": None}


def subhalos(positions: Literal["disc", "annulus"], number: Number) -> Subhalos:
    """Point masses; `reach` makes 2" of the right Einstein radius."""
    return Subhalos(
        profile="point",
        positions=positions,
        number=number,
        reach=2.0 / right_radius(),
        sheet=positions == "disc",
        scatter=0.0,
        truncation=6.0,
    )


def legacy(
    instrument: str, size: int, source: float, scale: float, noise: str, number: Number = "fixed", mean: float = 25.0
) -> Preset:
    """The public generator; deflections are multiplied by `scale`."""
    priors: Priors = SOURCES | HALOS
    priors |= {
        "einstein_radius": fixed(legacy_radius() * scale),
        "shear": fixed(0.05 * scale),
        "log10_critical_mass": fixed(math.log10(HALO / (math.pi * legacy_radius() ** 2 * scale))),
        "source_magnitude": fixed(source),
        "source_radius": fixed(RADIUS * EXACT / APPROXIMATE),
        "mass_slope": fixed(-0.9),
        "expected_subhalos": fixed(mean),
        "vortex_fraction": fixed(0.03 / scale),  # of the mass within the smaller ring: 0.03 of the halo's
        "vortex_points": fixed(100.0),
    }
    own = CAMERA | {"instrument": instrument, "size": size, "supersampling": 1, "noise": noise}
    return Preset(priors, KINDS, own | {"subhalos": subhalos("annulus", number)})


def corrected(instrument: str, size: int, source: float) -> Preset:
    """What is meant: the halo's true Einstein radius, the mass function of cold dark matter, and noise, once."""
    priors: Priors = SOURCES | HALOS
    priors |= {
        "einstein_radius": fixed(right_radius()),
        "shear": fixed(0.05),
        "source_magnitude": fixed(source),
        "source_radius": fixed(RADIUS),
        "mass_slope": fixed(-1.9),
        "expected_subhalos": fixed(25.0),
        "vortex_fraction": fixed(0.03),
    }
    own = CAMERA | {"instrument": instrument, "size": size, "supersampling": "auto", "noise": "poisson"}
    return Preset(priors, KINDS, own | {"subhalos": subhalos("disc", "poisson")})


def with_priors(preset: Preset, priors: Priors, *left_out: str) -> Preset:
    kept = {name: prior for name, prior in preset.priors.items() if name not in left_out}
    return Preset(kept | priors, preset.kinds, preset.own)


def fractions(preset: Preset, priors: Priors, *left_out: str) -> Preset:
    """A set of subhalos alone."""
    alone = with_priors(preset, EXPOSURES | priors, *left_out, "vortex_fraction", "vortex_points")
    return Preset(alone.priors, (), alone.own)


LEGACY_1 = legacy("deeplense_1", 150, MODEL_1, 1.0, "poisson_twice")
TEST_3 = legacy("deeplense_1", 150, MODEL_1, 1.0, "poisson_twice", "poisson", 27.6)
LEGACY: dict[str, Preset] = {
    "deeplense_1": with_priors(LEGACY_1, VORTICES | EXPOSURES),
    "deeplense_2": with_priors(legacy("deeplense_2", 64, 20.0, convention(), "doubled"), VORTICES),
    "deeplense_3": with_priors(legacy("hst_wfc3_f160w", 64, 20.0, convention(), "doubled"), VORTICES),
    "test3": fractions(TEST_3, {}),
}
CORRECTED: dict[str, Preset] = {
    "deeplense_1": with_priors(corrected("deeplense_1", 150, MODEL_1), VORTICES | EXPOSURES),
    "deeplense_2": with_priors(corrected("deeplense_2", 64, 20.0), VORTICES),
    "deeplense_3": with_priors(corrected("hst_wfc3_f160w", 64, 20.0), VORTICES),
    "test3": fractions(
        corrected("deeplense_1", 150, MODEL_1),
        {"substructure_fraction": normal(0.0417, 0.0146)},
        "expected_subhalos",
    ),
}


def twice_poisson(
    rate: Float[np.ndarray, "h w"], exposure: float, generator: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """Counts as Model I has them: photon noise as a Gaussian and a background, and then Poisson counts of the result,
    of which nothing below zero is left."""
    noise = np.sqrt(rate / exposure) * photons.gaussian(rate.shape, generator)
    background = BACKGROUND * photons.gaussian(rate.shape, generator)
    return photons.poisson(((rate + noise + background) * exposure).clip(0), generator)


def twice_poisson_rms(exposure: float) -> float:
    """Standard deviation of an empty pixel's counts: that of the upper half of a Gaussian, and of its photons."""
    width = BACKGROUND * exposure
    return math.sqrt(width**2 * (0.5 - 0.5 / math.pi) + width / math.sqrt(2 * math.pi))
