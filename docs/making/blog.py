"""The figures of the blog: lenses that differ in their dark matter alone, and what public pipelines do to an image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from features.stretch import minmax, stored
from pipeline import params
from pipeline.lensing.cosmology import STANDARD
from pipeline.params import Simulation
from pipeline.sources import simulation

PARAMS = Path(__file__).parents[2] / "params.yaml"
LENS, SOURCE = torch.tensor(0.5, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
CAMERA = ("simulation.instrument=hst_acs_f814w", "simulation.pixel_scale=0.05", "simulation.size=72")
SMOOTH = {
    **{"einstein_radius": 1.2, "axis_ratio": 0.82, "shear": 0.05, "vortex_fraction": 0.0},
    **{"source_x": 0.11, "source_y": -0.05, "source_magnitude": 23.0, "source_radius": 0.15, "source_axis_ratio": 0.7},
}
FRACTION = 0.03  # of the mass within the ring, in the vortex, as in the embedded example
SUBHALOS = 0.01  # of the mass where the arcs are
MODELS = {"deeplense_1": "Model I", "deeplense_2": "Model II", "deeplense_3": "Model III"}
AMONG = 300  # lenses of a public set, a third of them with a vortex
PIXELS = {"a pixel of Euclid": 0.101, "a pixel of Hubble": 0.05}  # arcsec


def settings(priors: Mapping[str, float], *more: str) -> Simulation:
    """The preset `axion` with those numbers fixed."""
    fixed = ", ".join(f"{name}: {value}" for name, value in priors.items())
    words = ("simulation.preset=axion", "simulation.supersampling=auto", f"simulation.priors={{{fixed}}}", *more)
    return params.read(words, "simulation", path=PARAMS)


def vortex(log10_mass: float) -> dict[str, float]:
    """The smooth lens with `FRACTION` of its mass in a vortex: its halo is lighter by as much, so that the ring stays
    as wide (the convergence of an isothermal halo within r goes with its Einstein radius over r)."""
    own = {"log10_axion_mass": log10_mass, "vortex_angle": 0.9}
    radius = SMOOTH["einstein_radius"] * (1 - FRACTION)
    return SMOOTH | own | {"einstein_radius": radius, "vortex_fraction": FRACTION / (1 - FRACTION) ** 2}


def dark() -> dict[str, Simulation]:
    """Four lenses of one galaxy, with equal mass within the ring."""
    return {
        "smooth": settings(SMOOTH, *CAMERA),
        f"subhalos, {SUBHALOS:.0%} of the mass": settings(
            SMOOTH | {"substructure_fraction": SUBHALOS}, *CAMERA, "simulation.seed=4"
        ),
        "vortex, axion of 10⁻²⁴ eV": settings(vortex(-24.0), *CAMERA),
        "vortex, axion of 10⁻²³ eV": settings(vortex(-23.0), *CAMERA),
    }


def shown(axis: Axes, image: Float[np.ndarray, "h w"], title: str = "", **how: Any) -> Any:
    axis.set_axis_off()
    axis.set_title(title)
    return axis.imshow(image, origin="lower", **how)


def differences() -> dict[str, tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]]:
    """Of each of these lenses what the camera sees [rms of an empty pixel], and by how much its noise-free image is
    off the smooth one's [rms of the noise of that pixel]; of the smooth lens, its noise."""
    lenses = dark()
    first = lenses["smooth"]
    known = simulation.draw(first, [0])
    smooth, noise = simulation.clean(first, known)[0], simulation.noise_maps(first, known)[0]
    made = {}
    for name, lens in lenses.items():
        drawn = simulation.draw(lens, [0])
        seen = simulation.observed(lens, drawn, [0])[0][0]
        other = seen if lens is first else simulation.clean(lens, drawn)[0]
        made[name] = seen / noise.min(), (other - smooth) / noise
    return made


def substructure() -> Figure:
    """What the camera sees of each lens; below, by how much it is not the smooth one, in units of the noise."""
    figure, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
    for (name, (seen, off)), above, below in zip(differences().items(), *axes, strict=True):
        shown(above, seen, name, cmap="gray", vmin=-2, vmax=40)
        title = "its noise alone" if name == "smooth" else "less the smooth lens"
        scale = shown(below, off, title, cmap="RdBu_r", vmin=-5, vmax=5)
    figure.colorbar(scale, ax=axes, label="difference [rms of the noise]", shrink=0.6, aspect=30)
    return figure


def radii() -> tuple[Float[np.ndarray, " m"], dict[str, Float[np.ndarray, " m"]]]:
    """Masses [solar masses], and the Einstein radius [arcsec] of each as a point, and as M_200 of a halo."""
    masses = torch.logspace(6, 14, 161, dtype=torch.float64)
    halo = STANDARD.isothermal_radius(STANDARD.virial_dispersion(masses, LENS), LENS, SOURCE)
    point = STANDARD.einstein_radius(masses, LENS, SOURCE)
    return masses.numpy(), {"all in one point": point.numpy(), "isothermal halo of that $M_{200}$": halo.numpy()}


