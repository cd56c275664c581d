"""Contrast: the filters of scikit-image and SciPy, the inverse of a sharpened image, and what a disc lets through."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_laplace
from skimage import filters, morphology
from torch import Tensor

from features.filters import gaussian_derivative
from features.geometry import radius
from features.ring.contrast import (
    difference_of_gaussians,
    laplacian_of_gaussian,
    opening,
    unsharp,
    white_top_hat,
)

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(64, 64), (47, 60)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


@pytest.fixture
def noise(generator: np.random.Generator, frame: tuple[int, int]) -> Tensor:
    return torch.from_numpy(generator.normal(1, 1, frame))


@every_frame
@pytest.mark.parametrize(("sigma", "ratio"), [(1.0, 1.6), (2.0, 3.0)])
def test_difference_of_gaussians_is_scikit_images(noise: Tensor, sigma: float, ratio: float) -> None:
    """To rounding: both cut a Gaussian off at four sigma, at these widths after the same pixel."""
    expected = filters.difference_of_gaussians(noise.numpy(), sigma, ratio * sigma, mode="mirror")
    ours = difference_of_gaussians(noise[None], sigma, ratio)[0].numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=5e-4 * np.abs(expected).max())


@every_frame
def test_laplacian_is_scipys(noise: Tensor) -> None:
    """To 2e-3 of the peak: SciPy leaves in what a sampled second derivative, cut off, sees of the mean."""
    expected = -(2.0**2) * gaussian_laplace(noise.numpy() - 1, 2.0, mode="mirror")
    ours = laplacian_of_gaussian(noise[None], 2.0)[0].numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-3 * np.abs(expected).max())


def test_a_blob_is_brightest_at_its_own_size() -> None:
    """-sigma^2 times the Laplacian of a Gaussian blob of width s is largest at its centre for sigma = s."""
    blob = torch.exp(-0.5 * (radius(65, 65, LIKE) / 3) ** 2)
    centre = [laplacian_of_gaussian(blob[None], sigma)[0, 32, 32].item() for sigma in (2.0, 3.0, 4.0)]
    assert max(centre) == centre[1] == pytest.approx(0.5, rel=0.01)


@every_frame
@pytest.mark.parametrize("amount", [0.5, 3.0])
def test_a_sharpened_image_has_an_inverse(noise: Tensor, frame: tuple[int, int], amount: float) -> None:
    """Division by the filter's transform in the cosine basis that suits a mirrored frame."""
    sharp = unsharp(noise[None], 2.0, amount)[0].numpy()
    kernel = gaussian_derivative(2.0, 0, LIKE).numpy()
    at = np.arange(len(kernel)) - len(kernel) // 2
    down, across = (np.cos(np.pi * np.outer(np.arange(n), at) / (n - 1)) @ kernel for n in frame)
    factor = 1 + amount * (1 - np.outer(down, across))
    assert factor.min() >= 1 - 1e-12
    np.testing.assert_allclose(idctn(dctn(sharp, type=1) / factor, type=1), noise.numpy(), atol=1e-10)
    assert sharp.std() > 1.1 * noise.numpy().std()


@every_frame
@pytest.mark.parametrize("disc", [1, 4, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_top_hat_is_scikit_images_by_either_route(noise: Tensor, disc: int, dtype: torch.dtype) -> None:
    """Exactly: an opening only chooses among pixels. Its mode `ignore` looks at those in the frame alone."""
    image = noise.to(dtype)
    expected = image.numpy() - morphology.opening(image.numpy(), morphology.disk(disc), mode="ignore")
    np.testing.assert_array_equal(white_top_hat(image[None], disc)[0], expected)
    np.testing.assert_array_equal(image - opening(image[None], disc)[0], expected)


def test_a_thin_ring_passes_and_the_galaxy_under_it_does_not() -> None:
    """But on a flank that falls faster than the ring rises."""
    r = radius(65, 65, LIKE)
    profile, ring = torch.exp(-0.5 * (r / 15) ** 2), torch.exp(-0.5 * (r - 20) ** 2)
    alone, faint, bright = white_top_hat(torch.stack([ring, 0.5 * profile + ring, 20 * profile + ring]), 6)
    assert alone[32, 52] > 0.99
    assert faint[32, 52] > 0.9
    assert faint[r < 15].max() < 0.05  # the galaxy's own top: as high as it curves over the disc
    assert bright[32, 52] == pytest.approx(0, abs=1e-12)


def test_a_gradient_passes_a_top_hat(generator: np.random.Generator) -> None:
    image = torch.from_numpy(generator.normal(0, 1, (24, 24)))
    slope = torch.func.vmap(torch.func.grad(lambda one: white_top_hat(one[None], 3).sum()))(image[None])[0]
    assert slope.sum().item() == pytest.approx(0)  # a brighter sky changes nothing
    assert slope.abs().max() >= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: difference_of_gaussians(x, ratio=1.0), "ratio: 1 does not blur more"),
        (lambda x: difference_of_gaussians(x, sigma=7.0), "ratio x sigma: 11.2 pixels"),
        (lambda x: laplacian_of_gaussian(x, 0.0), "sigma: 0 pixels"),
        (lambda x: unsharp(x, amount=-1.0), "amount: -1 sharpens nothing"),
        (lambda x: white_top_hat(x, 20), "radius: a disc of 20 pixels; it must be whole, from 1 to 19 here"),
        (lambda x: white_top_hat(x, 0), "radius: a disc of 0 pixels"),
    ],
)
def test_what_does_not_suit_the_frame_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        call(torch.zeros(1, 48, 40))  # type: ignore[operator]
