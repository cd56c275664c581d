"""Band-pass maps: scipy's cosine transform, waves inside and outside, and bands that add up to the image."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

from features.fourier import band_pass
from features.geometry import offsets

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 40)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


@every_frame
def test_a_sharp_band_is_that_of_scipys_cosine_transform(
    frame: tuple[int, int], generator: np.random.Generator
) -> None:
    image = generator.normal(0, 1, frame)
    rows, columns = (np.arange(length) / (2 * length) for length in frame)
    f = np.hypot(rows[:, None], columns)
    expected = idctn(dctn(image, norm="ortho") * ((f >= 0.1) & (f < 0.3)), norm="ortho")
    ours = band_pass(torch.from_numpy(image)[None], 0.1, 0.3, softness=0.0)[0]
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@every_frame
@pytest.mark.parametrize("softness", [0.0, 0.25, 0.9])
def test_bands_that_share_edges_add_up_to_the_image(
    frame: tuple[int, int], softness: float, generator: np.random.Generator
) -> None:
    """The last reaches beyond the highest frequency of a frame, 1 / sqrt 2, softness and all."""
    images = torch.from_numpy(generator.normal(3, 1, (2, *frame)))
    edges = [0.0, 0.04, 0.11, 0.3, 10.0]
    bands = [band_pass(images, low, high, softness) for low, high in pairwise(edges)]
    torch.testing.assert_close(sum(bands), images, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("frequency", "passed"), [(0.03, 0), (0.15, 1), (0.4, 0)])
def test_a_wave_is_passed_inside_the_band_and_nowhere_else(frequency: float, passed: float) -> None:
    """To 2 % away from the edges of the frame, at which the mirror image of a wave breaks off."""
    _, x = offsets(160, 160, LIKE)
    wave = torch.cos(2 * torch.pi * frequency * x + 0.3).expand(1, 160, 160)
    inside = np.s_[:, :, 40:-40]
    torch.testing.assert_close(band_pass(wave, 0.08, 0.25)[inside], passed * wave[inside], rtol=0, atol=0.02)


def test_an_edge_passes_half() -> None:
    """A cosine of the transform itself, at exactly 0.125 cycles per pixel."""
    wave = torch.cos(torch.pi * 16 * (torch.arange(64, dtype=torch.float64) + 0.5) / 64).expand(1, 64, 64)
    torch.testing.assert_close(band_pass(wave, 0.0, 0.125), 0.5 * wave, rtol=0, atol=1e-12)
    torch.testing.assert_close(band_pass(wave, 0.125, 0.3), 0.5 * wave, rtol=0, atol=1e-12)


def test_the_mean_is_lost_above_zero_and_kept_from_zero() -> None:
    flat = torch.full((1, 48, 48), 5.0, dtype=torch.float64)
    assert band_pass(flat).abs().max() < 1e-12
    torch.testing.assert_close(band_pass(flat, low=0.0), flat, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "softness", "message"),
    [
        (-0.1, 0.2, 0.25, "^low: -0.1 cycles per pixel"),
        (0.2, 0.2, 0.25, "^low: 0.2 cycles per pixel; it must be at least zero and below high, 0.2"),
        (0.1, math.nan, 0.25, "^low: 0.1 .* high, nan"),
        (0.1, 0.2, 1.0, "^softness: 1 of an edge; it must be from 0 to below 1"),
        (0.0, 0.002, 0.25, "^high: no frequency from 0 to 0.002; a frame of 48 x 40 pixels holds 0.01 to 0.71"),
        (1.0, 2.0, 0.25, "^low: no frequency from 1 to 2"),
    ],
)
def test_a_band_that_holds_nothing_is_refused(low: float, high: float, softness: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        band_pass(torch.zeros(1, 48, 40), low, high, softness)