def einstein_radius() -> Figure:
    """Radius against mass, and three rings."""
    figure = plt.figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
    axis = left.subplots()
    masses, made = radii()
    for name, values in made.items():
        axis.loglog(masses, values, label=name)
    for name, height in PIXELS.items():
        axis.axhline(height, color="0.6", linewidth=0.8, linestyle=":")
        axis.annotate(name, (masses[0], height), ha="left", va="bottom", fontsize=8, color="0.35")
    axis.set(xlabel="mass [solar masses]", ylabel="Einstein radius [arcsec]", ylim=(1e-5, 20))
    axis.legend(loc="lower right")
    for ring, radius in zip(right.subplots(1, 3), (0.6, 1.0, 1.4), strict=True):
        lens = settings(SMOOTH | {"einstein_radius": radius, "source_x": 0.02, "source_y": -0.02}, *CAMERA)
        mass = float(STANDARD.mass_within(torch.tensor(radius, dtype=torch.float64), LENS, SOURCE))
        image = simulation.clean(lens, simulation.draw(lens, [0]))[0]
        shown(ring, image, f"{radius:.1f}″\n{mass / 1e11:.1f} × 10¹¹", cmap="gray")
    right.suptitle("radius, and mass within [solar masses]", fontsize=10)
    return figure


def published(preset: str, variant: str) -> Simulation:
    """A public set as its generator makes it (`legacy`) or as it is meant (`corrected`)."""
    words = (f"simulation.preset={preset}", f"simulation.variant={variant}", "simulation.accept_noise_free=true")
    return params.read(words, "simulation", path=PARAMS)


def images(preset: str, variant: str, lenses: Sequence[int]) -> Float[np.ndarray, "n h w"]:
    return simulation.read(simulation.placed(published(preset, variant), ""), np.array(lenses)).images[:, 0]


def variants() -> Figure:
    """One lens of each public set, as its generator makes it and as it is meant."""
    figure, axes = plt.subplots(2, 3, figsize=(8, 5.6), layout="constrained")
    for variant, row in zip(("legacy", "corrected"), axes, strict=True):
        for (preset, name), axis in zip(MODELS.items(), row, strict=True):
            image = np.sqrt(images(preset, variant, [0])[0].clip(0))
            shown(axis, image, f"{name}, {variant}", cmap="gray")
    return figure


def cast(preset: str) -> Float[np.ndarray, "n 2"]:
    """Grey levels, and the share of pixels that are not zero, of lenses of a public set after a cast to int16."""
    whole = stored(torch.from_numpy(images(preset, "legacy", range(2, AMONG, 3)))).numpy()
    return np.stack([[len(np.unique(image)), (image != 0).mean()] for image in whole])


def truncation() -> Figure:
    """A lens of Model II before and after a cast to int16, and a cut through both."""
    figure, (before, after, cut) = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained", width_ratios=[1, 1, 1.5])
    image = images("deeplense_2", "legacy", [2])
    whole = stored(torch.from_numpy(image)).numpy()[0]
    row = int(image[0].max(axis=1).argmax())
    for axis, pixels, title in ((before, image[0], "as it is made"), (after, whole, "cast to int16")):
        shown(axis, np.sqrt(pixels), title, cmap="gray")
        axis.axhline(row, color="#e69f00", linewidth=0.8)
    cut.step(range(len(whole)), image[0, row], where="mid", label="as it is made")
    cut.step(range(len(whole)), whole[row], where="mid", label="cast to int16")
    cut.set(xlabel="pixel along the line", ylabel="pixel's value", title="along the line")
    cut.legend()
    return figure


def shares(slope: float) -> Float[np.ndarray, " m"]:
    """The share of mass that subhalos of 10^6 to 10^10 solar masses hold below each of 161 masses, evenly in log."""
    ends = np.logspace(6, 10, 161) ** (slope + 2)
    return (ends - ends[0]) / (ends[-1] - ends[0])


def slopes() -> Figure:
    """Which subhalos hold the mass, for the slope in the code and for the one that its comment names."""
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for slope, who in ((-0.9, "as it is drawn"), (-1.9, "as it is meant")):
        axis.semilogx(np.logspace(6, 10, 161), shares(slope), label=f"$dN/dm \\propto m^{{{slope}}}$, {who}")
    axis.set(xlabel="mass of a subhalo [solar masses]", ylabel="share of the mass in lighter ones")
    axis.legend()
    return figure


def own_range() -> Figure:
    """A bright and a faint lens on one scale, and each between its own minimum and maximum."""
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
    bright, faint = (settings(SMOOTH | {"source_magnitude": m}, "simulation.size=40") for m in (22.5, 25.0))
    both = np.stack([simulation.read(lens, np.arange(1)).images[0, 0] for lens in (bright, faint)])
    rescaled = minmax(torch.from_numpy(both)).numpy()
    for row, stack, said in zip(axes.reshape(2, 2), (both, rescaled), ("one scale", "its own range"), strict=True):
        for axis, image, name in zip(row, stack, ("bright", "faint"), strict=True):
            shown(axis, image, f"{name}, {said}", cmap="gray", vmin=stack.min(), vmax=stack.max())
    return figure


FIGURES = {one.__name__: one for one in (substructure, einstein_radius, variants, truncation, slopes, own_range)}
