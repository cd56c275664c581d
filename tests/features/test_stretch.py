"""Stretches: the formulas of astropy, odd about an empty sky, and nothing lost."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from astropy.visualization import AsinhStretch, LinearStretch, LogStretch, PowerStretch, SqrtStretch
from torch import Tensor

from features.stretch import STRETCHES, anscombe, anscombe_inverse, intensity, inverse, pixels
from features.stretch.arcsinh import arcsinh

SOFTENING, POWER, SKY_RMS = 2.0, 0.6, 0.15
KNEE = SOFTENING * SKY_RMS
PEAK = 50.0

Function = Callable[[np.ndarray], np.ndarray]

# astropy's stretches map 0 ... 1 to 0 ... 1; their log and arcsinh have their knee at 1 / a and at a of the peak
ORACLES: dict[str, Function] = {
    "linear": lambda x: PEAK * LinearStretch()(x / PEAK),
    "sqrt": lambda x: PEAK**0.5 * SqrtStretch()(x / PEAK),
    "power": lambda x: PEAK**POWER * PowerStretch(POWER)(x / PEAK),
    "log": lambda x: np.log1p(PEAK / KNEE) * LogStretch(PEAK / KNEE)(x / PEAK),
    "arcsinh": lambda x: np.arcsinh(PEAK / KNEE) * AsinhStretch(KNEE / PEAK)(x / PEAK),
}

every_transform = pytest.mark.parametrize("transform", STRETCHES)


def stretch(images: Tensor, transform: str) -> Tensor:
    return intensity(images, transform, SOFTENING, POWER, sky_rms=SKY_RMS)


def unstretch(images: Tensor, transform: str) -> Tensor:
    return inverse(images, transform, SOFTENING, POWER, sky_rms=SKY_RMS)


@pytest.fixture
def ramp() -> Tensor:
    """Every brightness from -PEAK to PEAK in one image, in order, zero among them."""
    return torch.linspace(-PEAK, PEAK, 49 * 41, dtype=torch.float64).reshape(1, 49, 41)


@every_transform
def test_agrees_with_astropy(transform: str, ramp: Tensor) -> None:
    positive = ramp.clamp_min(0)
    expected = torch.from_numpy(ORACLES[transform](positive.numpy()))
    torch.testing.assert_close(stretch(positive, transform), expected, rtol=1e-10, atol=1e-10)


@every_transform
def test_is_odd_about_an_empty_sky(transform: str, ramp: Tensor) -> None:
    assert torch.equal(stretch(-ramp, transform), -stretch(ramp, transform))
    assert (stretch(torch.zeros_like(ramp), transform) == 0).all()


@every_transform
def test_keeps_the_order_of_brightness(transform: str, ramp: Tensor) -> None:
    assert (stretch(ramp, transform).flatten().diff() > 0).all()


@every_transform
@pytest.mark.parametrize(("dtype", "loss"), [(torch.float64, 1e-9), (torch.float32, 3e-6)], ids=str)
def test_loses_nothing(transform: str, dtype: torch.dtype, loss: float, ramp: Tensor) -> None:
    """In float32 to twelve roundings, each 1.2e-7 x (value of the logarithm, up to 6)."""
    back = unstretch(stretch(ramp.to(dtype), transform), transform)
    assert back.dtype == dtype
    torch.testing.assert_close(back, ramp.to(dtype), rtol=loss, atol=loss)


@pytest.mark.parametrize(("transform", "loss"), [("arcsinh", 1e-6), ("log", 1e-3)])
def test_is_linear_far_below_the_knee_and_flat_far_above(transform: str, loss: float, ramp: Tensor) -> None:
    faint = 1e-3 * KNEE / PEAK * ramp
    torch.testing.assert_close(stretch(faint, transform), faint / KNEE, rtol=loss, atol=0)
    bright = stretch(torch.full_like(ramp, 2e6 * KNEE), transform) - stretch(
        torch.full_like(ramp, 1e6 * KNEE), transform
    )
    torch.testing.assert_close(bright, torch.full_like(ramp, np.log(2)), rtol=1e-5, atol=0)


def test_the_default_is_linear_and_a_copy(ramp: Tensor) -> None:
    for copy in (intensity(ramp, sky_rms=SKY_RMS), pixels(ramp)):
        assert torch.equal(copy, ramp)
        copy += 1
        assert not torch.equal(copy, ramp)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": "sinh"}, "transform: no stretch 'sinh'; there are linear, sqrt, power, log, arcsinh"),
        ({"softening": 0.0}, "softening: 0 must be above zero"),
        ({"power": -0.5}, "power: -0.5 must be above zero"),
    ],
)
@pytest.mark.parametrize("function", [intensity, inverse])
def test_an_option_that_cannot_be_is_refused(
    function: Callable[..., Tensor], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        function(torch.zeros(1, 8, 8), **options, sky_rms=1.0)


@pytest.mark.parametrize(("dtype", "loss"), [(torch.float32, 4e-7), (torch.float64, 1e-15)], ids=str)
def test_arcsinh_is_numpys_from_the_faintest_to_the_brightest(dtype: torch.dtype, loss: float) -> None:
    """To three roundings: a quotient, a sum and a logarithm."""
    sizes = torch.logspace(-30, 35, 1001, dtype=torch.float64)
    x = torch.cat([-sizes, torch.zeros(1), sizes]).to(dtype).reshape(1, -1)
    expected = torch.from_numpy(np.arcsinh(x.double().numpy()))
    torch.testing.assert_close(arcsinh(x).double(), expected, rtol=loss, atol=0)
    torch.testing.assert_close(arcsinh(x.requires_grad_()).detach().double(), expected, rtol=max(loss, 1e-13), atol=0)


def test_arcsinh_of_many_blocks_is_that_of_each_pixel(generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 100, (7, 150, 149)))[:, :, ::2]  # not contiguous
    torch.testing.assert_close(arcsinh(images), torch.asinh(images))


def test_arcsinh_of_an_empty_sky_has_a_slope() -> None:
    """The fast route would have none at zero, where its modulus bends."""
    sky = torch.zeros(3, requires_grad=True)
    arcsinh(sky).sum().backward()
    assert sky.grad is not None
    assert (sky.grad == 1).all()


@pytest.mark.parametrize("electrons", [1.0, 40.0])
@pytest.mark.parametrize("sky", [3.0, 10.0])
@pytest.mark.parametrize("light", [0.0, 2.0, 30.0, 400.0])
def test_anscombe_makes_noise_of_rms_one(
    light: float, sky: float, electrons: float, generator: np.random.Generator
) -> None:
    """Of so many photons of light and a sky of so many photons' rms; 5 %, of which 0.5 % is that of 20000 draws."""
    counts = generator.poisson(light, 20000) + generator.normal(0, sky, 20000)
    noisy = torch.from_numpy(counts / electrons).reshape(1, 100, 200)
    assert anscombe(noisy, sky_rms=sky / electrons, electrons=electrons).std().item() == pytest.approx(1, abs=0.05)


