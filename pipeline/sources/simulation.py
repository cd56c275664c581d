"""Source `simulation`: lenses drawn from the priors of a preset and ray-traced on the spot.

Image i is the same whatever else is asked for: its parameters, subhalos, clumps and noise have generators of their
own, and it is rendered alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from pipeline.errors import InputError
from pipeline.lensing import imaging, populations, presets, truth
from pipeline.lensing.imaging import Camera
from pipeline.lensing.instruments import INSTRUMENTS
from pipeline.lensing.scene import Scene
from pipeline.params import Simulation, plain
from pipeline.sources import Lenses, Source

SAMPLED = 2.0  # pixels across the PSF's FWHM, below which it is undersampled


@dataclass(frozen=True)
class Drawn:
    """Some lenses: their parameters, what they are made of, and the subhalos among that."""

    parameters: dict[str, Float[np.ndarray, " n"]]
    scene: Scene
    population: populations.Substructure | None


def open_source(simulation: Simulation) -> Source:
    """The simulation as a source. Its images are sky-subtracted electrons per second."""
    given = presets.priors(simulation.preset, simulation.priors)
    own = camera(simulation).instrument
    if simulation.noise == "none" and not simulation.accept_noise_free:
        raise InputError(
            "simulation.noise: none; results on noise-free images do not transfer to a telescope's. "
            "simulation.accept_noise_free: true says that this is known"
        )
    if own.psf_fwhm < SAMPLED * own.pixel_scale:
        width = own.psf_fwhm / own.pixel_scale
        print(f"simulation: warning: the PSF is {width:.2f} pixels wide; below {SAMPLED:g} it is undersampled")
    return Source(
        rows=simulation.images,
        shape=(1, simulation.size, simulation.size),
        target_units={name: truth.UNITS[name] for name in truth.names(given)},
        read=partial(read, simulation),
        pixel_scale=own.pixel_scale,
        psf_fwhm=own.psf_fwhm,
        units="electron / s",
        provenance={
            "source": "simulation",
            "simulation": plain(simulation),
            "priors": {name: plain(prior) for name, prior in given.items()},
        },
        fingerprint="",  # its parameters and its code say all
    )


def read(simulation: Simulation, lenses: Int[np.ndarray, " n"]) -> Lenses:
    """Those lenses of the preset, noise and all."""
    own, drawn = camera(simulation), draw(simulation, lenses.tolist())
    exposure = own.instrument.exposure * drawn.parameters["exposure_factor"]
    width = own.instrument.psf_fwhm * drawn.parameters["psf_factor"]
    images = rates(simulation, drawn)
    noise = np.zeros(len(lenses), dtype=np.float32)
    if simulation.noise == "poisson":
        noise = np.array([own.sky_rms(time) for time in exposure], dtype=np.float32)
        images = _observed(simulation, own, images, exposure, lenses.tolist())
    return Lenses(
        images=images[:, None].astype(np.float32),
        targets=_asked_for(simulation, drawn),
        id=np.array([f"{simulation.preset}-{simulation.seed}-{lens:07d}" for lens in lenses.tolist()]),
        group=lenses.astype(np.int64),
        noise=noise,
        kind=truth.kinds(drawn.parameters, drawn.population),
        observed={
            "pixel_scale": np.full(len(lenses), own.instrument.pixel_scale),
            "psf_fwhm": width,
            "exposure": exposure,
            "gain": np.full(len(lenses), 1.0),  # its images are electrons per second
            "zero_point": np.full(len(lenses), own.instrument.zero_point),
        },
    )


def camera(simulation: Simulation) -> Camera:
    """The instrument with the parameters' own numbers in place of its usual ones."""
    changed = {
        name: value
        for name in ("pixel_scale", "psf_fwhm", "exposure", "sky_brightness", "read_noise")
        if (value := getattr(simulation, name)) is not None
    }
    return Camera(replace(INSTRUMENTS[simulation.instrument], **changed), simulation.size)


def draw(simulation: Simulation, lenses: Sequence[int]) -> Drawn:
    """Some lenses of the preset."""
    given = presets.priors(simulation.preset, simulation.priors)
    parameters = populations.draw(given, simulation.seed, lenses)
    population = None
    if "substructure_fraction" in parameters:
        population = populations.substructure(parameters, simulation.seed, lenses, simulation.subhalos)
    zero_point = camera(simulation).instrument.zero_point
    made = populations.scene(parameters, simulation.seed, lenses, zero_point, simulation.subhalos, population)
    return Drawn(parameters, made, population)


def rates(simulation: Simulation, drawn: Drawn) -> Float[np.ndarray, "n h w"]:
    """Noise-free images, electrons per second per pixel."""
    rays = None if simulation.supersampling == "auto" else simulation.supersampling
    return imaging.rates(drawn.scene, camera(simulation), rays, drawn.parameters["psf_factor"].tolist())


def _observed(
    simulation: Simulation,
    own: Camera,
    images: Float[np.ndarray, "n h w"],
    exposure: Float[np.ndarray, " n"],
    lenses: Sequence[int],
) -> Float[np.ndarray, "n h w"]:
    noisy = [
        imaging.observe(rate, own, time, populations.generator(simulation.seed, lens, populations.NOISE))
        for rate, time, lens in zip(images, exposure, lenses, strict=True)
    ]
    return np.stack(noisy)


def _asked_for(simulation: Simulation, drawn: Drawn) -> dict[str, Float[np.ndarray, " n"]]:
    """The targets that vary."""
    known = truth.targets(drawn.parameters, drawn.population)
    return {name: known[name] for name in truth.names(presets.priors(simulation.preset, simulation.priors))}
