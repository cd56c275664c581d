"""Scenes drawn by the fused kernel, one lens after the other, so that an image does not depend on its company."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import oaconvolve
from torch import Tensor

from pipeline.lensing import deflectors, kernel, light
from pipeline.lensing.psf import Psf
from pipeline.lensing.scene import Scene

SMALL = 3e-8  # terms of the EPL's series below this are left out
STEPS, LOW, HIGH = 8192, -24.0, 24.0  # of the table of truncated NFW masses: log2 of the squared radius
NOTHING = 1e-20  # a strength that bends nothing
LOG2E = math.log2(math.e)
Strength = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]


def images(
    scene: Scene,
    size: int,
    pixel_scale: float,
    supersampling: Sequence[int],
    psfs: Sequence[Psf],
    threshold: float = 0.0,
) -> Float[np.ndarray, "n h w"]:
    """Flux per pixel of each lens with its number of rays and through its PSF, which is in steps of the rays.

    With a `threshold`, a ray whose cell it misrepresents by more than this flux is replaced by as many as it takes.
    """
    area, found = np.float32(pixel_scale**2), []
    for lens, psf, per_pixel in zip(packed(scene), psfs, supersampling, strict=True):
        step, count = pixel_scale / per_pixel, size * per_pixel + 2 * psf.radius
        first = np.float32(-(count - 1) / 2 * step)
        rays = kernel.rays(count, first, np.float32(step), np.float32(threshold / step**2), lens)
        found.append(_blurred(rays, psf, per_pixel) * area)
    return np.stack(found)


def _blurred(rays: Float[np.ndarray, "hs ws"], psf: Psf, supersampling: int) -> Float[np.ndarray, "h w"]:
    """What pixels collect of the blurred rays; the margin is used up."""
    if psf.axis is not None:
        return kernel.blur(rays, psf.axis.astype(np.float32), supersampling)
    blurred = oaconvolve(rays, psf.plane.astype(np.float32), mode="valid")
    pixels = len(blurred) // supersampling
    return blurred.reshape(pixels, supersampling, pixels, supersampling).mean(axis=(1, 3))


def packed(scene: Scene) -> list[tuple[Any, ...]]:
    """The numbers of every lens as `kernel.rays` takes them."""
    main = {name: values.double().numpy() for name, values in scene.main.items()}
    truncation = float(scene.halos["truncation"][0, 0]) if scene.halos else 1.0
    table, per_step = _masses(truncation), np.float32((STEPS - 1) / (HIGH - LOW))
    parts = (
        _main(main),
        _terms(main["axis_ratio"], main["slope"]),
        _members(scene.points, main, lambda p: [p["einstein_radius"] ** 2]),
        _members(scene.spheres, main, lambda p: [p["einstein_radius"]]),
        _members(scene.halos, main, lambda p: [4 * p["scale_convergence"], p["scale_radius"] ** -2.0]),
        _line(scene.line, main),
        _galaxies(scene.galaxies, main),
        _clumps(scene.clumps, main),
        _galaxies(scene.lights, main),
        _place(scene.picture, main),
        _pixels(scene.picture, len(main["slope"])),
    )
    return [
        (*bending, table, np.float32(LOW), per_step, *rest)
        for *bending, line, galaxies, clumps, lights, place, pixels in zip(*parts, strict=True)
        for rest in [(line, galaxies, clumps, lights, place, pixels)]
    ]


def _main(main: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n k"]:
    angle, q, theta = main["angle"], main["axis_ratio"], main["einstein_radius"]
    scale, zero = theta * np.sqrt(q), np.zeros_like(theta)
    numbers = [main["lens_x"], main["lens_y"], np.cos(angle), np.sin(angle), q, scale, 2 * scale / (1 + q)]
    numbers += [(main["slope"] - 2) / 2, main["shear1"], main["shear2"], main.get("sheet", zero)]
    for order in (3, 4):
        turn = order * main.get(f"multipole{order}_angle", zero)
        numbers += [main.get(f"multipole{order}", zero) * theta / (1 - order**2), np.cos(turn), np.sin(turn)]
    return np.stack(numbers, axis=1).astype(np.float32)


def _terms(axis_ratio: np.ndarray, slope: np.ndarray) -> list[Float[np.ndarray, " k"]]:
    """Coefficients of the EPL's series from the last to the first, as many for each lens as float32 can tell, and
    filled up to a multiple of four."""
    f, rest = ((1 - axis_ratio) / (1 + axis_ratio))[:, None], (3 - slope)[:, None]
    n = np.arange(1, deflectors.TERMS + 1)
    terms = -f * (2 * n - rest) / (2 * n + rest)
    needed = 4 * (1 + (np.cumprod(np.abs(terms), axis=1) > SMALL).sum(1) // 4)
    return [row[:count][::-1].copy() for row, count in zip(terms.astype(np.float32), needed.tolist(), strict=True)]


def _members(
    members: Mapping[str, Tensor], main: Mapping[str, np.ndarray], strength: Strength
) -> list[Float[np.ndarray, "k m"]]:
    """Subhalos, a row each: where they are in the frame, and what of their other numbers the kernel takes. The padding
    is left out."""
    if not members:
        return [np.zeros((0, 4), dtype=np.float32)] * len(main["slope"])
    own = {name: values.double().numpy() for name, values in members.items()}
    where = [own["x"] + main["lens_x"][:, None], own["y"] + main["lens_y"][:, None]]
    rows = np.stack([*where, *strength(own)], axis=2).astype(np.float32)
    return [row[row[:, 2] > NOTHING] for row in rows]


def _line(line: Mapping[str, Tensor], main: Mapping[str, np.ndarray]) -> list[Float[np.ndarray, " k"]]:
    """Nothing where there is no line, or no mass on it."""
    if not line:
        return [np.zeros(0, dtype=np.float32)] * len(main["slope"])
    radius, half, angle = (line[name].double().numpy() for name in ("einstein_radius", "half_length", "angle"))
    numbers = [main["lens_x"], main["lens_y"], np.cos(angle), np.sin(angle), half, radius**2 / (2 * half)]
    return [row if row[-1] > NOTHING else row[:0] for row in np.stack(numbers, axis=1).astype(np.float32)]


def _place(picture: Mapping[str, Tensor], main: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n k"]:
    if not picture:
        return np.zeros((len(main["slope"]), 0), dtype=np.float32)
    own = {name: values.double().numpy() for name, values in picture.items() if name != "pixels"}
    numbers = [own["x"] + main["lens_x"], own["y"] + main["lens_y"], np.cos(own["angle"]), np.sin(own["angle"])]
    return np.stack([*numbers, 1 / own["scale"], own["flux"] / own["scale"] ** 2], axis=1).astype(np.float32)


def _pixels(picture: Mapping[str, Tensor], lenses: int) -> Float[np.ndarray, "n h w"]:
    return picture["pixels"].float().numpy() if picture else np.zeros((lenses, 0, 0), dtype=np.float32)


def _galaxies(galaxies: Sequence[Mapping[str, Tensor]], main: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n k 9"]:
    """Sersic profiles, a row each; see `kernel.shine`."""
    rows = np.zeros((len(main["slope"]), len(galaxies), 9), dtype=np.float32)
    for k, galaxy in enumerate(galaxies):
        b = light.half_light(galaxy["index"].double()).numpy()
        own = {name: values.double().numpy() for name, values in galaxy.items()}
        centre = light.log_centre(*(galaxy[name].double() for name in ("flux", "radius", "index"))).numpy()
        where = [own["x"] + main["lens_x"], own["y"] + main["lens_y"]]
        numbers = [*where, np.cos(own["angle"]), np.sin(own["angle"]), own["axis_ratio"]]
        numbers += [own["radius"] ** -2.0, centre * LOG2E, b * LOG2E, 0.5 / own["index"]]
        rows[:, k] = np.stack(numbers, axis=1)
    return rows


def _clumps(clumps: Mapping[str, Tensor], main: Mapping[str, np.ndarray]) -> Float[np.ndarray, "n k 4"]:
    if not clumps:
        return np.zeros((len(main["slope"]), 0, 4), dtype=np.float32)
    own = {name: values.double().numpy() for name, values in clumps.items()}
    variance = own["width"] ** 2
    where = [own["x"] + main["lens_x"][:, None], own["y"] + main["lens_y"][:, None]]
    numbers = [*where, own["flux"] / (2 * math.pi * variance), LOG2E / (2 * variance)]
    return np.stack(numbers, axis=2).astype(np.float32)


@lru_cache(maxsize=4)
def _masses(truncation: float) -> Float[np.ndarray, " k"]:
    """Mass of a truncated NFW inside u scale radii over u^2, at equal steps of log2(u^2)."""
    square = torch.from_numpy(2.0 ** np.linspace(LOW, HIGH, STEPS))
    mass = deflectors.tnfw_mass(square.sqrt(), torch.tensor(truncation, dtype=torch.float64))
    return (mass / square).numpy().astype(np.float32)
