"""Whole scenes: the fused kernel against torch, torch against lenstronomy and against finite differences."""

import caustics
import numpy as np
import pytest
import torch
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from torch import Tensor

from pipeline.lensing import imaging, light, populations, presets
from pipeline.lensing.imaging import Camera
from pipeline.lensing.instruments import INSTRUMENTS
from pipeline.lensing.scene import Scene
from pipeline.params import Prior, Subhalos

SIZE, SUPERSAMPLING = 40, 2
CAMERA = Camera(INSTRUMENTS["euclid_vis"], SIZE)
NUMBERS = {
    "einstein_radius": 1.1, "axis_ratio": 0.75, "angle": 0.4, "slope": 2.1, "lens_x": 0.03, "lens_y": -0.02,
    "shear1": 0.04, "shear2": -0.03, "multipole3": 0.01, "multipole3_angle": 0.2, "multipole4": -0.01,
    "multipole4_angle": 0.1, "flux": 20.0, "x": 0.1, "y": -0.07, "radius": 0.3, "source_axis_ratio": 0.7,
    "source_angle": 1.0, "index": 1.4, "light_flux": 30.0,
}  # fmt: skip


def scene_of(numbers: Tensor) -> Scene:
    """A lens with an elliptical power law, shear, multipoles, a source and light of its own, from `NUMBERS`."""
    p = {name: value[None] for name, value in zip(NUMBERS, numbers, strict=True)}
    main = {name: p[name] for name in list(NUMBERS)[:12]}
    source = {name: p[name] for name in ("flux", "x", "y", "radius", "index")}
    source |= {"axis_ratio": p["source_axis_ratio"], "angle": p["source_angle"]}
    own = {
        "flux": p["light_flux"],
        "x": 0 * p["x"],
        "y": 0 * p["x"],
        "radius": 2 * p["radius"],
        "index": 2 + 0 * p["x"],
    }
    own |= {"axis_ratio": p["axis_ratio"], "angle": p["angle"]}
    return Scene(main=main, galaxies=(source,), lights=(own,), isothermal=False)


def numbers() -> Tensor:
    return torch.tensor(list(NUMBERS.values()), dtype=torch.float64)


def subhalos(profile: str) -> Subhalos:
    return Subhalos(
        profile=profile, positions="host", number="poisson", reach=2.0, sheet=True, scatter=0.13, truncation=6.0
    )


@pytest.mark.parametrize("profile", ["point", "sis", "tnfw"])
@pytest.mark.parametrize("preset", ["lens64", "axion_free", "wdm"])
def test_the_kernel_draws_what_torch_draws(preset: str, profile: str) -> None:
    """Lens light, clumps, subhalos, multipoles, vortex and all: to 1e-5 of the peak, in float32 against float64.

    Rays that graze the singular centre of a point or of a sphere may be thrown anywhere, so those are not compared.
    """
    lenses, how = range(4), subhalos(profile)
    given = presets.priors(preset, {"psf_factor": Prior(fixed=1.0), "substructure_fraction": Prior(fixed=0.01)})
    drawn = populations.draw(given, 1, lenses)
    population = populations.substructure(drawn, 1, lenses, how)
    scene = populations.scene(drawn, 1, lenses, 25.72, how, population)
    exact = imaging.render(scene, CAMERA, SUPERSAMPLING).numpy()
    fast = imaging.rates(scene, CAMERA, SUPERSAMPLING, [1.0] * 4)
    assert population.number.max() > 5
    assert (np.abs(fast - exact).max(axis=(1, 2)) / exact.max(axis=(1, 2))).max() < 1e-5


def everything() -> Scene:
    """Lenses with all that a scene can have."""
    given = presets.priors("lens64", {"substructure_fraction": Prior(fixed=0.01), "vortex_fraction": Prior(fixed=0.03)})
    given |= presets.priors("axion_free", {"vortex_points": Prior(fixed=20)}) | given
    drawn, how = populations.draw(given, 1, range(2)), subhalos("tnfw")
    population = populations.substructure(drawn, 1, range(2), how)
    pictures = np.random.default_rng(0).random((2, 9, 9))
    return populations.scene(drawn, 1, range(2), 25.72, how, population, pictures)


def test_single_precision_will_do() -> None:
    lenses = everything()
    exact, single = (imaging.render(scene, CAMERA, 2) for scene in (lenses, lenses.to(torch.float32)))
    assert single.dtype == torch.float32
    assert (single - exact).abs().max() < 2e-4 * exact.max()


def test_nothing_of_a_scene_stays_behind_when_it_goes_to_another_device() -> None:
    """The meta device computes shapes alone, and refuses whatever meets it from elsewhere, as a GPU would."""
    assert imaging.render(everything().to("meta"), CAMERA, 2).device.type == "meta"


