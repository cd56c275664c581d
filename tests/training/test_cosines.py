"""Shifts, blurs and fine samples by cosines, against SciPy and against functions known at every point."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from models.training.augment.cosines import blurred, finely, shifted


def two(values: list[float]) -> Tensor:
    return torch.tensor(values)


def blob(y: float, x: float, sigma: float = 1.6, height: int = 31, width: int = 40) -> np.ndarray:
    """A round Gaussian about a place counted from the middle of the frame."""
    rows = np.arange(height)[:, None] - (height - 1) / 2 - y
    columns = np.arange(width)[None, :] - (width - 1) / 2 - x
    return np.exp(-(rows**2 + columns**2) / (2 * sigma**2))


def test_a_shift_moves_each_image_by_its_own_part_of_a_pixel() -> None:
    """Down and to the right, against the Gaussian at the place that it was moved to and against SciPy's splines."""
    maps = torch.tensor(np.stack([[blob(0, 0), blob(2, 3)], [blob(1, -2), blob(0, 1)]])).float()
    made = shifted(maps, two([0.3, -1.7]), two([-0.45, 0.8]))
    expected = np.stack([[blob(0.3, -0.45), blob(2.3, 2.55)], [blob(-0.7, -1.2), blob(-1.7, 1.8)]])
    np.testing.assert_allclose(made, expected, atol=2e-5)
    splined = ndimage.shift(maps[0, 0].numpy(), (0.3, -0.45), order=5, mode="reflect")
    np.testing.assert_allclose(made[0, 0], splined, atol=2e-3)
    np.testing.assert_allclose(made.sum(dim=(2, 3)), maps.sum(dim=(2, 3)), rtol=1e-5)


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (3, 0), (0, -5), (-2, 7)])
def test_whole_pixels_are_exact_and_the_mirror_image_enters(dy: int, dx: int) -> None:
    maps = torch.randn(1, 2, 16, 21, generator=torch.Generator().manual_seed(0))
    expected = ndimage.shift(maps.numpy(), (0, 0, dy, dx), order=0, mode="reflect")
    np.testing.assert_allclose(shifted(maps, two([float(dy)]), two([float(dx)])), expected, atol=2e-5)


def test_a_shift_leaves_white_noise_white() -> None:
    maps = torch.randn(500, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    made = shifted(maps, torch.full((500,), 0.5), torch.full((500,), 0.5))[
        :, :, 4:-4, 4:-4
    ]  # an edge beside its mirror
    assert float(made.var()) == pytest.approx((1 - 1 / 32) ** 2, abs=0.01)  # nothing has the wave of half a cycle
    assert float((made[..., 1:] * made[..., :-1]).mean()) == pytest.approx(1 / 32, abs=0.02)
    assert float((made[:, :, 1:] * made[:, :, :-1]).mean()) == pytest.approx(1 / 32, abs=0.02)


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_a_blur_is_scipy_s_gaussian_filter(sigma: float) -> None:
    """With its mirror at the edges. SciPy samples its kernel, so it is asked about widths of more than a pixel."""
    maps = torch.randn(2, 2, 20, 27, generator=torch.Generator().manual_seed(0))
    made = blurred(maps, two([sigma, 0.0]))
    expected = ndimage.gaussian_filter(maps[0].double().numpy(), (0, sigma, sigma), mode="reflect", truncate=8)
    np.testing.assert_allclose(made[0], expected, atol=1e-4)
    np.testing.assert_allclose(made[1], maps[1], atol=1e-5)
    np.testing.assert_allclose(made.sum(dim=(2, 3)), maps.sum(dim=(2, 3)), atol=1e-3)


@pytest.mark.parametrize("sigma", [0.2, 0.6])
def test_a_blur_below_a_pixel_adds_its_square_to_the_width(sigma: float) -> None:
    """Where a sampled kernel would be off by its whole self."""
    maps = torch.tensor(blob(0, 0.2)[None, None]).float()
    wide = np.hypot(1.6, sigma)
    expected = blob(0, 0.2, wide) * (1.6 / wide) ** 2
    np.testing.assert_allclose(blurred(maps, two([sigma]))[0, 0], expected, atol=2e-5)


def test_fine_samples_are_the_function_between_the_pixels() -> None:
    maps = torch.tensor(blob(1, 2)[None, None]).float()
    made = finely(maps, 3)
    assert made.shape == (1, 1, 3 * 32 + 1, 3 * 41 + 1)
    np.testing.assert_allclose(made[:, :, 3:-3:3, 3:-3:3], maps, atol=1e-5)
    rows, columns = np.arange(-1, 31.1, 1 / 3) - 15, np.arange(-1, 40.1, 1 / 3) - 19.5
    expected = np.exp(-((rows[:, None] - 1) ** 2 + (columns - 2) ** 2) / (2 * 1.6**2))
    np.testing.assert_allclose(made[0, 0], expected, atol=2e-5)
