"""Noise features: the noise of simulated photons, and an image in units of it."""

import numpy as np
import pytest
import torch

from features.noise import noise_map, signal_to_noise

KNOWN = {"sky_rms": 0.3, "electrons": 20.0}


@pytest.mark.parametrize("brightness", [0.0, 1.0, 50.0])
def test_the_noise_of_photons_and_sky_is_foretold(brightness: float, generator: np.random.Generator) -> None:
    """To 2 %: the spread of 10000 draws has an error of 0.7 %."""
    photons = generator.poisson(brightness * KNOWN["electrons"], 10000) / KNOWN["electrons"]
    noisy = photons + generator.normal(0, KNOWN["sky_rms"], 10000)
    expected = noise_map(torch.full((1, 1, 1), brightness, dtype=torch.float64), **KNOWN).item()
    assert noisy.std() == pytest.approx(expected, rel=0.02)


def test_below_zero_there_is_only_the_sky() -> None:
    assert noise_map(torch.full((1, 2, 2), -4.0), **KNOWN).numpy() == pytest.approx(KNOWN["sky_rms"])


def test_signal_to_noise_of_an_empty_sky_is_its_ratio_to_the_rms_and_of_a_bright_pixel_the_root_of_its_photons() -> (
    None
):
    image = torch.tensor([[[-0.6, 0.0, 1e6]]], dtype=torch.float64)
    expected = [-0.6 / KNOWN["sky_rms"], 0.0, (1e6 * KNOWN["electrons"]) ** 0.5]
    assert signal_to_noise(image, **KNOWN).flatten().tolist() == pytest.approx(expected, rel=1e-6)


def test_signal_to_noise_keeps_the_order_of_brightness() -> None:
    ramp = torch.linspace(-5, 500, 48 * 48, dtype=torch.float64).reshape(1, 48, 48)
    assert (signal_to_noise(ramp, **KNOWN).flatten().diff() > 0).all()
