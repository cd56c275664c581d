"""Imaging: where pixels are, where flux goes, what noise does, and how many rays are enough."""

import numpy as np
import pytest
import torch

from pipeline.lensing import imaging, populations, presets, psf
from pipeline.lensing.imaging import Camera, grid
from pipeline.lensing.instruments import INSTRUMENTS, Instrument
from pipeline.lensing.scene import Scene
from pipeline.params import Prior

PLAIN = Instrument(0.1, 0.5, 1000.0, 4, 25.0, 22.0, 5.0, 1.0)


def one(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}


def unlensed(**source: float) -> Scene:
    """A source behind nothing."""
    galaxy = {"flux": 7.0, "x": 0.0, "y": 0.0, "radius": 0.4, "axis_ratio": 1.0, "angle": 0.0, "index": 0.5} | source
    main = one(
        einstein_radius=1e-9, axis_ratio=1.0, angle=0.0, slope=2.0, lens_x=0.0, lens_y=0.0, shear1=0.0, shear2=0.0
    )
    return Scene(main=main, galaxies=(one(**galaxy),))


def both(scene: Scene, camera: Camera, supersampling: int) -> tuple[np.ndarray, np.ndarray]:
    """By torch and by the fused kernel."""
    return (
        imaging.render(scene, camera, supersampling)[0].numpy(),
        imaging.rates(scene, camera, supersampling, [1.0])[0],
    )


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("supersampling", [1, 3])
def test_the_grid_is_centred_and_its_pixels_average_to_theirs(size: int, supersampling: int) -> None:
    x, y = grid(size, 0.1, supersampling, margin=2 * supersampling)
    assert float(x.mean()) == pytest.approx(0, abs=1e-15)
    pixels = torch.nn.functional.avg_pool2d(x[None], supersampling)[0, 2:-2, 2:-2]
    np.testing.assert_allclose(pixels[0], (np.arange(size) - (size - 1) / 2) * 0.1, atol=1e-12)
    assert torch.equal(y, x.T)


@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize("supersampling", [1, 2, 3])
def test_every_psf_adds_up_to_one_and_is_as_wide_as_it_says(name: str, supersampling: int) -> None:
    kernel = Camera(INSTRUMENTS[name], 32).psf(supersampling)
    assert kernel.plane.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel.plane, kernel.plane.T, atol=1e-15)
    fine = Camera(INSTRUMENTS[name], 32).psf(50)
    middle = fine.plane[fine.radius]
    across = (middle > middle.max() / 2).sum() * INSTRUMENTS[name].pixel_scale / 50
    assert across == pytest.approx(INSTRUMENTS[name].psf_fwhm, abs=2 * INSTRUMENTS[name].pixel_scale / 50)


@pytest.mark.parametrize("supersampling", [1, 2, 4])
def test_imaging_conserves_flux(supersampling: int) -> None:
    """A source well inside the frame: every electron arrives."""
    for image in both(unlensed(x=0.13), Camera(PLAIN, 60), supersampling):
        assert image.sum() == pytest.approx(7.0, rel=1e-5)


def test_the_psf_widens_a_gaussian_in_quadrature() -> None:
    """A Sersic profile of index 1/2 is a Gaussian, of which half the light is inside 1.1774 standard deviations."""
    for image in both(unlensed(), Camera(PLAIN, 60), 3):
        axis = (np.arange(60) - 29.5) * 0.1
        variance = (image.sum(axis=0) * axis**2).sum() / image.sum()
        assert variance == pytest.approx((0.4 / 1.17741) ** 2 + (0.5 / psf.FWHM) ** 2 + 0.1**2 / 12, rel=2e-3)


def test_light_outside_the_frame_is_blurred_into_it() -> None:
    """Half of a narrow source that sits on the frame's edge comes in, and blurring brings light to the last pixels."""
    for image in both(unlensed(x=1.0, radius=0.05), Camera(PLAIN, 20), 3):
        assert image.sum() == pytest.approx(3.5, rel=0.01)
        assert image[:, -3].sum() > 0.3


def test_noise_has_the_mean_and_variance_of_its_electrons() -> None:
    """Poisson counts of source and sky plus read noise, in 200,000 pixels: five standard errors."""
    camera, generator, rate = Camera(PLAIN, 8), np.random.default_rng(3), 0.4
    image = imaging.observe(np.full((500, 400), rate), camera, 100.0, generator)
    variance = ((rate + camera.sky) * 100 + 4 * 5.0**2) / 100**2
    assert camera.noise_map(np.array([rate]), 100.0) ** 2 == pytest.approx(variance)
    assert image.mean() == pytest.approx(rate, abs=5 * (variance / image.size) ** 0.5)
    assert image.var() == pytest.approx(variance, rel=5 * (2 / image.size) ** 0.5)
    blank = imaging.observe(np.zeros((500, 400)), camera, 100.0, generator)
    assert blank.std() == pytest.approx(camera.sky_rms(100.0), rel=0.01)
    assert blank.min() < 0, "the sky must not be clipped"
    assert abs(np.corrcoef(blank[:, 1:].ravel(), blank[:, :-1].ravel())[0, 1]) < 0.012, "it is white"


@pytest.mark.parametrize("preset", ["axion", "lens64", "axion_free"])
def test_as_many_rays_as_it_takes_are_as_good_as_many_more(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a hundredth of the tolerance: no pixel is off by more than half of its noise."""
    camera, lenses = Camera(INSTRUMENTS["euclid_vis"], 48), range(6)
    drawn = populations.draw(presets.priors(preset, {}), 3, lenses)
    scene = populations.scene(drawn, 3, lenses, camera.instrument.zero_point)
    factor = drawn["psf_factor"].tolist()
    chosen = imaging.rates(scene, camera, None, factor)
    coarse = imaging.rates(scene, camera, 1, factor)
    monkeypatch.setattr(imaging, "TOLERANCE", imaging.TOLERANCE / 100)
    fine = imaging.rates(scene, camera, None, factor)
    noise = camera.noise_map(fine)
    assert (np.abs(chosen - fine) / noise).max() < 0.5
    assert (np.abs(coarse - fine) / noise).max() > 0.5, "one ray a pixel is not enough"


def test_the_finest_rays_agree_with_a_plain_grid_of_as_many() -> None:
    """A smooth lens, seen by 9 x 9 rays a pixel in torch and by rays where they are needed in the kernel."""
    camera, lenses = Camera(INSTRUMENTS["euclid_vis"], 48), range(3)
    drawn = populations.draw(presets.priors("axion", {"psf_factor": Prior(fixed=1.0)}), 3, lenses)
    scene = populations.scene(drawn, 3, lenses, camera.instrument.zero_point)
    plain = imaging.render(scene, camera, 9).numpy()
    chosen = imaging.rates(scene, camera, None, [1.0] * 3)
    assert (np.abs(chosen - plain) / camera.noise_map(plain)).max() < 0.5
