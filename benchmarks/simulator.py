"""Our ray-tracing against lenstronomy's and caustics', drawing the same lenses on one thread each; and derivatives.

    OMP_NUM_THREADS=1 python -m benchmarks.simulator

lenstronomy's models are made beforehand, so that only the drawing is measured; ours are packed in the time measured.
Float32 against lenstronomy's float64; the largest difference over the peak is printed beside each, away from the edges
of the frame, beyond which the others take the sky to be dark.
"""

import math
import os
from collections.abc import Callable
from dataclasses import replace

import caustics
import numpy as np
import torch
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel

from benchmarks.turns import compare, seconds
from pipeline.lensing import deflectors, imaging, light, populations
from pipeline.lensing.imaging import Camera
from pipeline.lensing.instruments import Instrument
from pipeline.lensing.scene import Scene

LENSES, FWHM, SCALE = 32, 0.16, 0.1
MARGIN = 4  # pixels that the PSF reaches
CAMERA = Camera(Instrument(SCALE, FWHM, 1000.0, 1, 25.0, 22.0, 4.0, 1.0), 64)
RANDOM = np.random.default_rng(0)
P = {
    name: RANDOM.uniform(low, high, LENSES)
    for name, (low, high) in {
        "einstein_radius": (0.8, 1.4), "axis_ratio": (0.6, 0.95), "angle": (0, 3.1), "shear1": (-0.05, 0.05),
        "shear2": (-0.05, 0.05), "x": (-0.2, 0.2), "y": (-0.2, 0.2), "radius": (0.15, 0.35), "q": (0.6, 0.95),
        "phi": (0, 3.1),
    }.items()
}  # fmt: skip


def tensors(**values: np.ndarray) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(own, dtype=np.float64)) for name, own in values.items()}


def scene(points: np.ndarray | None, line: bool) -> Scene:
    """Isothermal ellipsoids with shear before exponential sources; `points` (n, k, 3): x, y, Einstein radius."""
    zero, one = np.zeros(LENSES), np.ones(LENSES)
    main = {name: P[name] for name in ("einstein_radius", "axis_ratio", "angle", "shear1", "shear2")}
    source = {
        "flux": 50 * one,
        "x": P["x"],
        "y": P["y"],
        "radius": P["radius"],
        "axis_ratio": P["q"],
        "angle": P["phi"],
    }
    members = {} if points is None else tensors(x=points[..., 0], y=points[..., 1], einstein_radius=points[..., 2])
    vortex = tensors(einstein_radius=0.2 * one, half_length=0.5 * one, angle=0.3 * one) if line else {}
    return Scene(
        main=tensors(**main, slope=2 * one, lens_x=zero, lens_y=zero),
        galaxies=(tensors(**source, index=one),),
        points=members,
        line=vortex,
    )


def theirs(size: int, points: np.ndarray | None) -> Callable[[], list[np.ndarray]]:
    """Draws the same lenses with lenstronomy."""
    first = -(size - 1) / 2 * SCALE
    data = ImageData(np.zeros((size, size)), ra_at_xy_0=first, dec_at_xy_0=first, transform_pix2angle=np.eye(2) * SCALE)
    blur = PSF(psf_type="GAUSSIAN", fwhm=FWHM, pixel_size=SCALE, truncation=4)
    number = 0 if points is None else points.shape[1]
    model = ImageModel(
        data,
        blur,
        lens_model_class=LensModel(["SIE", "SHEAR", *["POINT_MASS"] * number]),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
    )
    return lambda: [model.image(*words(i, points)) for i in range(LENSES)]


def ellipticity(q: float, phi: float) -> dict[str, float]:
    c = (1 - q) / (1 + q)
    return {"e1": c * math.cos(2 * phi), "e2": c * math.sin(2 * phi)}


def words(i: int, points: np.ndarray | None) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    p = {name: float(values[i]) for name, values in P.items()}
    middle = {"center_x": 0.0, "center_y": 0.0}
    lens = [
        {"theta_E": p["einstein_radius"], **ellipticity(p["axis_ratio"], p["angle"]), **middle},
        {"gamma1": p["shear1"], "gamma2": p["shear2"]},
    ]
    lens += [{"theta_E": t, "center_x": x, "center_y": y} for x, y, t in ([] if points is None else points[i].tolist())]
    one = torch.ones((), dtype=torch.float64)
    b, approximate = float(light.half_light(one)), 1.9992 - 0.3271
    centre = float(light.log_centre(50 * one, p["radius"] * one, one))
    source = {
        "amp": math.exp(centre - approximate), "R_sersic": p["radius"] * approximate / b, "n_sersic": 1.0,
        "center_x": p["x"], "center_y": p["y"], **ellipticity(p["q"], p["phi"]),
    }  # fmt: skip
    return lens, [source]


def scattered(number: int) -> np.ndarray:
    where = RANDOM.uniform(-2, 2, (LENSES, number, 2))
    return np.concatenate([where, np.full((LENSES, number, 1), 0.02)], axis=2)


def along_the_line(number: int) -> np.ndarray:
    """The vortex of `scene` as so many points."""
    at = ((np.arange(number) + 0.5) / number * 2 - 1) * 0.5
    row = np.stack([at * math.cos(0.3), at * math.sin(0.3), np.full(number, 0.2 / number**0.5)], axis=1)
    return np.broadcast_to(row, (LENSES, number, 3))


def noisy(images: list[np.ndarray]) -> list[np.ndarray]:
    """Poisson counts and read noise, as a user of lenstronomy draws them with NumPy."""
    generator, sky, time = np.random.default_rng(1), CAMERA.sky, CAMERA.instrument.exposure
    return [
        (generator.poisson((image + sky) * time) + generator.normal(0, 4, image.shape)) / time - sky for image in images
    ]