def test_an_image_does_not_depend_on_its_company() -> None:
    drawn = populations.draw(presets.priors("lens64", {}), 1, range(4))
    scene = populations.scene(drawn, 1, range(4), 25.72)
    factor = drawn["psf_factor"].tolist()
    together = imaging.rates(scene, CAMERA, None, factor)
    alone = imaging.rates(scene.some(np.array([2])), CAMERA, None, factor[2:3])
    np.testing.assert_array_equal(alone[0], together[2])


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")  # torch's, as caustics calls it
@pytest.mark.filterwarnings("ignore::UserWarning:caustics")  # that one redshift stands in several lenses
def test_the_image_is_caustics() -> None:
    """An isothermal ellipsoid with shear and a point mass, in float64 and to 2e-5 of the peak (its b_n is a series),
    away from the edges, beyond which caustics takes the sky to be dark."""
    p, scale = NUMBERS, CAMERA.instrument.pixel_scale
    cosmology, at = caustics.FlatLambdaCDM(), {"z_l": 0.5, "z_s": 1.0}
    middle = {"x0": p["lens_x"], "y0": p["lens_y"]}
    lenses = (
        caustics.SIE(cosmology, q=p["axis_ratio"], phi=p["angle"], Rein=p["einstein_radius"], **middle, **at),
        caustics.ExternalShear(cosmology, x0=0.0, y0=0.0, gamma_1=p["shear1"], gamma_2=p["shear2"], **at),
        caustics.Point(cosmology, x0=p["lens_x"] + 0.5, y0=p["lens_y"] - 0.3, Rein=0.05, **at),
    )
    one = torch.ones((), dtype=torch.float64)
    centre = light.log_centre(p["flux"] * one, p["radius"] * one, p["index"] * one)
    source = caustics.Sersic(
        x0=p["lens_x"] + p["x"], y0=p["lens_y"] + p["y"], q=p["source_axis_ratio"], phi=p["source_angle"], n=p["index"],
        Re=p["radius"] / p["source_axis_ratio"] ** 0.5, Ie=float((centre - light.half_light(p["index"] * one)).exp()),
    )  # fmt: skip
    plane, psf = caustics.SinglePlane(cosmology, lenses, **at), torch.from_numpy(CAMERA.psf(1).plane)
    simulator = caustics.LensSource(plane, source, pixelscale=scale, pixels_x=SIZE, psf=psf)
    simulator.to(dtype=torch.float64)
    theirs = simulator().numpy() * scale**2
    own = scene_of(numbers())
    main = {name: value for name, value in own.main.items() if not name.startswith("multipole")}
    point = {"x": 0.5 * one[None, None], "y": -0.3 * one[None, None], "einstein_radius": 0.05 * one[None, None]}
    isothermal = Scene(main=main | {"slope": 2 * one[None]}, galaxies=own.galaxies, points=point)
    ours = imaging.render(isothermal, CAMERA, 1)[0].numpy()
    inner = slice(4, -4)
    assert np.abs(ours - theirs)[inner, inner].max() < 2e-5 * theirs.max()


