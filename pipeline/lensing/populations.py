"""Populations: the random lenses of a preset, as scenes.

Lens i is drawn from generators of its own, keyed by (seed, i, purpose): it is the same however many lenses are asked
for, in whatever order, by whatever worker. Every parameter has a number of its own, so that a prior can be changed
without touching what the others draw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import ndtri

from pipeline.lensing import deeplense, deflectors, priors, subhalos
from pipeline.lensing.cosmology import STANDARD
from pipeline.lensing.parameters import PARAMETERS
from pipeline.lensing.scene import Scene
from pipeline.params import Prior, Subhalos

PARAMETER, NOISE, SUBHALO, CLUMP, PICTURE, SHIFT = range(6)  # purposes
Values = Mapping[str, Float[np.ndarray, " n"]]
GALAXIES = {"source": True, "second": True, "light": False, "disc": False}  # whether it lies behind the lens


def generator(seed: int, lens: int, purpose: int) -> np.random.Generator:
    """The random numbers of one lens for one purpose."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(lens, purpose))))


def draw(
    given: Mapping[str, Prior], seed: int, lenses: Sequence[int], kinds: Sequence[str] = ()
) -> dict[str, Float[np.ndarray, " n"]]:
    """The parameters of some lenses: from their priors, else their defaults; what is absent is left out.

    With `kinds`, lenses belong to them in turn, and have no vortex and no subhalos where they do not.
    """
    unit = np.stack([generator(seed, lens, PARAMETER).random(len(PARAMETERS)) for lens in lenses])
    drawn = {}
    for i, (name, parameter) in enumerate(PARAMETERS.items()):
        if name in given:
            drawn[name] = priors.draw(given[name], unit[:, i], parameter.low, parameter.high)
        elif parameter.default is not None:
            drawn[name] = np.full(len(lenses), parameter.default)
    if "log10_halo_mass" in drawn:
        drawn["einstein_radius"] = _halo_radius(drawn)
    if kinds:
        own = np.array([kinds[lens % len(kinds)] for lens in lenses])
        drawn |= {name: np.where(own == kind, drawn[name], 0.0) for name, kind in ONLY.items() if name in drawn}
    return drawn


ONLY = {"vortex_fraction": "vortex", "substructure_fraction": "subhalos", "expected_subhalos": "subhalos"}


def critical_mass(drawn: Values) -> Float[np.ndarray, " n"]:
    """Mass of a square arcsec that bends light to a focus [solar masses]."""
    if "log10_critical_mass" in drawn:
        return 10 ** drawn["log10_critical_mass"]
    lens, source = (torch.from_numpy(drawn[f"redshift_{which}"]) for which in ("lens", "source"))
    return STANDARD.critical_mass(lens, source).numpy()


def _halo_radius(drawn: Values) -> Float[np.ndarray, " n"]:
    mass, scatter, lens, source = (
        torch.from_numpy(drawn[name])
        for name in ("log10_halo_mass", "halo_scatter", "redshift_lens", "redshift_source")
    )
    dispersion = STANDARD.virial_dispersion(10**mass, lens) * 10**scatter
    return STANDARD.isothermal_radius(dispersion, lens, source).numpy()


@dataclass(frozen=True)
class Substructure:
    """Subhalos of some lenses, padded with mass zero, and what was expected of them."""

    mass: Float[np.ndarray, "n k"]  # solar masses
    x: Float[np.ndarray, "n k"]  # arcsec from the lens
    y: Float[np.ndarray, "n k"]
    concentration: Float[np.ndarray, "n k"]
    disc: Float[np.ndarray, " n"]  # mass of the smooth halo in the disc that they lie in
    convergence: Float[np.ndarray, " n"]  # mean of theirs that is expected there

    @property
    def total(self) -> Float[np.ndarray, " n"]:
        """Mass of all, added up one by one: the padding must not change how they are grouped."""
        return np.cumsum(np.pad(self.mass, ((0, 0), (1, 0))), axis=1)[:, -1]

    @property
    def fraction(self) -> Float[np.ndarray, " n"]:
        """Of the disc's mass, as it came out."""
        return self.total / self.disc

    @property
    def number(self) -> Float[np.ndarray, " n"]:
        return (self.mass > 0).sum(1).astype(float)


