"""Spectra: in units of the sky's, against the sums that define them, NumPy's transform and waves of known phase."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal.windows import hann as scipy_hann
from scipy.stats import expon

from features.fourier import hann, log_power, phase, power_spectrum
from features.geometry import offsets, radius
from features.radial import radial_residual

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


@every_frame
@pytest.mark.parametrize(("component", "part"), [("cosine", np.real), ("sine", np.imag)])
def test_a_phase_is_that_of_the_transform_about_the_centre(
    frame: tuple[int, int],
    component: str,
    part: Callable[..., np.ndarray],
    window: np.ndarray,
    generator: np.random.Generator,
) -> None:
    image = generator.normal(0, 2, frame)
    about = [np.arange(length) - (length - 1) / 2 for length in frame]
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(frequencies(length), x)) for length, x in zip(frame, about, strict=True)
    )
    wave = rows @ (image * window) @ columns.T
    expected = part(wave) / np.sqrt(np.abs(wave) ** 2 + SKY_RMS**2 * (window**2).sum())
    ours = phase(torch.from_numpy(image)[None], component, sky_rms=SKY_RMS)[0]
    np.testing.assert_allclose(ours, expected, atol=1e-9)


@pytest.mark.parametrize("size", [48, 47])
def test_the_phase_of_a_shifted_point_is_its_shift(size: int) -> None:
    """A point at (2, -3) from the centre has phase -2 pi (2 f_y - 3 f_x), wherever it is far above the sky."""
    y, x = offsets(size, size, LIKE)
    row, column = size // 2 + 2, size // 2 - 3
    point = torch.zeros(1, size, size, dtype=torch.float64)
    point[0, row, column] = 1e6
    f = torch.from_numpy(frequencies(size))
    turns = 2 * torch.pi * (f[:, None] * y[row] + f * x[0, column])
    values = {name: phase(point, name, sky_rms=SKY_RMS)[0] for name in ("cosine", "sine")}
    torch.testing.assert_close(values["cosine"], turns.cos(), rtol=0, atol=1e-6)
    torch.testing.assert_close(values["sine"], -turns.sin(), rtol=0, atol=1e-6)


def test_an_empty_sky_has_almost_no_phase_and_a_bright_image_has_one(generator: np.random.Generator) -> None:
    noise = torch.from_numpy(generator.normal(0, 1, (1, 48, 48)))
    both = [
        sum(phase(x, name, sky_rms=1.0).square() for name in ("cosine", "sine")) for x in (1e-3 * noise, 1e4 * noise)
    ]
    assert both[0].max() < 1e-4
    assert both[1].median() > 0.9999


@every_frame
@pytest.mark.parametrize("bins", [1, 7, 20])
def test_a_power_spectrum_is_the_mean_of_numpys_transform(
    frame: tuple[int, int], bins: int, window: np.ndarray, generator: np.random.Generator
) -> None:
    image = generator.normal(0, 2, frame)
    power = np.abs(np.fft.fft2(image * window)) ** 2 / (SKY_RMS**2 * (window**2).sum())
    f = np.hypot(np.fft.fftfreq(frame[0])[:, None], np.fft.fftfreq(frame[1]))
    number = np.floor(f / 0.5 * bins).astype(int).ravel()
    expected = (np.bincount(number, power.ravel()) / np.bincount(number))[:bins]
    values, names = power_spectrum(torch.from_numpy(image)[None], bins, log=False, sky_rms=SKY_RMS)
    np.testing.assert_allclose(values[0], expected, rtol=1e-10)
    assert names == [f"power_spectrum_{i}" for i in range(bins)]
    logarithm, _ = power_spectrum(torch.from_numpy(image)[None], bins, sky_rms=SKY_RMS)
    np.testing.assert_allclose(logarithm[0], np.log10(1 + expected), rtol=1e-10)


@every_frame
def test_an_empty_sky_has_power_one_at_every_frequency(frame: tuple[int, int], generator: np.random.Generator) -> None:
    """To 10 %: of the lowest bin the window leaves two independent waves, 800 in 400 skies, which scatter by 3.5 %."""
    sky = torch.from_numpy(generator.normal(0, SKY_RMS, (400, *frame)))
    power = power_spectrum(sky, log=False, sky_rms=SKY_RMS)[0].mean(dim=0)
    torch.testing.assert_close(power, torch.ones_like(power), rtol=0, atol=0.1)


def test_the_residual_has_no_power_where_the_galaxy_had_it(generator: np.random.Generator) -> None:
    r = radius(64, 64, LIKE)
    clump = torch.exp(-((r.roll((9, 4), (0, 1))) ** 2) / 4)
    galaxy = 100 * torch.exp(-r.floor() / 6)
    (image, residual), (alone, _) = (
        [power_spectrum(x[None], of=of, sky_rms=SKY_RMS)[0] for of in ("image", "residual")]
        for x in (galaxy + clump, radial_residual(clump[None])[0])
    )
    torch.testing.assert_close(residual, alone)
    assert image[0, 0] > residual[0, 0] + 2


@pytest.mark.parametrize(
    ("bins", "of", "message"),
    [
        (0, "image", "^bins: 0 annuli of frequency; a frame of 40 pixels has room for 20"),
        (21, "image", "^bins: 21 annuli"),
        (8, "model", "^of: no spectrum of 'model'; there are image, residual"),
    ],
)
def test_a_spectrum_that_the_frame_has_no_room_for_is_refused(bins: int, of: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        power_spectrum(torch.zeros(1, 40, 48), bins, of, sky_rms=1.0)


def test_an_unknown_component_of_the_phase_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^component: no 'tangent' of the phase; there are cosine, sine"):
        phase(torch.zeros(1, 48, 48), "tangent", sky_rms=1.0)