@pytest.mark.filterwarnings("ignore:.axes. should not be:DeprecationWarning")  # scipy's, as lenstronomy calls it
def test_the_image_is_lenstronomys() -> None:
    """The whole image, through the same kernel, to 1e-5 of the peak; lenstronomy's b_n is put right first."""
    ours = imaging.render(scene_of(numbers()), CAMERA, SUPERSAMPLING)[0].numpy()
    p, scale = NUMBERS, CAMERA.instrument.pixel_scale
    kernel = CAMERA.psf(SUPERSAMPLING)
    pixels = SIZE + 2 * (kernel.radius // SUPERSAMPLING)
    first = -(pixels - 1) / 2 * scale
    data = ImageData(
        image_data=np.zeros((pixels, pixels)),
        ra_at_xy_0=first, dec_at_xy_0=first, transform_pix2angle=np.eye(2) * scale,
    )  # fmt: skip
    psf = PSF(psf_type="PIXEL", kernel_point_source=kernel.plane, point_source_supersampling_factor=SUPERSAMPLING)
    numerics = {"supersampling_factor": SUPERSAMPLING, "supersampling_convolution": True}
    place = {"center_x": p["lens_x"], "center_y": p["lens_y"]}
    lens = [
        {"theta_E": p["einstein_radius"], "gamma": p["slope"], **ellipticity(p["axis_ratio"], p["angle"]), **place},
        {"gamma1": p["shear1"], "gamma2": p["shear2"]},
        *(
            {
                "m": m,
                "a_m": p[f"multipole{m}"] * p["einstein_radius"],
                "phi_m": p[f"multipole{m}_angle"],
                **place,
                "r_E": 1.0,
            }
            for m in (3, 4)
        ),
    ]
    source = sersic(
        p["flux"], p["radius"], p["index"], p["source_axis_ratio"], p["source_angle"],
        p["lens_x"] + p["x"], p["lens_y"] + p["y"],
    )  # fmt: skip
    own = sersic(p["light_flux"], 2 * p["radius"], 2.0, p["axis_ratio"], p["angle"], p["lens_x"], p["lens_y"])
    model = ImageModel(
        data, psf,
        lens_model_class=LensModel(["EPL", "SHEAR", "MULTIPOLE", "MULTIPOLE"]),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
        lens_light_model_class=LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics=numerics,
    )  # fmt: skip
    theirs = model.image(lens, [source], [own])
    edge = kernel.radius // SUPERSAMPLING
    theirs = theirs[edge:-edge, edge:-edge]
    assert np.abs(ours - theirs).max() < 1e-5 * theirs.max()


def ellipticity(axis_ratio: float, angle: float) -> dict[str, float]:
    c = (1 - axis_ratio) / (1 + axis_ratio)
    return {"e1": c * np.cos(2 * angle), "e2": c * np.sin(2 * angle)}


def sersic(
    flux: float, radius: float, index: float, axis_ratio: float, angle: float, x: float, y: float
) -> dict[str, float]:
    """lenstronomy's numbers for our profile. It has 1.9992 n - 0.3271 for b_n, which comes to another radius."""
    b = float(light.half_light(torch.tensor(index, dtype=torch.float64)))
    theirs = 1.9992 * index - 0.3271
    centre = float(light.log_centre(*(torch.tensor(v, dtype=torch.float64) for v in (flux, radius, index))))
    place = {"center_x": x, "center_y": y, **ellipticity(axis_ratio, angle)}
    return {"amp": np.exp(centre - theirs), "R_sersic": radius * (theirs / b) ** index, "n_sersic": index, **place}


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch.func's own use of it
def test_the_derivative_of_an_image_is_its_finite_difference() -> None:
    """With respect to all 20 numbers, without supersampling: central differences, to 1e-5 of the largest."""
    camera = Camera(INSTRUMENTS["euclid_vis"], 24)

    def image(values: Tensor) -> Tensor:
        return imaging.render(scene_of(values), camera, 1)[0]

    exact = torch.func.jacfwd(image)(numbers())  # (h, w, 20)
    assert exact.shape == (24, 24, len(NUMBERS))
    for i, name in enumerate(NUMBERS):
        step = torch.zeros_like(numbers())
        step[i] = 1e-5
        central = (image(numbers() + step) - image(numbers() - step)) / 2e-5
        scale = float(central.abs().max())
        assert scale > 0, name
        tolerance = 2e-4 if name == "index" else 1e-5  # the derivative of b_n is that of its series
        assert float((exact[..., i] - central).abs().max()) < tolerance * scale, name


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_lens_makes_a_turned_image(turn: int) -> None:
    p = NUMBERS | {"lens_x": 0.0, "lens_y": 0.0}
    turned = dict(p)
    for name in ("angle", "source_angle", "multipole3_angle", "multipole4_angle"):
        turned[name] = p[name] + turn * np.pi / 2
    cos, sin = np.cos(turn * np.pi), np.sin(turn * np.pi)  # of the doubled angle
    turned["shear1"], turned["shear2"] = cos * p["shear1"] - sin * p["shear2"], sin * p["shear1"] + cos * p["shear2"]
    z = (p["x"] + 1j * p["y"]) * 1j**turn
    turned["x"], turned["y"] = z.real, z.imag
    images = [
        imaging.render(scene_of(torch.tensor(list(values.values()), dtype=torch.float64)), CAMERA, 1)[0].numpy()
        for values in (p, turned)
    ]
    np.testing.assert_allclose(np.rot90(images[0], -turn), images[1], atol=1e-9)  # rows run upwards


def test_no_ray_is_brighter_than_the_source(generator: np.random.Generator) -> None:
    """Lensing conserves surface brightness; and it is linear in the source's flux."""
    x, y = imaging.grid(60, 0.05, 1, 0)
    bare = numbers()
    bare[list(NUMBERS).index("light_flux")] = 1e-12
    seen = imaging.brightness(scene_of(bare), x, y)
    top = light.log_centre(bare[12], bare[15], bare[18]).exp()
    assert float(seen.max()) < float(top)
    double = bare.clone()
    double[12] *= 2
    torch.testing.assert_close(imaging.brightness(scene_of(double), x, y), 2 * seen, rtol=1e-9, atol=1e-9)