def substructure(drawn: Values, seed: int, lenses: Sequence[int], how: Subhalos) -> Substructure:
    """Subhalos in a disc of `how.reach` Einstein radii about each lens."""
    radius = drawn["einstein_radius"]
    reach = how.reach * radius
    disc = np.pi * radius * reach * critical_mass(drawn)  # of an isothermal halo
    if how.positions == "annulus":
        disc = np.full_like(disc, deeplense.HALO)
    members, expected = zip(
        *(_subhalos(drawn, i, seed, number, how, reach[i], disc[i]) for i, number in enumerate(lenses)), strict=True
    )
    most = max(own.shape[1] for own in members)
    padded = np.stack([np.pad(own, ((0, 0), (0, most - own.shape[1]))) for own in members])  # (n, 4, k)
    mean = radius / reach  # convergence of the disc
    mass, x, y, concentration = padded.transpose(1, 0, 2)
    return Substructure(mass, x, y, concentration, disc, np.array(expected) / disc * mean)


def mass_function(drawn: Values, i: int) -> subhalos.MassFunction:
    """That of lens i."""
    return subhalos.MassFunction(
        slope=float(drawn["mass_slope"][i]),
        least=10 ** float(drawn["log10_least_mass"][i]),
        most=10 ** float(drawn["log10_most_mass"][i]),
        half_mode_mass=10 ** float(drawn["log10_half_mode_mass"][i]) if "log10_half_mode_mass" in drawn else 0.0,
        axion_mass=10 ** float(drawn["log10_fuzzy_mass"][i]) if "log10_fuzzy_mass" in drawn else math.inf,
    )


def _subhalos(
    drawn: Values, i: int, seed: int, lens: int, how: Subhalos, reach: float, disc: float
) -> tuple[Float[np.ndarray, "4 k"], float]:
    """Mass, x, y and concentration of every subhalo of one lens, and the mass that is expected in them."""
    function = mass_function(drawn, i)
    if "expected_subhalos" in drawn:
        mean = float(drawn["expected_subhalos"][i]) * function.survivors()
    else:
        mean = subhalos.expected_number(function, drawn["substructure_fraction"][i], disc)
    random = generator(seed, lens, SUBHALO)
    count = int(random.poisson(mean)) if how.number == "poisson" else round(mean)
    unit = random.random((count, 4))
    mass = function.draw(unit[:, 0])
    if how.positions == "disc":
        x, y = subhalos.in_disc(unit[:, 1:3], reach)
    elif how.positions == "annulus":
        x, y = subhalos.uniform_in_radius(unit[:, 1:3], *ANNULUS)
    else:
        x, y = subhalos.like_host(unit[:, 1:3], reach, drawn["einstein_radius"][i])
    concentration = subhalos.concentration(mass, drawn["redshift_lens"][i]) * 10 ** (how.scatter * ndtri(unit[:, 3]))
    return np.stack([mass, x, y, concentration]), mean * function.mean_survivor()


