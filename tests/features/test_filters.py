"""Filters: a matrix is SciPy's correlation with the mirrored frame, and a traced tensor is not plain."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from features.filters import blurred, gaussian_derivative, plain, separable

LIKE = torch.empty(0, dtype=torch.float64)


@pytest.mark.parametrize("frame", [(24, 31), (13, 40)], ids=str)
@pytest.mark.parametrize("sigma", [0.6, 2.0, 3.0])
@pytest.mark.parametrize("orders", [(0, 0), (1, 0), (1, 1), (0, 2)], ids=str)
def test_a_matrix_is_a_correlation_with_the_mirrored_frame(
    frame: tuple[int, int], sigma: float, orders: tuple[int, int], generator: np.random.Generator
) -> None:
    image = generator.normal(1, 1, frame)
    kernels = [gaussian_derivative(sigma, order, LIKE) for order in orders]
    expected = image
    for axis, kernel in enumerate(kernels):
        expected = correlate1d(expected, kernel.numpy(), axis, mode="mirror")
    one = torch.from_numpy(image)[None]
    np.testing.assert_allclose(blurred(one, sigma, *orders)[0], expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(separable(one, *kernels)[0], expected, rtol=0, atol=1e-13)


def test_only_values_on_a_cpu_are_plain() -> None:
    images, seen = torch.zeros(1, 8, 8), []

    def look(one: torch.Tensor) -> torch.Tensor:
        seen.append(plain(one))
        return one.sum()

    torch.func.grad(look)(images)
    torch.func.vmap(look)(images)
    assert seen == [False, False]
    assert plain(images)
    assert not plain(images.clone().requires_grad_())
    assert not plain(images.half())
    assert not plain(images.to("meta"))
