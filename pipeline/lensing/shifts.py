"""Shifts: the same lenses, seen or made otherwise than those that a network learnt from.

A shift changes the parameters `simulation`, or the numbers of each lens, before anything is rendered. What it does not
touch stays as it is: the other numbers, the subhalos, and the random numbers of the noise. No target depends on what
is changed here, so every truth stays.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from pipeline.errors import InputError
from pipeline.lensing.instruments import Instrument
from pipeline.lensing.populations import SHIFT, generator
from pipeline.params import SHIFTS, Prior, Simulation

PSF = {"psf_narrow": 0.8, "psf_wide": 1.25}  # of the usual width
NOISE = {"noise_low": 0.5, "noise_high": 2.0}  # of the usual rms of an empty pixel
EXPOSURE = 0.5  # of the usual one
OFFSET = 1.0  # pixels between the lens's light and its mass
CLUMPS = (5, 20)  # the fewest and the most of a source
CLUMPED = 0.5  # of the source's flux
PROFILES = {"tnfw": "sis", "sis": "tnfw", "point": "tnfw"}

Values = Mapping[str, Float[np.ndarray, " n"]]


@dataclass(frozen=True)
class Setting:
    """What a shift may need to know of the simulation that it changes."""

    simulation: Simulation
    instrument: Instrument  # with the user's own numbers in place of its usual ones
    priors: Mapping[str, Prior]


def check(name: str, setting: Setting) -> None:
    """Refuse a shift that does not exist, or that would change nothing in these images."""
    known(name)
    possible = [shift for shift in SHIFTS if not _missing(shift, setting)]
    if name not in possible:
        raise InputError(
            f"shift.kinds: {name}: {_missing(name, setting)}; what can be made of it is {', '.join(possible)}"
        )


def known(name: str) -> None:
    """Refuse a name that is not a shift's."""
    if name not in SHIFTS:
        raise InputError(f"shift.kinds: no shift {name!r}; there are {', '.join(SHIFTS)}")


def seen(name: str, setting: Setting) -> Simulation:
    """The parameters under a shift: what it does to the camera, or to how subhalos bend light."""
    return SEEN.get(name, _as_it_is)(setting)


def drawn(name: str, setting: Setting, values: Values, lenses: Sequence[int]) -> dict[str, Float[np.ndarray, " n"]]:
    """The numbers of some lenses under a shift."""
    changed = DRAWN[name](setting, values, lenses) if name in DRAWN else {}
    return {**values, **changed}


def _missing(name: str, setting: Setting) -> str:
    """What these images lack for a shift to make a difference; "" for nothing."""
    chosen, given = setting.simulation, setting.priors
    if name in NOISE and chosen.noise != "poisson":
        return f"simulation.noise: {chosen.noise} takes no notice of the camera's sky and read noise"
    if name == "exposure_short" and chosen.noise in ("none", "doubled"):
        return f"simulation.noise: {chosen.noise} looks the same after any exposure"
    if name == "light_offset" and not {"light_magnitude", "disc_magnitude"} & set(given):
        return f"preset {chosen.preset} has no light of the lens"
    if name == "clumpy" and chosen.pictures:
        return "the sources are pictures (simulation.pictures)"
    if name == "clumpy" and "source_magnitude" not in given:
        return f"preset {chosen.preset} has no source"
    if name == "subhalo_profile" and not {"substructure_fraction", "expected_subhalos"} & set(given):
        return f"preset {chosen.preset} has no subhalos"
    return ""


def _as_it_is(setting: Setting) -> Simulation:
    return setting.simulation


def _another_sky(setting: Setting, factor: float) -> Simulation:
    """An empty pixel whose rms is `factor` times the usual one: the sky's photons go with the square, the read noise as
    it is. The photon noise of what shines stays."""
    own = setting.instrument
    changed = {
        "sky_brightness": own.sky_brightness - 5 * math.log10(factor),
        "read_noise": own.read_noise * factor,
    }
    return setting.simulation.model_copy(update=changed)


def _another_profile(setting: Setting) -> Simulation:
    """Subhalos of the same mass at the same place that bend light by another law."""
    subhalos = setting.simulation.subhalos
    other = subhalos.model_copy(update={"profile": PROFILES[subhalos.profile]})
    return setting.simulation.model_copy(update={"subhalos": other})


def _times(setting: Setting, values: Values, lenses: Sequence[int], name: str, factor: float) -> Values:
    return {name: values[name] * factor}


def _off_centre(setting: Setting, values: Values, lenses: Sequence[int]) -> Values:
    """All light of the lens galaxy away from its mass, in a direction of each lens's own: a common one would be a bias
    that a network could not tell from where the frame's middle is."""
    phi = 2 * math.pi * np.array([_random(setting, lens).random() for lens in lenses])
    offset = OFFSET * setting.instrument.pixel_scale
    return {
        f"{part}_{axis}": offset * turn
        for part in ("light", "disc")
        for axis, turn in (("x", np.cos(phi)), ("y", np.sin(phi)))
    }


def _clumpy(setting: Setting, values: Values, lenses: Sequence[int]) -> Values:
    """`CLUMPED` of the first source's flux in clumps, whatever the preset says of them."""
    number = [_random(setting, lens).integers(*CLUMPS, endpoint=True) for lens in lenses]
    return {"clumps": np.array(number, dtype=float), "clump_fraction": np.full(len(lenses), CLUMPED)}


def _random(setting: Setting, lens: int) -> np.random.Generator:
    return generator(setting.simulation.seed, lens, SHIFT)


SEEN: dict[str, Callable[[Setting], Simulation]] = {
    **{name: partial(_another_sky, factor=factor) for name, factor in NOISE.items()},
    "subhalo_profile": _another_profile,
}
DRAWN: dict[str, Callable[[Setting, Values, Sequence[int]], Values]] = {
    **{name: partial(_times, name="psf_factor", factor=factor) for name, factor in PSF.items()},
    "exposure_short": partial(_times, name="exposure_factor", factor=EXPOSURE),
    "light_offset": _off_centre,
    "clumpy": _clumpy,
}
