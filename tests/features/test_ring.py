"""The ring feature: Sato's filter, and what it does to a ring, a disc and an empty sky."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.filters import sato
from torch import Tensor

from features.filters import gaussian_derivative
from features.geometry import offsets, radius
from features.ring.ridge import ring

LIKE = torch.empty(0, dtype=torch.float64)


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("frame", [(64, 64), (63, 48)], ids=str)
def test_agrees_with_scikit_image_inside_the_frame(
    frame: tuple[int, int], sigma: float, generator: np.random.Generator
) -> None:
    """To 2e-3 of the peak: `sato` blurs twice by sigma / sqrt 2 out to eight sigma, we once out to four.

    Near the edges it mirrors the gradient between the two, whose sign it then gets wrong.
    """
    image = gaussian_filter(generator.normal(0, 1, frame), 1)
    inside = np.s_[math.ceil(4 * sigma) + 1 : -math.ceil(4 * sigma) - 1,] * 2
    expected = sato(image, sigmas=[sigma], black_ridges=False, mode="mirror")[inside]
    ours = ring(torch.from_numpy(image)[None], sigma)[0].numpy()[inside]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-3 * expected.max())


def test_the_frame_is_continued_by_its_mirror_image(generator: np.random.Generator) -> None:
    image = generator.normal(0, 1, (32, 40))
    continued = ring(torch.from_numpy(np.pad(image, 20, mode="reflect"))[None])
    torch.testing.assert_close(ring(torch.from_numpy(image)[None]), continued[:, 20:-20, 20:-20])


@pytest.mark.parametrize("sigma", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("width", [1.5, 2.5])
def test_the_crest_of_a_gaussian_ridge_is_analytic(sigma: float, width: float) -> None:
    """A ridge of height 1 and width s blurs to one of s / S, S^2 = s^2 + sigma^2, whose curvature is s / S^3."""
    y, _ = offsets(49, 49, LIKE)
    ridge = torch.exp(-0.5 * (y / width) ** 2).expand(49, 49)
    expected = sigma**2 * width / math.hypot(width, sigma) ** 3
    for image in (ridge, ridge.T):
        assert ring(image[None], sigma)[0, 24, 24].item() == pytest.approx(expected, rel=0.01)


@pytest.fixture(params=[64, 65])
def r(request: pytest.FixtureRequest) -> Tensor:
    """Distance from the centre on an even and on an odd frame."""
    return radius(request.param, request.param, LIKE)


def test_a_bright_ring_answers_all_along_itself_and_nowhere_else(r: Tensor) -> None:
    response = ring(torch.exp(-(((r - 14) / 1.5) ** 2) / 2)[None])[0]
    crest = response[(r - 14).abs() < 0.5]
    assert r.flatten()[response.argmax()].item() == pytest.approx(14, abs=0.5)
    assert crest.min() > 0.9 * crest.max()
    assert response[(r - 14).abs() > 6].max() < 0.01 * crest.min()


def test_a_disc_answers_less_inside_than_a_ring(r: Tensor) -> None:
    bright, disc = ring(torch.stack([torch.exp(-(((r - 14) / 1.5) ** 2) / 2), torch.sigmoid(14 - r)]))
    assert disc[r < 9].max() < 0.1 * bright.max()
    assert disc.max() < 0.5 * bright.max()


def test_a_dark_ring_does_not_answer_on_itself(r: Tensor) -> None:
    bright = torch.exp(-(((r - 14) / 1.5) ** 2) / 2)
    response, dark = ring(torch.stack([bright, -bright]))
    crest = (r - 14).abs() < 0.5
    assert dark[crest].max() < 0.05 * response[crest].min()


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_flat_sky_and_a_slope_are_zero(sigma: float, slope: float) -> None:
    y, x = offsets(48, 48, LIKE)
    sky = 10 + slope * (x - 2 * y)
    inside = slice(12, -12)  # the mirror image of a slope is a ridge at the frame's edge
    assert ring(sky[None], sigma)[0, inside, inside].max() < 1e-9


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_kernel_differentiates_a_monomial(order: int) -> None:
    """By parts, (-x)^m / m! times derivative m of a Gaussian integrates to 1, but for what lies past four sigma."""
    kernel = gaussian_derivative(2.0, order, LIKE)
    x = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    assert (kernel * (-x) ** order / math.factorial(order)).sum().item() == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("sigma", [0.0, -1.0, 10.0, 13.0])
def test_a_sigma_that_does_not_suit_the_frame_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"^sigma: {sigma:g} pixels; .* four of it within the frame's 40"):
        ring(torch.zeros(1, 48, 40), sigma)


def test_a_sigma_of_almost_a_quarter_of_the_frame_is_accepted() -> None:
    assert ring(torch.zeros(1, 48, 40), 9.7).shape == (1, 48, 40)