def observed(images: np.ndarray) -> list[np.ndarray]:
    """The same by us, each image with a generator of its own."""
    time = CAMERA.instrument.exposure
    return [
        imaging.observe(image, CAMERA, time, populations.generator(1, i, populations.NOISE))
        for i, image in enumerate(images)
    ]


def difference(ours: np.ndarray, theirs: np.ndarray | list[np.ndarray]) -> float:
    """Largest, over the peak, away from the edges."""
    inner = slice(MARGIN, -MARGIN)
    return max(float(np.abs(a - b)[inner, inner].max() / b.max()) for a, b in zip(ours, theirs, strict=True))


def duel(what: str, size: int, points: np.ndarray | None, bar: float, line: bool = False, noise: bool = False) -> None:
    lenses = scene(None if line else points, line)
    camera = replace(CAMERA, size=size)
    ours = lambda: imaging.rates(lenses, camera, 1, [1.0] * LENSES)  # noqa: E731
    peer = theirs(size, points)
    what = f"{what}, differs by {difference(ours(), peer()):.0e}"
    if noise:
        compare(what, lambda: noisy(peer()), lambda: observed(ours()), bar)
    else:
        compare(what, peer, ours, bar)


def batched(size: int, points: np.ndarray | None) -> Callable[[], np.ndarray]:
    """Draws the same lenses with caustics, all at once by `vmap`, in float32."""
    cosmology, number = caustics.FlatLambdaCDM(), 0 if points is None else points.shape[1]
    lenses = [caustics.SIE(cosmology, x0=0.0, y0=0.0), caustics.ExternalShear(cosmology, x0=0.0, y0=0.0)]
    lenses += [caustics.Point(cosmology, name=f"point{k}") for k in range(number)]
    simulator = caustics.LensSource(
        caustics.SinglePlane(cosmology, tuple(lenses), z_l=0.5, z_s=1.0),
        caustics.Sersic(n=1.0),
        pixelscale=SCALE,
        pixels_x=size,
        psf=torch.from_numpy(CAMERA.psf(1).plane).float(),
    )
    one = torch.ones((), dtype=torch.float64)
    centre = light.log_centre(50 * one, torch.from_numpy(P["radius"]), one) - light.half_light(one)
    numbers = [P[name] for name in ("axis_ratio", "angle", "einstein_radius", "shear1", "shear2")]
    numbers += [] if points is None else list(points.reshape(LENSES, -1).T)
    numbers += [P["x"], P["y"], P["q"], P["phi"], P["radius"] / np.sqrt(P["q"]), centre.exp().numpy() * SCALE**2]
    given = torch.from_numpy(np.stack(numbers, axis=1)).float()
    draw = torch.vmap(simulator)
    return lambda: draw(given).numpy()


def against_caustics(what: str, size: int, points: np.ndarray | None) -> None:
    peer, lenses, camera = batched(size, points), scene(points, False), replace(CAMERA, size=size)
    ours = lambda: imaging.rates(lenses, camera, 1, [1.0] * LENSES)  # noqa: E731
    compare(f"{what}, differs by {difference(ours(), peer()):.0e}", peer, ours, 1)


def jacobian() -> None:
    """All derivatives of a 64 x 64 image, float64, without supersampling."""
    main = ["einstein_radius", "axis_ratio", "angle", "slope", "lens_x", "lens_y", "shear1", "shear2"]
    main += ["multipole3", "multipole3_angle", "multipole4", "multipole4_angle"]
    source = ["flux", "x", "y", "radius", "axis_ratio", "angle", "index"]
    at = torch.tensor([1.2, 0.8, 0.3, 2.1, 0, 0, 0.03, 0.02, 0.01, 0, 0.01, 0, 50, 0.1, 0, 0.3, 0.7, 1, 1.5]).double()

    def image(values: torch.Tensor) -> torch.Tensor:
        own = values[:, None]
        galaxy = dict(zip(source, own[len(main) :], strict=True))
        lens = Scene(dict(zip(main, own, strict=False)), (galaxy,), isothermal=False, terms=deflectors.terms(0.8))
        return imaging.render(lens, CAMERA, 1)[0]

    torch.set_num_threads(os.cpu_count() or 1)
    derivatives = torch.func.jacfwd(image)
    derivatives(at)
    took = sorted(seconds(lambda: derivatives(at)) for _ in range(15))
    print(
        f"Jacobian of 64 x 64 pixels by {len(at)} parameters, {os.cpu_count()} threads: {took[7] * 1e3:.0f} ms "
        f"[{took[0] * 1e3:.0f}, {took[-1] * 1e3:.0f}]   bar 100: {'met' if took[7] <= 0.1 else 'MISSED'}"
    )


def main() -> None:
    torch.set_num_threads(1)
    print(f"{LENSES} lenses; lenstronomy, ours, times as fast as lenstronomy; one thread each")
    duel("smooth, 64 x 64", 64, None, 10)
    duel("smooth, 150 x 150", 150, None, 5)
    duel("25 point masses, 64 x 64", 64, scattered(25), 6)
    duel("100 point masses, 64 x 64", 64, scattered(100), 5)
    duel("smooth with noise, 64 x 64", 64, None, 4, noise=True)
    duel("vortex as 100 points, 64 x 64", 64, along_the_line(100), 8)
    duel("vortex in closed form, 64 x 64", 64, along_the_line(100), 40, line=True)
    print(f"{LENSES} lenses; caustics' vmap, ours, times as fast as caustics; one thread each")
    against_caustics("smooth, 64 x 64", 64, None)
    against_caustics("smooth, 150 x 150", 150, None)
    against_caustics("25 point masses, 64 x 64", 64, scattered(25))
    jacobian()


if __name__ == "__main__":
    main()
