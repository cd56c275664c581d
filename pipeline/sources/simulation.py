"""Source `simulation`: lenses drawn from the priors of a preset and ray-traced on the spot.

Image i is the same whatever else is asked for: its parameters, subhalos, clumps and noise have generators of their
own, and it is rendered alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int

from pipeline.errors import InputError
from pipeline.lensing import deeplense, imaging, populations, presets, shifts, truth
from pipeline.lensing.imaging import Camera
from pipeline.lensing.instruments import INSTRUMENTS
from pipeline.lensing.scene import Scene
from pipeline.params import Simulation, plain
from pipeline.sources import Lenses, Source
from pipeline.sources.companions import fwhm
from pipeline.sources.files import fingerprint_of
from pipeline.sources.given import file, pictures, psf

SAMPLED = 2.0  # pixels across the PSF's FWHM, below which it is undersampled
NOISE_FREE = ("none", "doubled")
Numbers = Mapping[str, Float[np.ndarray, " n"]]
Change = Callable[[Numbers, Sequence[int]], dict[str, Float[np.ndarray, " n"]]]  # of the numbers of some lenses


@dataclass(frozen=True)
class Drawn:
    """Some lenses: their parameters, what they are made of, and the subhalos among that."""

    parameters: dict[str, Float[np.ndarray, " n"]]
    scene: Scene
    population: populations.Substructure | None


def open_source(simulation: Simulation, folder: str = "") -> Source:
    """The simulation as a source; `folder` is where the user's files are that it names. Its images are sky-subtracted
    electrons per second, or what a variant of DeepLense has instead."""
    chosen = presets.applied(simulation)
    given = presets.priors(chosen.preset, chosen.priors, chosen.variant)
    if chosen.noise in NOISE_FREE and not chosen.accept_noise_free:
        raise InputError(
            f"simulation.noise: {chosen.noise}; results on noise-free images do not transfer to a telescope's. "
            "simulation.accept_noise_free: true says that this is known"
        )
    there = placed(chosen, folder)
    own = camera(there)
    if own.instrument.psf_fwhm < SAMPLED * own.instrument.pixel_scale:
        width = own.instrument.psf_fwhm / own.instrument.pixel_scale
        print(f"simulation: warning: the PSF is {width:.2f} pixels wide; below {SAMPLED:g} it is undersampled")
    if chosen != simulation:
        print(f"simulation: {chosen.preset} brings {chosen.size} pixels, {chosen.instrument}, noise: {chosen.noise}")
    files = [name for name in (chosen.pictures, chosen.psf_image) if name]
    if there.pictures:
        pictures(there.pictures)  # what is wrong with it is said before anything is drawn
    return Source(
        rows=chosen.images,
        shape=(1, chosen.size, chosen.size),
        target_units={name: truth.UNITS[name] for name in truth.names(given)},
        read=partial(read, there),
        pixel_scale=own.instrument.pixel_scale,
        psf_fwhm=own.instrument.psf_fwhm,
        units="electron" if chosen.noise == "poisson_twice" else "electron / s",
        provenance={
            "source": "simulation",
            "simulation": plain(chosen),
            "priors": {name: plain(prior) for name, prior in given.items()},
        },
        fingerprint=fingerprint_of(Path(folder), files),  # beside them, its parameters and its code say all
        identities=("source",) if there.pictures else (),
    )


def placed(simulation: Simulation, folder: str) -> Simulation:
    """The parameters with what the preset decides, and with the user's files by their absolute names."""
    chosen = presets.applied(simulation)
    return chosen.model_copy(
        update={key: file(folder, getattr(chosen, key), f"simulation.{key}") for key in ("pictures", "psf_image")}
    )


def shifted(simulation: Simulation, folder: str, name: str) -> Callable[[Int[np.ndarray, " n"]], Lenses]:
    """What `read` is for the source itself, for its lenses under a shift. Raises `InputError` if there is none such, or
    if it would make no difference."""
    there = placed(simulation, folder)
    given = presets.priors(there.preset, there.priors, there.variant)
    setting = shifts.Setting(there, camera(there).instrument, given)
    shifts.check(name, setting)
    return partial(read, shifts.seen(name, setting), change=partial(shifts.drawn, name, setting))


def unchanged(drawn: Numbers, lenses: Sequence[int]) -> dict[str, Float[np.ndarray, " n"]]:
    """The numbers of the lenses as the preset draws them."""
    return dict(drawn)