def test_anscombe_is_murtaghs_less_its_value_for_an_empty_pixel(ramp: Tensor) -> None:
    """As far as it goes below zero, and from there on straight."""
    gain, known = 1 / 7.0, {"sky_rms": 2.0, "electrons": 7.0}
    constant = 3 / 8 * gain**2 + known["sky_rms"] ** 2
    above = ramp.clamp_min(-0.75 * constant / gain)
    published = 2 / gain * (np.sqrt(gain * above.numpy() + constant) - constant**0.5)
    torch.testing.assert_close(anscombe(above, **known), torch.from_numpy(published), rtol=1e-12, atol=1e-12)
    below = anscombe(torch.linspace(-300, -100, 48 * 48, dtype=torch.float64).reshape(1, 48, 48), **known)
    slopes = below.flatten().diff() * (48 * 48 - 1) / 200
    torch.testing.assert_close(slopes, torch.full_like(slopes, 2 / constant**0.5), rtol=1e-8, atol=0)


def test_anscombe_of_many_electrons_is_the_ratio_to_the_sky(ramp: Tensor) -> None:
    torch.testing.assert_close(anscombe(ramp, sky_rms=SKY_RMS, electrons=1e12), ramp / SKY_RMS)


@pytest.mark.parametrize(("dtype", "loss"), [(torch.float64, 1e-12), (torch.float32, 1e-6)], ids=str)
@pytest.mark.parametrize("electrons", [0.1, 5.0, 1e6])
def test_anscombe_loses_nothing(electrons: float, dtype: torch.dtype, loss: float, ramp: Tensor) -> None:
    """In float32 to a few roundings of 1.2e-7 of the image or, far below zero, of where the tangent begins."""
    known = {"sky_rms": SKY_RMS, "electrons": electrons}
    values = anscombe(ramp.to(dtype), **known)
    assert anscombe(torch.zeros(1, 8, 8), **known).abs().max() == 0
    assert (values.flatten().diff() > 0).all()
    torch.testing.assert_close(anscombe_inverse(values, **known), ramp.to(dtype), rtol=loss, atol=10 * loss)
