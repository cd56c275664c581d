"""Truth: what a network could be asked about simulated lenses."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Shaped

from pipeline.lensing.cosmology import STANDARD
from pipeline.lensing.populations import Substructure
from pipeline.params import Prior

UNITS = {
    "log10_axion_mass": "dex(eV)",
    "log10_halo_mass": "dex(solMass)",
    "einstein_radius": "arcsec",
    "log10_mass_within": "dex(solMass)",  # inside the Einstein radius
    "substructure_fraction": "",  # expected of cold dark matter
    "realised_fraction": "",  # of the mass in the disc that subhalos lie in
    "subhalos": "",  # how many
    "log10_subhalo_mass": "dex(solMass)",  # of all of them; NaN if there is none
    "log10_half_mode_mass": "dex(solMass)",
}
RADII = {"einstein_radius", "log10_halo_mass", "halo_scatter", "redshift_lens", "redshift_source"}


def names(given: Mapping[str, Prior]) -> list[str]:
    """The targets that differ from lens to lens: what every lens has alike is no question."""
    vary = {name for name, prior in given.items() if prior.varies}
    found: list[str] = [name for name in ("log10_axion_mass", "log10_halo_mass") if name in vary]
    if vary & (RADII - {"redshift_lens", "redshift_source"}):
        found += ["einstein_radius"]
    if vary & RADII:
        found += ["log10_mass_within"]
    if {"substructure_fraction", "expected_subhalos"} & set(given):
        found += [name for name in ("substructure_fraction",) if name in vary]
        found += ["realised_fraction", "subhalos", "log10_subhalo_mass"]
    return found + [name for name in ("log10_half_mode_mass",) if name in vary]


def targets(
    drawn: Mapping[str, Float[np.ndarray, " n"]], population: Substructure | None
) -> dict[str, Float[np.ndarray, " n"]]:
    """Every quantity of `UNITS` that these lenses have."""
    lens, source, radius = (
        torch.from_numpy(drawn[name]) for name in ("redshift_lens", "redshift_source", "einstein_radius")
    )
    found = {name: drawn[name] for name in UNITS if name in drawn}
    if "log10_axion_mass" in found:
        found["log10_axion_mass"] = np.where(drawn["vortex_fraction"] > 0, found["log10_axion_mass"], np.nan)
    found["log10_mass_within"] = np.log10(STANDARD.mass_within(radius, lens, source).numpy())
    if population:
        total = population.total
        found |= {
            "realised_fraction": population.fraction,
            "subhalos": population.number,
            "log10_subhalo_mass": np.log10(total, out=np.full(len(total), np.nan), where=total > 0),
        }
    return found


def kinds(drawn: Mapping[str, np.ndarray], population: Substructure | None) -> Shaped[np.ndarray, " n"]:
    """The class of each lens: vortex, subhalos or none."""
    found = np.full(len(drawn["einstein_radius"]), "none", dtype="U8")
    if population:
        found[population.number > 0] = "subhalos"
    if "log10_axion_mass" in drawn:
        found[drawn["vortex_fraction"] > 0] = "vortex"
    return found
