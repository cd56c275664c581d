"""Fourier features: spectra in units of the sky's, and modes of known amplitude."""

import math

import numpy as np
import pytest
import torch
from scipy.signal.windows import hann as scipy_hann
from scipy.stats import expon
from torch import Tensor

from features.fourier import hann, log_power, multipoles
from features.geometry import angle, radius

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 47), (40, 47)]
SKY_RMS = 0.3

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


@pytest.fixture
def window(frame: tuple[int, int]) -> np.ndarray:
    """The apodisation of a frame, after scipy."""
    return np.outer(*(scipy_hann(length + 2)[1:-1] for length in frame))


@pytest.mark.parametrize("length", [1, 2, 47, 48])
def test_the_window_is_that_of_scipy_without_its_zeros(length: int) -> None:
    window = hann(length, LIKE)
    torch.testing.assert_close(window, torch.from_numpy(scipy_hann(length + 2)[1:-1]))
    torch.testing.assert_close(window, window.flip(0))
    assert (window > 0).all()


def frequencies(length: int) -> np.ndarray:
    """Cycles per pixel along an axis: one step apart, and as many below zero as above."""
    return (np.arange(length) - (length - 1) / 2) / length


@every_frame
def test_agrees_with_the_sum_that_defines_it(
    frame: tuple[int, int], window: np.ndarray, generator: np.random.Generator
) -> None:
    image = generator.normal(0, 2, frame)
    rows, columns = (np.exp(-2j * np.pi * np.outer(frequencies(length), np.arange(length))) for length in frame)
    power = np.abs(rows @ (image * window) @ columns.T) ** 2
    expected = np.log10(1 + power / (SKY_RMS**2 * (window**2).sum()))
    np.testing.assert_allclose(log_power(torch.from_numpy(image)[None], sky_rms=SKY_RMS)[0], expected, atol=1e-9)


@every_frame
def test_the_power_of_an_empty_sky_is_exponential_with_mean_one(
    frame: tuple[int, int], generator: np.random.Generator
) -> None:
    """Away from the frequencies whose amplitude is real: zero and, on even frames, Nyquist."""
    sky = torch.from_numpy(generator.normal(0, SKY_RMS, (400, *frame)))
    value = log_power(sky, sky_rms=SKY_RMS)[:, 4:-4, 4 : frame[1] // 2 - 4]
    expected = expon.expect(lambda power: np.log10(1 + power))
    assert value.mean().item() == pytest.approx(expected, rel=0.01)
    assert (10**value - 1).mean().item() == pytest.approx(1, rel=0.01)


@every_frame
def test_a_wave_is_a_pair_of_peaks_of_known_height(frame: tuple[int, int], window: np.ndarray) -> None:
    y, x = np.indices(frame)
    row, column = frame[0] // 2 + 5, frame[1] // 2 - 8
    across = frequencies(frame[0])[row] * y + frequencies(frame[1])[column] * x
    value = log_power(torch.from_numpy(2 * np.cos(2 * np.pi * across + 1))[None], sky_rms=SKY_RMS)[0]
    mirrored = [frame[0] - 1 - row, frame[1] - 1 - column]
    peaks = np.ravel_multi_index(np.transpose([[row, column], mirrored]), frame)
    assert set(value.flatten().topk(2).indices.tolist()) == set(peaks)
    expected = np.log10(1 + window.sum() ** 2 / (SKY_RMS**2 * (window**2).sum()))  # half the amplitude in each
    assert value.max().item() == pytest.approx(expected, abs=1e-3)


@every_frame
@pytest.mark.parametrize("shift", [(0, 0), (2, -2), (-2, 1)], ids=str)
def test_a_point_source_is_flat_wherever_it_is(
    frame: tuple[int, int], shift: tuple[int, int], window: np.ndarray
) -> None:
    """Only the window knows where it is, and the centre of the frame is the window's broad top."""
    point = torch.zeros(1, *frame, dtype=torch.float64)
    position = (0, frame[0] // 2 + shift[0], frame[1] // 2 + shift[1])
    point[position] = 100
    white = SKY_RMS**2 * (window**2).sum()
    value = log_power(point, sky_rms=SKY_RMS)[0]
    torch.testing.assert_close(
        value, torch.full(frame, math.log10(1 + (100 * window[position[1:]]) ** 2 / white)).double()
    )
    assert (value - math.log10(1 + 100**2 / white)).abs().max() < 0.05


def by_order(image: Tensor, width: float = 3.0) -> Tensor:
    """Multipoles of one image as (m, r), m = 1 ... 4."""
    return multipoles(image[None], 4, width)[0].reshape(4, -1)


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("direction", [0.0, 0.7, 2.0])
def test_a_mode_of_known_amplitude_is_found_and_no_other(size: int, order: int, direction: float) -> None:
    """To 0.08 of the mean from the third annulus on: further in, too few pixels stand for the circle."""
    r, phi = radius(size, size, LIKE), angle(size, size, LIKE)
    image = (1 + 0.6 * torch.cos(order * (phi - direction))) / (1 + (r / 10) ** 2)
    values = by_order(image)
    edges = 3.0 * torch.arange(values.shape[1] + 1, dtype=torch.float64)
    mean = 100 * torch.log1p((edges / 10) ** 2).diff() / (edges**2).diff()  # of 1 / (1 + (r / 10)^2) over an annulus
    expected = torch.zeros_like(values)
    expected[order - 1] = 0.6
    torch.testing.assert_close((values / mean)[:, 2:], expected[:, 2:], rtol=0, atol=0.08)


@pytest.mark.parametrize("size", [64, 65])
def test_a_flat_image_has_no_modes(size: int) -> None:
    assert by_order(torch.ones(size, size, dtype=torch.float64)).max() < 1e-9


@every_frame
@pytest.mark.parametrize("width", [3.0, 1.0, 0.5])
def test_modes_are_those_inside_the_frame(frame: tuple[int, int], width: float) -> None:
    """An annulus that the frame cuts would show the frame's own four corners."""
    r, edge = radius(*frame, LIKE), min(frame) / 2
    corners, inside = (r > edge).double(), ((r < edge) & (r >= edge - 1.5 * width)).double()
    assert (by_order(corners, width) == 0).all()
    assert by_order(inside * torch.cos(angle(*frame, LIKE)), width)[0, -1] > 0


def test_columns_run_over_annuli_then_over_modes() -> None:
    phi = angle(48, 48, LIKE)
    values, names = multipoles(torch.cos(3 * phi)[None], orders=3, width=6.0)
    assert names == [f"multipole_{order}_{i}" for order in (1, 2, 3) for i in range(4)]
    assert set(np.array(names)[values[0].numpy() > 0.5]) >= {f"multipole_3_{i}" for i in (1, 2, 3)}
    assert (values[0, : 2 * 4] < 0.1).all()


def test_an_annulus_wider_than_the_frame_holds_all_of_it() -> None:
    wave = torch.cos(2 * angle(48, 40, LIKE)) * (radius(48, 40, LIKE) < 20)
    values = by_order(wave, width=100.0)
    assert values.shape == (4, 1)
    assert values[1].item() == pytest.approx(math.pi * 20**2 / (48 * 40), rel=0.01)


@pytest.mark.parametrize("orders", [0, -1])
def test_no_mode_is_refused(orders: int) -> None:
    with pytest.raises(ValueError, match=f"^orders: {orders} leaves no mode"):
        multipoles(torch.zeros(1, 48, 48), orders)
