"""The instrument: where pixels are, where flux goes, and what noise does."""

import numpy as np
import pytest
import torch

from pipeline.lensing import instrument


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("supersampling", [1, 3])
def test_the_grid_is_centred_and_its_pixels_average_to_theirs(size: int, supersampling: int) -> None:
    x, y = instrument.grid(size, 0.1, supersampling, margin=2)
    assert float(x.mean()) == pytest.approx(0, abs=1e-15)
    pixels = torch.nn.functional.avg_pool2d(x[None], supersampling)[0, 2:-2, 2:-2]
    np.testing.assert_allclose(pixels[0], (np.arange(size) - (size - 1) / 2) * 0.1, atol=1e-12)
    assert torch.equal(y, x.T)


@pytest.mark.parametrize("supersampling", [1, 2, 4])
def test_exposing_conserves_flux(supersampling: int) -> None:
    """A small bright blob well inside the frame: every electron arrives."""
    margin = instrument.psf_margin(0.16, 0.1)
    x, y = instrument.grid(40, 0.1, supersampling, margin)
    blob = torch.exp(-0.5 * ((x - 0.13) ** 2 + y**2) / 0.15**2)[None]
    image = instrument.expose(blob, 0.1, supersampling, 0.16, margin)
    assert image.shape == (1, 40, 40)
    assert float(image.sum()) == pytest.approx(float(blob.sum()) * (0.1 / supersampling) ** 2, rel=1e-9)


def test_the_psf_widens_a_gaussian_in_quadrature() -> None:
    margin = instrument.psf_margin(0.5, 0.1)
    x, y = instrument.grid(60, 0.1, 3, margin)
    image = instrument.expose(torch.exp(-0.5 * (x**2 + y**2) / 0.3**2)[None], 0.1, 3, 0.5, margin)[0]
    axis = (torch.arange(60) - 29.5) * 0.1
    variance = (image.sum(dim=0) * axis**2).sum() / image.sum()
    psf = (0.5 / 2.354820045) ** 2
    pixel = 0.1**2 / 12
    assert float(variance) == pytest.approx(0.3**2 + psf + pixel, rel=2e-3)


def test_light_outside_the_frame_is_blurred_into_it() -> None:
    margin = instrument.psf_margin(0.5, 0.1)
    x, _ = instrument.grid(20, 0.1, 1, margin)
    wall = (x > 1.0).double()[None]  # begins where the frame ends
    assert float(instrument.expose(wall, 0.1, 1, 0.5, margin)[0, 10, -1]) > 0.2 * 0.1**2


def test_noise_has_the_mean_and_variance_of_its_electrons() -> None:
    """Poisson counts of source and sky plus read noise, in 200,000 pixels: five standard errors."""
    generator = np.random.default_rng(3)
    rate, sky, exposure, read = 0.4, 0.2, 100.0, 5.0
    image = instrument.observe(np.full((500, 400), rate), sky, exposure, read, generator)
    variance = ((rate + sky) * exposure + read**2) / exposure**2
    assert image.mean() == pytest.approx(rate, abs=5 * (variance / image.size) ** 0.5)
    assert image.var() == pytest.approx(variance, rel=5 * (2 / image.size) ** 0.5)
    blank = instrument.observe(np.zeros((500, 400)), sky, exposure, read, generator)
    assert blank.std() == pytest.approx(instrument.sky_rms(sky, exposure, read), rel=0.01)
    assert blank.min() < 0, "the sky must not be clipped"