def scene(
    drawn: Values,
    seed: int,
    lenses: Sequence[int],
    zero_point: float,
    how: Subhalos | None = None,
    population: Substructure | None = None,
    pictures: Float[np.ndarray, "p hs ws"] | None = None,
) -> Scene:
    """The lenses as what bends light and what shines, in electrons per second; with `pictures`, one of them in place of
    each first source."""
    main = {name: drawn[name] for name in ("einstein_radius", "axis_ratio", "angle", "slope", "lens_x", "lens_y")}
    main["shear1"] = drawn["shear"] * np.cos(2 * drawn["shear_angle"])
    main["shear2"] = drawn["shear"] * np.sin(2 * drawn["shear_angle"])
    for name in ("multipole3", "multipole4"):
        if drawn[name].any():
            main |= {name: drawn[name], f"{name}_angle": drawn[f"{name}_angle"]}
    if population and how and how.sheet:
        main["sheet"] = -population.convergence
    galaxies = {name: _galaxy(drawn, name, zero_point) for name in GALAXIES if f"{name}_magnitude" in drawn}
    clumps = {}
    picture = {}
    if pictures is not None:
        picture = _picture(drawn, galaxies.pop("source"), pictures[which_picture(seed, lenses, len(pictures))])
    elif drawn["clumps"].any() and "source" in galaxies:
        clumps = _clumps(drawn, galaxies["source"], seed, lenses)
    members = {KINDS[how.profile]: _members(drawn, population, how)} if population and how else {}
    if "log10_axion_mass" in drawn and (drawn["vortex_points"] >= 1).any():
        members["points"] = _joined(_vortex_points(drawn), members.get("points"))
    return Scene(
        main=_tensors(main),
        galaxies=tuple(_tensors(galaxy) for name, galaxy in galaxies.items() if GALAXIES[name]),
        lights=tuple(_tensors(galaxy) for name, galaxy in galaxies.items() if not GALAXIES[name]),
        clumps=_tensors(clumps),
        line=_tensors(_line(drawn)) if "log10_axion_mass" in drawn else {},
        isothermal=bool((drawn["slope"] == 2).all()),
        terms=deflectors.terms(float(drawn["axis_ratio"].min())),
        points=_tensors(members.get("points", {})),
        spheres=_tensors(members.get("spheres", {})),
        halos=_tensors(members.get("halos", {})),
        picture=_tensors(picture),
    )


KINDS = {"point": "points", "sis": "spheres", "tnfw": "halos"}  # of subhalos, as a scene calls them
VORTEX_HALF_LENGTH = 0.183114  # kpc at 1e-22 eV: the 0.03 arcsec at redshift 0.5 of the public DeepLense generator
ANNULUS = (0.25, 2.0)  # arcsec, in which that generator scatters subhalos


def _galaxy(drawn: Values, name: str, zero_point: float) -> dict[str, np.ndarray]:
    """A Sersic profile; sources may lie off the axis, the lens's own light only where a shift has moved it."""
    zero = np.zeros_like(drawn["einstein_radius"])
    own = {key: drawn[f"{name}_{key}"] for key in ("radius", "axis_ratio", "angle", "index")}
    flux = 10 ** (-0.4 * (drawn[f"{name}_magnitude"] - zero_point))
    return own | {"flux": flux, "x": drawn.get(f"{name}_x", zero), "y": drawn.get(f"{name}_y", zero)}


def _clumps(
    drawn: Values, source: dict[str, np.ndarray], seed: int, lenses: Sequence[int]
) -> dict[str, Float[np.ndarray, "n k"]]:
    """Clumps that take their part of the source's flux from it; they lie about it as a round Gaussian would."""
    count = drawn["clumps"].astype(int)
    most = int(count.max())
    unit = np.stack([generator(seed, lens, CLUMP).random((most, 3)).T for lens in lenses])  # (n, 3, k), clump by clump
    there = np.arange(most) < count[:, None]
    share = there * (0.5 + unit[:, 0])
    share = drawn["clump_fraction"][:, None] * share / np.maximum(share.sum(1, keepdims=True), 1e-12)
    distance = source["radius"][:, None] * np.sqrt(-2 * np.log1p(-0.9 * unit[:, 1])) / 1.177  # none beyond 2 radii
    phi = 2 * math.pi * unit[:, 2]
    clumps = {
        "flux": share * source["flux"][:, None],
        "x": source["x"][:, None] + distance * np.cos(phi),
        "y": source["y"][:, None] + distance * np.sin(phi),
        "width": np.broadcast_to((drawn["clump_width"] * source["radius"])[:, None], share.shape),
    }
    source["flux"] = source["flux"] * (1 - share.sum(1))
    return clumps


