"""Presets: what varies among the lenses of an embedded data set. `simulation.priors` changes any of it."""

import math
from collections.abc import Mapping

from pipeline.errors import InputError
from pipeline.lensing import deeplense
from pipeline.lensing.parameters import PARAMETERS
from pipeline.lensing.priors import Preset, Priors, fixed, log_uniform, normal, uniform
from pipeline.params import Prior, Simulation

ANGLE = uniform(0.0, math.pi)

VORTEX: Priors = {"log10_axion_mass": uniform(-24.5, -23.0), "vortex_angle": ANGLE}

SOURCE: Priors = {
    "source_x": uniform(-0.3, 0.3),
    "source_y": uniform(-0.3, 0.3),
    "source_radius": uniform(0.15, 0.35),
    "source_axis_ratio": uniform(0.6, 1.0),
    "source_angle": ANGLE,
    "source_magnitude": uniform(24.0, 25.0),
}

NUISANCES: Priors = {  # of a lens whose every number is unknown
    "einstein_radius": uniform(0.6, 1.8),
    "axis_ratio": uniform(0.6, 1.0),
    "angle": ANGLE,
    "slope": normal(2.0, 0.1),
    "lens_x": uniform(-0.05, 0.05),
    "lens_y": uniform(-0.05, 0.05),
    "shear": uniform(0.0, 0.1),
    "shear_angle": ANGLE,
    "multipole3": normal(0.0, 0.01),
    "multipole3_angle": ANGLE,
    "multipole4": normal(0.0, 0.01),
    "multipole4_angle": ANGLE,
    "source_x": uniform(-0.3, 0.3),
    "source_y": uniform(-0.3, 0.3),
    "source_radius": uniform(0.1, 0.5),
    "source_axis_ratio": uniform(0.5, 1.0),
    "source_angle": ANGLE,
    "source_magnitude": uniform(22.0, 24.5),
    "source_index": uniform(0.5, 3.0),
    "clumps": uniform(0.0, 10.0),
    "light_magnitude": uniform(18.5, 21.0),
    "light_radius": uniform(0.3, 1.0),
    "light_axis_ratio": uniform(0.6, 1.0),
    "light_angle": ANGLE,
    "light_index": uniform(2.0, 5.0),
    "exposure_factor": uniform(0.8, 1.2),
    "psf_factor": normal(1.0, 0.05),
}

DARK_LENS: Priors = {name: prior for name, prior in NUISANCES.items() if not name.startswith("light_")}

PRESETS: dict[str, Priors] = {
    # a halo and a shear that are known, a source that is not, and an axion vortex: the question is its mass
    "axion": {
        "einstein_radius": fixed(1.2),
        "axis_ratio": fixed(0.82),
        "shear": fixed(0.05),
        "vortex_fraction": fixed(0.03),
        **VORTEX,
        **SOURCE,
    },
    # the same question where nothing is known of the lens
    "axion_free": {**DARK_LENS, **VORTEX},
    # a realistic galaxy lens with its light: Einstein radius and the mass within
    "lens64": NUISANCES,
    # subhalos of cold dark matter: their fraction
    "substructure": {**DARK_LENS, "substructure_fraction": log_uniform(1e-3, 2e-2)},
    # the mass of an isothermal halo, with the scatter of dispersion at a given mass
    "halo_mass": {
        **{name: prior for name, prior in NUISANCES.items() if name != "einstein_radius"},
        "log10_halo_mass": uniform(12.9, 13.7),
        "halo_scatter": normal(0.0, 0.03),
    },
    # subhalos of warm dark matter: the mass at which they are half suppressed
    "wdm": {
        **DARK_LENS,
        "substructure_fraction": log_uniform(5e-3, 2e-2),
        "log10_half_mode_mass": uniform(7.0, 10.0),
    },
}


VARIANTS = {"legacy": deeplense.LEGACY, "corrected": deeplense.CORRECTED}


def preset(name: str, variant: str = "corrected") -> Preset:
    """What a preset says; only DeepLense's come in variants."""
    return VARIANTS[variant][name] if name in deeplense.LEGACY else Preset(PRESETS[name])


def applied(simulation: Simulation) -> Simulation:
    """The parameters with what the preset decides itself in place of the user's."""
    return simulation.model_copy(update=dict(preset(simulation.preset, simulation.variant).own))


def priors(name: str, changed: Mapping[str, Prior], variant: str = "corrected") -> Priors:
    """The priors of a preset with the user's changes. Raises `InputError` naming the key."""
    chosen = preset(name, variant).priors | dict(changed)
    for name, prior in chosen.items():
        if name not in PARAMETERS:
            raise InputError(f"simulation.priors: no parameter {name!r}; there are {', '.join(PARAMETERS)}")
        low, high = PARAMETERS[name].low, PARAMETERS[name].high
        for value in ends(prior):
            if not low <= value <= high:
                unit = f" {PARAMETERS[name].unit}".rstrip()
                raise InputError(f"simulation.priors.{name}: {value:g}{unit} is not between {low:g} and {high:g}")
    _check_order(chosen, "redshift_lens", "redshift_source", "the source must lie behind the lens")
    _check_order(chosen, "log10_least_mass", "log10_most_mass", "the mass function needs a range")
    return chosen


def ends(prior: Prior) -> tuple[float, ...]:
    """Smallest and largest value; of a normal distribution its mean."""
    if prior.fixed is not None:
        return (prior.fixed,)
    if prior.normal:
        return (prior.normal[0],)
    return tuple(prior.uniform or prior.log_uniform or ())


def _check_order(chosen: Priors, lower: str, upper: str, why: str) -> None:
    """No draw of the one may reach the other."""
    spans = []
    for name in (lower, upper):
        parameter = PARAMETERS[name]
        prior = chosen.get(name, Prior(fixed=parameter.default))
        spans.append((parameter.low, parameter.high) if prior.normal else ends(prior))
    if max(spans[0]) >= min(spans[1]):
        raise InputError(
            f"simulation.priors.{upper}: reaches down to {min(spans[1]):g} where {lower} reaches up to "
            f"{max(spans[0]):g}; {why}"
        )
