"""Stretches: the formulas of astropy, odd about an empty sky, and nothing lost."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from astropy.visualization import AsinhStretch, LinearStretch, LogStretch, PowerStretch, SqrtStretch
from torch import Tensor

from features.stretch import STRETCHES, intensity, pixels

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
INVERSES: dict[str, Function] = {
    "linear": lambda y: y,
    "sqrt": lambda y: np.sign(y) * y**2,
    "power": lambda y: np.sign(y) * np.abs(y) ** (1 / POWER),
    "log": lambda y: np.sign(y) * KNEE * np.expm1(np.abs(y)),
    "arcsinh": lambda y: KNEE * np.sinh(y),
}

every_transform = pytest.mark.parametrize("transform", STRETCHES)


def stretch(images: Tensor, transform: str) -> Tensor:
    return intensity(images, transform, SOFTENING, POWER, sky_rms=SKY_RMS)


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
def test_loses_nothing(transform: str, ramp: Tensor) -> None:
    back = torch.from_numpy(INVERSES[transform](stretch(ramp, transform).numpy()))
    torch.testing.assert_close(back, ramp, rtol=1e-10, atol=1e-10)


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