def read(simulation: Simulation, lenses: Int[np.ndarray, " n"], change: Change = unchanged) -> Lenses:
    """Those lenses of the preset, noise and all."""
    own, drawn = camera(simulation), draw(simulation, lenses.tolist(), change)
    exposure = own.instrument.exposure * drawn.parameters["exposure_factor"]
    images, noise = observed(simulation, drawn, lenses.tolist())
    group, identities = lenses.astype(np.int64), None
    if simulation.pictures:
        group = _which(simulation, lenses.tolist())
        identities = np.array([f"picture {number}" for number in group.tolist()])[:, None]
    return Lenses(
        images=images[:, None],
        targets=_asked_for(simulation, drawn),
        id=np.array([f"{simulation.preset}-{simulation.seed}-{lens:07d}" for lens in lenses.tolist()]),
        group=group,
        noise=noise,
        kind=truth.kinds(drawn.parameters, drawn.population),
        identities=identities,
        observed={
            "pixel_scale": np.full(len(lenses), own.instrument.pixel_scale),
            "psf_fwhm": own.instrument.psf_fwhm * drawn.parameters["psf_factor"],
            "exposure": exposure,
            "gain": np.full(len(lenses), 1.0),  # its images are in electrons
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
    own = replace(INSTRUMENTS[simulation.instrument], **changed)
    if not simulation.psf_image:
        return Camera(own, simulation.size)
    plane = psf(simulation.psf_image)
    width = fwhm(plane) * own.pixel_scale / simulation.psf_sampling
    return Camera(replace(own, psf_fwhm=width), simulation.size, plane, simulation.psf_sampling)


def draw(simulation: Simulation, lenses: Sequence[int], change: Change = unchanged) -> Drawn:
    """Some lenses of the preset, after a change to their numbers."""
    kinds = presets.preset(simulation.preset, simulation.variant).kinds
    given = presets.priors(simulation.preset, simulation.priors, simulation.variant)
    parameters = change(populations.draw(given, simulation.seed, lenses, kinds), lenses)
    population = None
    if {"substructure_fraction", "expected_subhalos"} & set(parameters):
        population = populations.substructure(parameters, simulation.seed, lenses, simulation.subhalos)
    zero_point = INSTRUMENTS[simulation.instrument].zero_point
    galaxies = pictures(simulation.pictures) if simulation.pictures else None
    made = populations.scene(parameters, simulation.seed, lenses, zero_point, simulation.subhalos, population, galaxies)
    return Drawn(parameters, made, population)


def rates(simulation: Simulation, drawn: Drawn) -> Float[np.ndarray, "n h w"]:
    """Noise-free images, electrons per second per pixel."""
    rays = None if simulation.supersampling == "auto" else simulation.supersampling
    return imaging.rates(drawn.scene, camera(simulation), rays, drawn.parameters["psf_factor"].tolist())


def clean(simulation: Simulation, drawn: Drawn) -> Float[np.ndarray, "n h w"]:
    """Noise-free images in the units of the noisy ones."""
    images = rates(simulation, drawn)
    if simulation.noise == "poisson_twice":
        return images * (camera(simulation).instrument.exposure * drawn.parameters["exposure_factor"])[:, None, None]
    return 2 * images if simulation.noise == "doubled" else images


def noise_maps(simulation: Simulation, drawn: Drawn) -> Float[np.ndarray, "n h w"]:
    """Standard deviation of every pixel of `poisson` images, electrons per second."""
    own = camera(simulation)
    exposure = own.instrument.exposure * drawn.parameters["exposure_factor"]
    return own.noise_map(rates(simulation, drawn), exposure[:, None, None])


def observed(
    simulation: Simulation, drawn: Drawn, lenses: Sequence[int]
) -> tuple[Float32[np.ndarray, "n h w"], Float32[np.ndarray, " n"]]:
    """Images as recorded, and the rms of their sky."""
    if simulation.noise in NOISE_FREE:
        return clean(simulation, drawn).astype(np.float32), np.zeros(len(lenses), dtype=np.float32)
    own = camera(simulation)
    exposure = (own.instrument.exposure * drawn.parameters["exposure_factor"]).tolist()
    random = [populations.generator(simulation.seed, lens, populations.NOISE) for lens in lenses]
    each = zip(rates(simulation, drawn), exposure, random, strict=True)
    if simulation.noise == "poisson":
        images, sky = [imaging.observe(rate, own, *rest) for rate, *rest in each], map(own.sky_rms, exposure)
    else:
        images = [deeplense.twice_poisson(*one) for one in each]
        sky = map(deeplense.twice_poisson_rms, exposure)
    return np.stack(images).astype(np.float32), np.array(list(sky), dtype=np.float32)


def _which(simulation: Simulation, lenses: Sequence[int]) -> Int[np.ndarray, " n"]:
    return populations.which_picture(simulation.seed, lenses, len(pictures(simulation.pictures)))


def _asked_for(simulation: Simulation, drawn: Drawn) -> dict[str, Float[np.ndarray, " n"]]:
    """The targets that vary."""
    known = truth.targets(drawn.parameters, drawn.population)
    given = presets.priors(simulation.preset, simulation.priors, simulation.variant)
    return {name: known[name] for name in truth.names(given)}
