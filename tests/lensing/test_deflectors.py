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


def spherical(kind: str, x: Tensor, y: Tensor) -> deflectors.Deflection:
    """Those of which lenstronomy takes other numbers than we do, in ours."""
    if kind == "TNFW":
        return deflectors.tnfw(x, y, one(0.1), one(0.5), one(4.0))
    return {"NFW": deflectors.nfw, "SIS": deflectors.sis, "POINT_MASS": deflectors.point_mass}[kind](
        x, y, *((one(0.1), one(0.5)) if kind == "NFW" else (one(0.4),))
    )


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("POINT_MASS", {"theta_E": 0.4}),
        ("SIS", {"theta_E": 0.4}),
        ("NFW", {"Rs": 0.5, "alpha_Rs": 4 * 0.1 * 0.5 * (1 - np.log(2))}),
        ("TNFW", {"Rs": 0.5, "alpha_Rs": 4 * 0.1 * 0.5 * (1 - np.log(2)), "r_trunc": 2.0}),
    ],
)
def test_round_ones_are_lenstronomys(kind: str, theirs: dict[str, float]) -> None:
    """An NFW bends by 4 kappa_s r_s (1 - ln 2) at its scale radius."""
    place = {"center_x": 0, "center_y": 0}
    expected = LensModel([kind]).alpha(X.flatten().numpy(), Y.flatten().numpy(), [theirs | place])
    np.testing.assert_allclose(numbers(spherical(kind, X, Y)).reshape(2, -1), expected, atol=1e-8)


@pytest.mark.parametrize("kind", ["SIS", "NFW", "TNFW"])
def test_round_ones_are_smooth_and_without_curl(kind: str) -> None:
    divergence, curl = gradients(lambda x, y: spherical(kind, x, y))
    assert torch.isfinite(divergence).all()
    assert (divergence > 0).all()
    torch.testing.assert_close(curl, torch.zeros_like(X), atol=1e-9, rtol=0)


def test_an_nfw_is_smooth_through_its_scale_radius() -> None:
    u = torch.linspace(0.999, 1.001, 2001, dtype=torch.float64)
    shape = deflectors.nfw_shape(u)
    slope = (shape[2:] - shape[:-2]) / (u[2:] - u[:-2])
    assert float(shape[1000]) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(slope, -2 / 3 + 14 / 15 * (u[1:-1] - 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("slope", [1.6, 2.0, 2.3])
@pytest.mark.parametrize("q", [0.5, 0.8, 0.999])
def test_epl_is_lenstronomys(slope: float, q: float) -> None:
    c = (1 - q) / (1 + q)
    parameters = {"theta_E": 1.2, "gamma": slope, "e1": c, "e2": 0, "center_x": 0, "center_y": 0}
    theirs = LensModel(["EPL"]).alpha(X.flatten().numpy(), Y.flatten().numpy(), [parameters])
    ours = numbers(deflectors.epl(X, Y, one(1.2), one(q), one(slope)))
    np.testing.assert_allclose(ours.reshape(2, -1), theirs, atol=1e-8)


def test_an_isothermal_epl_is_the_sie() -> None:
    ours = numbers(deflectors.epl(X, Y, one(1.2), one(0.6), one(2.0)))
    np.testing.assert_allclose(ours, numbers(deflectors.sie(X, Y, one(1.2), one(0.6))), atol=1e-9)


@pytest.mark.parametrize("slope", [1.7, 2.0, 2.3])
def test_the_divergence_of_an_epl_is_twice_its_convergence(slope: float) -> None:
    convergence = (3 - slope) / 2 * (1.2 / (0.7 * X**2 + Y**2 / 0.7).sqrt()) ** (slope - 1)
    divergence, curl = gradients(lambda x, y: deflectors.epl(x, y, one(1.2), one(0.7), one(slope)))
    torch.testing.assert_close(divergence, 2 * convergence, atol=1e-7, rtol=1e-7)
    torch.testing.assert_close(curl, torch.zeros_like(X), atol=1e-8, rtol=0)


@pytest.mark.parametrize("order", [3, 4])
def test_multipoles_are_lenstronomys(order: int) -> None:
    parameters = {"m": order, "a_m": 0.05, "phi_m": 0.3, "center_x": 0, "center_y": 0, "r_E": 1.0}
    theirs = LensModel(["MULTIPOLE"]).alpha(X.flatten().numpy(), Y.flatten().numpy(), [parameters])
    ours = numbers(deflectors.multipole(X, Y, order, one(0.05), one(0.3)))
    np.testing.assert_allclose(ours.reshape(2, -1), theirs, atol=1e-8)


def test_a_sheet_has_its_convergence_everywhere() -> None:
    """Beside a shear, which has none."""

    def both(x: Tensor, y: Tensor) -> deflectors.Deflection:
        return tuple(a + b for a, b in zip(deflectors.sheet(x, y, one(-0.02)), shear(x, y), strict=True))

    divergence, curl = gradients(both)
    torch.testing.assert_close(divergence, torch.full_like(X, -0.04))
    torch.testing.assert_close(curl, torch.zeros_like(X))


@pytest.mark.parametrize("u", [0.1, 0.7, 2.0])
def test_a_point_lens_makes_two_images_of_the_magnification_in_the_books(u: float) -> None:
    """Images at (u +- sqrt(u^2 + 4)) / 2 Einstein radii; together (u^2 + 2) / (u sqrt(u^2 + 4)) times as bright."""
    total = 0.0
    for sign in (1, -1):
        theta = torch.tensor([[(u + sign * (u**2 + 4) ** 0.5) / 2]], dtype=torch.float64)
        zero = torch.zeros_like(theta)

        def bent(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            ax, ay = deflectors.point_mass(x, y, one(1.0))
            return (x - ax).squeeze(), (y - ay).squeeze()

        assert float(bent(theta, zero)[0]) == pytest.approx(u, abs=1e-12)
        (xx, xy), (yx, yy) = torch.autograd.functional.jacobian(bent, (theta, zero))
        total += abs(1 / float(xx * yy - xy * yx))
    assert total == pytest.approx((u**2 + 2) / (u * (u**2 + 4) ** 0.5), rel=1e-9)


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
