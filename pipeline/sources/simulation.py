"""Source `simulation`: lenses drawn and ray-traced on the spot.

The preset `axion` is a singular isothermal ellipsoid with external shear, both fixed, a Sersic source behind it that
varies, and an axion vortex in every halo, seen through a Gaussian PSF with Poisson and read noise.
"""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.lensing import deflectors, instrument, light, populations
from pipeline.params import Simulation, plain
from pipeline.sources import Lenses, Source

BLOCK = 64  # lenses are always ray-traced in the same company, so that rounding cannot depend on who asks


def open_source(simulation: Simulation) -> Source:
    """The simulation as a source. Its images are sky-subtracted electrons per second."""
    return Source(
        rows=simulation.images,
        shape=(1, simulation.size, simulation.size),
        target_units={"log10_axion_mass": "dex(eV)"},
        read=partial(read, simulation),
        pixel_scale=simulation.pixel_scale,
        psf_fwhm=simulation.psf_fwhm,
        units="electron / s",
        provenance={"source": "simulation", "simulation": plain(simulation)},
        fingerprint="",  # its parameters and its code say all
    )


def read(simulation: Simulation, lenses: Int[np.ndarray, " n"]) -> Lenses:
    """Those lenses of the preset, noise and all."""
    firsts = np.unique(lenses - lenses % BLOCK)
    images, masses = zip(*(_block(simulation, range(first, first + BLOCK)) for first in firsts.tolist()), strict=True)
    wanted = np.searchsorted(firsts, lenses - lenses % BLOCK) * BLOCK + lenses % BLOCK
    n, sky = len(lenses), _sky(simulation)
    rms = instrument.sky_rms(sky, simulation.exposure, simulation.read_noise)
    return Lenses(
        images=np.concatenate(images)[wanted, None],
        targets={"log10_axion_mass": np.concatenate(masses)[wanted]},
        id=np.array([f"{simulation.preset}-{simulation.seed}-{lens:07d}" for lens in lenses.tolist()]),
        group=lenses.astype(np.int64),
        noise=np.full(n, rms, dtype=np.float32),
        observed={
            "pixel_scale": np.full(n, simulation.pixel_scale),
            "psf_fwhm": np.full(n, simulation.psf_fwhm),
            "exposure": np.full(n, simulation.exposure),
            "gain": np.full(n, 1.0),  # its images are electrons per second
            "zero_point": np.full(n, simulation.zero_point),
        },
    )


def draw(simulation: Simulation, lenses: range) -> dict[str, Float[np.ndarray, " n"]]:
    """The true parameters of some lenses of the preset."""
    return populations.axion(
        lenses,
        simulation.seed,
        simulation.log10_axion_mass,
        simulation.source_offset,
        simulation.source_radius,
        simulation.source_axis_ratio,
        simulation.source_magnitude,
    )


def rates(simulation: Simulation, drawn: dict[str, Float[np.ndarray, " n"]]) -> Float[Tensor, "n h w"]:
    """Noise-free images of drawn lenses, electrons per second per pixel, float64."""
    p = {name: torch.from_numpy(values)[:, None, None] for name, values in drawn.items()}
    n = next(iter(p.values())).new_ones(len(p["source_x"]), 1, 1)
    margin = instrument.psf_margin(simulation.psf_fwhm, simulation.pixel_scale)
    x, y = instrument.grid(simulation.size, simulation.pixel_scale, simulation.supersampling, margin)
    bends = (
        deflectors.sie(x, y, n * simulation.einstein_radius, n * simulation.axis_ratio),
        deflectors.shear(x, y, n * simulation.shear, n * 0.0),
        deflectors.line_mass(
            x,
            y,
            n * simulation.einstein_radius * simulation.vortex_fraction**0.5,
            p["vortex_half_length"],
            p["vortex_angle"],
        ),
    )
    brightness = light.sersic(
        x - sum(bend[0] for bend in bends) - p["source_x"],
        y - sum(bend[1] for bend in bends) - p["source_y"],
        light.magnitude_to_rate(p["source_magnitude"], simulation.zero_point),
        p["source_radius"],
        p["source_axis_ratio"],
        p["source_angle"],
        simulation.source_sersic_index,
    )
    return instrument.expose(brightness, simulation.pixel_scale, simulation.supersampling, simulation.psf_fwhm, margin)


def _block(simulation: Simulation, lenses: range) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images (n, h, w) float32 and log10 axion masses (n,) of one block."""
    drawn = draw(simulation, lenses)
    observed = [
        instrument.observe(
            rate,
            _sky(simulation),
            simulation.exposure,
            simulation.read_noise,
            populations.generator(simulation.seed, lens, populations.NOISE),
        )
        for lens, rate in zip(lenses, rates(simulation, drawn).numpy(), strict=True)
    ]
    return np.stack(observed).astype(np.float32), drawn["log10_axion_mass"]


def _sky(simulation: Simulation) -> float:
    """Sky in one pixel, electrons per second."""
    return float(10 ** (-0.4 * (simulation.sky_brightness - simulation.zero_point)) * simulation.pixel_scale**2)
