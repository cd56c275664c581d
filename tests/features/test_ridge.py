"""Ridges: scikit-image's three filters, and what they do to a ring, a disc and an empty sky."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.filters import frangi, meijering, sato
from torch import Tensor

from features.filters import gaussian_derivative
from features.geometry import offsets, radius
from features.ring.hessian import matrixwise, rowwise
from features.ring.ridge import DEFINITIONS, ridge

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
    ours = ridge(torch.from_numpy(image)[None], [sigma])[0].numpy()[inside]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-3 * expected.max())


@pytest.mark.parametrize("oracle", [frangi, meijering])
@pytest.mark.parametrize("sigmas", [[2.0], [1.0, 2.0, 3.0]], ids=str)
def test_the_definitions_of_zero_to_one_agree_with_scikit_image(
    oracle: Callable[..., np.ndarray], sigmas: list[float], generator: np.random.Generator
) -> None:
    """To 2e-3 for the blur as above, but where the eigenvalues' sum is near zero, at which both definitions jump.

    The strongest ridge of every scale lies within, so that the frame's edges do not scale the rest. `frangi` is asked
    for one scale at a time: it would take the first one's scale for all.
    """
    r = radius(80, 80, LIKE)
    image = 20 * torch.exp(-(((r - 15) / 2) ** 2) / 2).numpy() + gaussian_filter(generator.normal(0, 1, (80, 80)), 1)
    image = image * torch.sigmoid((25 - r) / 2).numpy()
    expected = np.maximum.reduce([oracle(image, sigmas=[s], black_ridges=False, mode="mirror") for s in sigmas])
    ours = ridge(torch.from_numpy(image)[None], sigmas, oracle.__name__)[0].numpy()
    assert (np.abs(ours - expected)[13:-13, 13:-13] < 2e-3).mean() > 0.99
    assert ours.max() > 0.8
    assert np.median(np.abs(ours - expected)[13:-13, 13:-13]) < 1e-4


def test_several_scales_answer_by_their_largest(generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (2, 48, 40)))
    one, other = ridge(images, [1.0]), ridge(images, [3.0])
    assert torch.equal(ridge(images, [1.0, 3.0]), torch.maximum(one, other))
    assert (one > other).any()
    assert (other > one).any()


@pytest.mark.parametrize("frame", [(64, 64), (47, 60), (13, 30)], ids=str)
@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-13)], ids=str)
def test_rows_on_a_cpu_give_what_matrices_give(
    frame: tuple[int, int], sigma: float, dtype: torch.dtype, close: float, generator: np.random.Generator
) -> None:
    """To rounding: each sums up to a few hundred products of numbers around one."""
    images = torch.from_numpy(generator.normal(1, 1, (3, *frame))).to(dtype)
    for one, other in zip(rowwise(images, sigma), matrixwise(images, sigma), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=close)
    fused, response = ridge(images, [sigma, 1.0]), ridge(images.clone().requires_grad_(), [sigma, 1.0])
    torch.testing.assert_close(fused, response.detach(), rtol=0, atol=10 * close)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_gradient_is_that_of_the_values(definition: str, generator: np.random.Generator) -> None:
    """And none on a flat image, where a square root would divide by zero."""
    image = torch.from_numpy(generator.normal(0, 1, (32, 32)))
    step = torch.from_numpy(generator.normal(0, 1, (32, 32)))

    def total(image: Tensor) -> Tensor:
        return ridge(image[None], [1.0, 2.0], definition).square().sum()

    slope = torch.func.grad(total)
    along = (total(image + 1e-6 * step) - total(image - 1e-6 * step)) / 2e-6
    assert (slope(image) * step).sum().item() == pytest.approx(along.item(), rel=1e-4)
    assert slope(torch.ones(32, 32, dtype=torch.float64)).isfinite().all()
    mapped = torch.func.vmap(slope)(torch.stack([step, image]))
    torch.testing.assert_close(mapped[1], slope(image))


@pytest.mark.parametrize("definition", ["frangi", "meijering"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_rounding_errors_of_a_flat_image_are_no_ridges(definition: str, dtype: torch.dtype) -> None:
    assert (ridge(torch.full((1, 64, 64), 0.3, dtype=dtype), [1.0, 3.0], definition) == 0).all()


def test_the_frame_is_continued_by_its_mirror_image(generator: np.random.Generator) -> None:
    image = generator.normal(0, 1, (32, 40))
    continued = ridge(torch.from_numpy(np.pad(image, 20, mode="reflect"))[None])
    torch.testing.assert_close(ridge(torch.from_numpy(image)[None]), continued[:, 20:-20, 20:-20])


@pytest.mark.parametrize("sigma", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("width", [1.5, 2.5])
def test_the_crest_of_a_gaussian_ridge_is_analytic(sigma: float, width: float) -> None:
    """A ridge of height 1 and width s blurs to one of s / S, S^2 = s^2 + sigma^2, whose curvature is s / S^3."""
    y, _ = offsets(49, 49, LIKE)
    curve = torch.exp(-0.5 * (y / width) ** 2).expand(49, 49)
    expected = sigma**2 * width / math.hypot(width, sigma) ** 3
    for image in (curve, curve.T):
        assert ridge(image[None], [sigma])[0, 24, 24].item() == pytest.approx(expected, rel=0.01)


@pytest.fixture(params=[64, 65])
def r(request: pytest.FixtureRequest) -> Tensor:
    """Distance from the centre on an even and on an odd frame."""
    return radius(request.param, request.param, LIKE)


def test_a_bright_ring_answers_all_along_itself_and_nowhere_else(r: Tensor) -> None:
    response = ridge(torch.exp(-(((r - 14) / 1.5) ** 2) / 2)[None])[0]
    crest = response[(r - 14).abs() < 0.5]
    assert r.flatten()[response.argmax()].item() == pytest.approx(14, abs=0.5)
    assert crest.min() > 0.9 * crest.max()
    assert response[(r - 14).abs() > 6].max() < 0.01 * crest.min()


def test_a_disc_answers_less_inside_than_a_ring(r: Tensor) -> None:
    bright, disc = ridge(torch.stack([torch.exp(-(((r - 14) / 1.5) ** 2) / 2), torch.sigmoid(14 - r)]))
    assert disc[r < 9].max() < 0.1 * bright.max()
    assert disc.max() < 0.5 * bright.max()


def test_a_dark_ring_does_not_answer_on_itself(r: Tensor) -> None:
    bright = torch.exp(-(((r - 14) / 1.5) ** 2) / 2)
    response, dark = ridge(torch.stack([bright, -bright]))
    crest = (r - 14).abs() < 0.5
    assert dark[crest].max() < 0.05 * response[crest].min()


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_flat_sky_and_a_slope_are_zero(sigma: float, slope: float) -> None:
    y, x = offsets(48, 48, LIKE)
    sky = 10 + slope * (x - 2 * y)
    inside = slice(12, -12)  # the mirror image of a slope is a ridge at the frame's edge
    assert ridge(sky[None], [sigma])[0, inside, inside].max() < 1e-9


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_kernel_differentiates_a_monomial(order: int) -> None:
    """By parts, (-x)^m / m! times derivative m of a Gaussian integrates to 1, but for what lies past four sigma."""
    kernel = gaussian_derivative(2.0, order, LIKE)
    x = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    assert (kernel * (-x) ** order / math.factorial(order)).sum().item() == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("sigma", [0.0, -1.0, 10.0, 13.0])
def test_a_sigma_that_does_not_suit_the_frame_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"^sigmas: {sigma:g} pixels; .* four of it within the frame's 40"):
        ridge(torch.zeros(1, 48, 40), [1.0, sigma])


def test_a_sigma_of_almost_a_quarter_of_the_frame_is_accepted() -> None:
    assert ridge(torch.zeros(1, 48, 40), [9.7]).shape == (1, 48, 40)


def test_an_unknown_definition_and_an_empty_list_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^definition: no ridge 'satoo'; there are sato, frangi, meijering$"):
        ridge(torch.zeros(1, 48, 40), definition="satoo")
    with pytest.raises(ValueError, match=r"^sigmas: an empty list"):
        ridge(torch.zeros(1, 48, 40), [])