def which_picture(seed: int, lenses: Sequence[int], number: int) -> Int[np.ndarray, " n"]:
    """The picture that is each lens's source: any of them, with equal chance."""
    return np.array([generator(seed, lens, PICTURE).integers(number) for lens in lenses])


def _picture(drawn: Values, source: dict[str, np.ndarray], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """A picture where the source would be, as bright, and turned like it; its shape and size are its own."""
    flux = pixels.sum(axis=(1, 2), dtype=np.float64)
    where = {name: source[name] for name in ("flux", "x", "y", "angle")}
    return where | {"scale": drawn["picture_scale"], "pixels": pixels / flux[:, None, None]}


def _vortex_points(drawn: Values) -> dict[str, np.ndarray]:
    """The vortex as point masses from one end of the line to the other, padded with points that bend nothing."""
    line, count = _vortex(drawn), drawn["vortex_points"].astype(int)[:, None]
    k = np.arange(count.max())
    along = (2 * k / np.maximum(count - 1, 1) - 1) * line["half_length"][:, None]
    each = line["einstein_radius"][:, None] / np.sqrt(np.maximum(count, 1))
    cos, sin = np.cos(line["angle"])[:, None], np.sin(line["angle"])[:, None]
    return {"x": along * cos, "y": along * sin, "einstein_radius": np.where(k < count, each, 0.0)}


def _joined(some: dict[str, np.ndarray], others: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    return {name: np.concatenate([own, others[name]], axis=1) for name, own in some.items()} if others else some


def _line(drawn: Values) -> dict[str, np.ndarray]:
    """The vortex as a line, where it is not made of points."""
    line = _vortex(drawn)
    return line | {"einstein_radius": np.where(drawn["vortex_points"] < 1, line["einstein_radius"], 0.0)}


def _vortex(drawn: Values) -> dict[str, np.ndarray]:
    kpc = STANDARD.arcsec(torch.from_numpy(drawn["redshift_lens"])).numpy()
    return {
        "einstein_radius": drawn["einstein_radius"] * np.sqrt(drawn["vortex_fraction"]),
        "half_length": VORTEX_HALF_LENGTH / kpc * 10 ** (-22 - drawn["log10_axion_mass"]),
        "angle": drawn["vortex_angle"],
    }


def _members(drawn: Values, population: Substructure, how: Subhalos) -> dict[str, np.ndarray]:
    """What each subhalo does to light, by its profile."""
    where = {"x": population.x, "y": population.y}
    mass = torch.from_numpy(np.maximum(population.mass, 1e-3))  # the padding bends nothing that could be seen
    lens, source = (torch.from_numpy(drawn[f"redshift_{which}"])[:, None] for which in ("lens", "source"))
    if how.profile == "point":
        return where | {"einstein_radius": np.sqrt(mass.numpy() / (math.pi * critical_mass(drawn)[:, None]))}
    if how.profile == "sis":
        dispersion = STANDARD.virial_dispersion(mass, lens)
        return where | {"einstein_radius": STANDARD.isothermal_radius(dispersion, lens, source).numpy()}
    c = torch.from_numpy(np.maximum(population.concentration, 1.0))
    scale = STANDARD.virial_radius(mass, lens) / c
    density = mass / (4 * math.pi * scale**3 * (torch.log1p(c) - c / (1 + c)))
    return where | {
        "scale_convergence": (density * scale / STANDARD.critical_density(lens, source)).numpy(),
        "scale_radius": (scale / STANDARD.arcsec(lens)).numpy(),
        "truncation": np.full(mass.shape, how.truncation),
    }


def _tensors(values: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(own, dtype=np.float64)) for name, own in values.items()}
