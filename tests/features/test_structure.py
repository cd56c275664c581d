"""The structure tensor: scikit-image's, and which way rings, spokes and noise run."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.feature import structure_tensor_eigenvalues
from torch import Tensor

from features.filters import gaussian_derivative
from features.geometry import angle, offsets, radius
from features.ring.structure import coherence, tangentiality

LIKE = torch.empty(0, dtype=torch.float64)


def smooth(image: np.ndarray, sigma: float, down: int = 0, across: int = 0) -> np.ndarray:
    for axis, order in enumerate((down, across)):
        image = correlate1d(image, gaussian_derivative(sigma, order, LIKE).numpy(), axis, mode="mirror")
    return image


@pytest.fixture
def image(generator: np.random.Generator) -> np.ndarray:
    return generator.normal(1, 1, (47, 60))


def test_agrees_with_the_eigenvalues_of_scikit_image(image: np.ndarray) -> None:
    dy, dx = smooth(image, 1.0, 1, 0), smooth(image, 1.0, 0, 1)
    tensor = np.stack([smooth(product, 2.0) for product in (dy * dy, dy * dx, dx * dx)])
    large, small = structure_tensor_eigenvalues(tensor)
    ours = coherence(torch.from_numpy(image)[None])[0]
    np.testing.assert_allclose(ours, ((large - small) / (large + small)) ** 2, rtol=1e-9, atol=1e-12)


def test_tangentiality_is_the_eigenvector_along_the_tangent(image: np.ndarray) -> None:
    dy, dx = smooth(image, 1.0, 1, 0), smooth(image, 1.0, 0, 1)
    xx, xy, yy = (smooth(product, 2.0) for product in (dx * dx, dx * dy, dy * dy))
    values, vectors = np.linalg.eigh(np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2))
    phi = angle(47, 60, LIKE).numpy()
    along = np.abs(-np.sin(phi) * vectors[..., 0, 0] + np.cos(phi) * vectors[..., 1, 0])
    expected = along * (values[..., 1] - values[..., 0]) / values.sum(-1)
    np.testing.assert_allclose(tangentiality(torch.from_numpy(image)[None])[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("side", [64, 65])
def test_a_ring_runs_around_the_centre_and_a_spoke_does_not(side: int) -> None:
    r = radius(side, side, LIKE)
    y, _ = offsets(side, side, LIKE)
    spoke = torch.exp(-0.5 * (y / 1.5) ** 2).expand(side, side)
    ring = torch.exp(-0.5 * ((r - 18) / 1.5) ** 2)
    around, outward = tangentiality(torch.stack([ring, spoke]))
    on, beside = (r - 18).abs() < 2, (y.abs() < 4).expand(side, side) & (r > 10) & (r < 28)
    assert around[on].min() > 0.9
    assert outward[beside].max() < 0.35  # |sin| of the angle between spoke and radius at its flank
    assert coherence(torch.stack([ring, spoke]))[:, on & beside].min() > 0.9


def test_both_are_from_zero_to_one_and_zero_on_a_flat_image(image: np.ndarray) -> None:
    images = torch.stack([torch.from_numpy(image), torch.full((47, 60), 0.3, dtype=torch.float64)])
    for precise in (images, images.float()):
        for feature in (coherence, tangentiality):
            varied, flat = feature(precise)
            assert varied.min() >= 0
            assert varied.max() <= 1 + 1e-6
            assert varied.max() > 0.5
            assert (flat.abs() < 1e-12).all()


def test_the_middle_of_an_odd_frame_has_no_tangent() -> None:
    y, _ = offsets(33, 33, LIKE)
    assert tangentiality((y**2).expand(33, 33)[None])[0, 16, 16] == 0


@pytest.mark.parametrize("feature", [coherence, tangentiality])
def test_a_gradient_is_finite_everywhere(feature: object, image: np.ndarray) -> None:
    def total(one: Tensor) -> Tensor:
        return feature(one[None]).sum()  # type: ignore[operator]

    images = torch.stack([torch.from_numpy(image), torch.ones(47, 60, dtype=torch.float64)])
    assert torch.func.vmap(torch.func.grad(total))(images).isfinite().all()


@pytest.mark.parametrize(("sigma", "rho", "message"), [(0.0, 2.0, "sigma: 0 pixels"), (1.0, 12.0, "rho: 12 pixels")])
def test_a_width_that_does_not_suit_the_frame_is_refused(sigma: float, rho: float, message: str) -> None:
    for feature in (coherence, tangentiality):
        with pytest.raises(ValueError, match=f"^{message}"):
            feature(torch.zeros(1, 48, 40), sigma, rho)
