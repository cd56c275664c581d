"""Populations: the random lenses of a preset.

Lens i is drawn from a generator of its own, keyed by (seed, i, purpose): it is the same however many lenses are asked
for, in whatever order, by whatever worker.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

PARAMETERS, NOISE = 0, 1  # purposes


def generator(seed: int, lens: int, purpose: int) -> np.random.Generator:
    """The random numbers of one lens for one purpose."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(lens, purpose))))


def axion(
    lenses: range,
    seed: int,
    log10_axion_mass: Sequence[float],
    source_offset: float,
    source_radius: Sequence[float],
    source_axis_ratio: Sequence[float],
    source_magnitude: Sequence[float],
) -> dict[str, Float[np.ndarray, " n"]]:
    """Lenses of the preset `axion`: what varies when the halo and the shear do not.

    Ranges are those of uniform distributions. The half-length of the vortex follows from the axion mass:
    0.03 arcsec x (1e-22 eV / m), as in the public DeepLense generator, which holds for a halo at redshift 0.5.
    """
    ranges = {
        "log10_axion_mass": log10_axion_mass,
        "vortex_angle": (0.0, math.pi),
        "source_x": (-source_offset, source_offset),
        "source_y": (-source_offset, source_offset),
        "source_radius": source_radius,
        "source_axis_ratio": source_axis_ratio,
        "source_angle": (0.0, math.pi),
        "source_magnitude": source_magnitude,
    }
    unit = np.stack([generator(seed, lens, PARAMETERS).random(len(ranges)) for lens in lenses])  # (n, parameters)
    drawn = {name: low + (high - low) * unit[:, i] for i, (name, (low, high)) in enumerate(ranges.items())}
    return drawn | {"vortex_half_length": 0.03 * 10 ** (-22 - drawn["log10_axion_mass"])}
