"""Deflectors against lenstronomy, against the lens equation's calculus, and in their limits."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from lenstronomy.LensModel.lens_model import LensModel
from torch import Tensor

from pipeline.lensing import deflectors

POINTS = torch.from_numpy(np.random.default_rng(1).uniform(-3, 3, size=(2, 20, 20)))
X, Y = POINTS

Deflect = Callable[[Tensor, Tensor], deflectors.Deflection]


def one(value: float) -> Tensor:
    return torch.full((1, 1, 1), value, dtype=torch.float64)


def sie(x: Tensor, y: Tensor) -> deflectors.Deflection:
    return deflectors.sie(x, y, one(1.2), one(0.7))


def shear(x: Tensor, y: Tensor) -> deflectors.Deflection:
    return deflectors.shear(x, y, one(0.05), one(-0.03))


def line(x: Tensor, y: Tensor) -> deflectors.Deflection:
    return deflectors.line_mass(x, y, one(0.3), one(0.8), one(0.5))


def numbers(deflection: deflectors.Deflection) -> np.ndarray:
    return torch.stack(deflection)[:, 0].numpy()


@pytest.mark.parametrize("q", [0.3, 0.8, 0.999])
def test_sie_is_lenstronomys(q: float) -> None:
    ellipticity = (1 - q) / (1 + q)
    theirs = LensModel(["SIE"]).alpha(
        X.flatten().numpy(),
        Y.flatten().numpy(),
        [{"theta_E": 1.2, "e1": ellipticity, "e2": 0, "center_x": 0, "center_y": 0}],
    )
    ours = numbers(deflectors.sie(X, Y, one(1.2), one(q)))
    np.testing.assert_allclose(ours.reshape(2, -1), theirs, atol=1e-6)


def test_a_round_sie_deflects_by_its_einstein_radius_everywhere() -> None:
    ax, ay = deflectors.sie(X, Y, one(1.2), one(1.0))
    radius = torch.hypot(X, Y)
    torch.testing.assert_close(ax[0], 1.2 * X / radius, atol=1e-7, rtol=0)
    torch.testing.assert_close(ay[0], 1.2 * Y / radius, atol=1e-7, rtol=0)


def test_the_centre_of_a_sie_is_finite() -> None:
    zero = torch.zeros(1, 1, dtype=torch.float64)
    assert numbers(deflectors.sie(zero, zero, one(1.2), one(0.7))).tolist() == [[[0.0]], [[0.0]]]


def test_shear_is_lenstronomys() -> None:
    theirs = LensModel(["SHEAR"]).alpha(X.flatten().numpy(), Y.flatten().numpy(), [{"gamma1": 0.05, "gamma2": -0.03}])
    np.testing.assert_allclose(numbers(shear(X, Y)).reshape(2, -1), theirs, atol=1e-12)


def test_a_line_is_many_point_masses_of_lenstronomy() -> None:
    """Midpoints of 400 equal pieces; the error of that sum falls with the square of the piece over the distance."""
    along = (np.arange(400) + 0.5) / 400 * 1.6 - 0.8
    points = [
        {"theta_E": 0.3 / 20, "center_x": s * np.cos(0.5), "center_y": s * np.sin(0.5)} for s in along
    ]  # theta_E goes with the root of the mass: 400 pieces, 1/20 each
    theirs = np.array(LensModel(["POINT_MASS"] * 400).alpha(X.flatten().numpy(), Y.flatten().numpy(), points))
    distance = (torch.sin(torch.tensor(0.5)) * X - torch.cos(torch.tensor(0.5)) * Y).abs().flatten() > 0.1
    ours = numbers(line(X, Y)).reshape(2, -1)
    assert distance.sum() > 300
    np.testing.assert_allclose(ours[:, distance], theirs[:, distance], atol=1e-4)


def test_a_short_line_is_a_point_and_its_quadrupole() -> None:
    """Far away: einstein_radius^2 (1/z + half_length^2 exp(2i angle) / (3 z^3)), conjugated, to fourth order."""
    z, w = 3 * np.exp(1.1j), 0.05 * np.exp(0.5j)
    expected = np.conj(0.09 * (1 / z + w**2 / (3 * z**3)))
    x, y = (torch.tensor([[part]], dtype=torch.float64) for part in (z.real, z.imag))
    found = numbers(deflectors.line_mass(x, y, one(0.3), one(0.05), one(0.5))).flatten()
    np.testing.assert_allclose(found, [expected.real, expected.imag], atol=1e-9)


def gradients(deflect: Deflect) -> tuple[Tensor, Tensor]:
    """Divergence and curl of a deflection field at the test points, by automatic differentiation."""
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    ax, ay = deflect(x, y)
    dax = torch.autograd.grad(ax.sum(), (x, y), retain_graph=True)
    day = torch.autograd.grad(ay.sum(), (x, y))
    return dax[0] + day[1], day[0] - dax[1]


@pytest.mark.parametrize("deflect", [sie, shear, line])
def test_no_deflection_has_a_curl(deflect: Deflect) -> None:
    torch.testing.assert_close(gradients(deflect)[1], torch.zeros_like(X), atol=1e-9, rtol=0)


def test_divergence_is_twice_the_convergence() -> None:
    """Of an SIE (Kormann 1994, eq. 25), and none where there is no mass."""
    convergence = 0.6 / (0.7 * X**2 + Y**2 / 0.7).sqrt()
    torch.testing.assert_close(gradients(sie)[0], 2 * convergence, atol=1e-9, rtol=1e-9)
    for empty in (shear, line):
        torch.testing.assert_close(gradients(empty)[0], torch.zeros_like(X), atol=1e-9, rtol=0)


def test_the_flux_through_a_circle_is_the_mass_inside() -> None:
    """Gauss: the mean radial deflection times the radius is the mass inside, here einstein_radius^2."""
    phi = torch.arange(2000, dtype=torch.float64)[None] * (2 * torch.pi / 2000)
    for radius in (1.0, 2.5):
        ax, ay = line(radius * torch.cos(phi), radius * torch.sin(phi))
        radial = (ax[0] * torch.cos(phi) + ay[0] * torch.sin(phi)).mean()
        assert abs(float(radial) * radius - 0.09) < 1e-4
