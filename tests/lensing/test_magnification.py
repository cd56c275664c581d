"""Magnifications of whole sets of images against the books: what is found by solving the lens equation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.lensing.deflectors import point_mass, shear, sis

Deflect = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
ONE = torch.ones((), dtype=torch.float64)


def magnifications(deflect: Deflect, source: tuple[float, float]) -> np.ndarray:
    """Signed magnification of every image: Newton's method from a grid of starts, and where it leads to, once each."""
    axis = torch.linspace(-2.5, 2.5, 60, dtype=torch.float64) + 0.003
    at = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    for _ in range(60):
        off, slope = mapped(deflect, at, source)
        step = torch.linalg.solve(slope, off.T[..., None])[..., 0].T
        at = at - step * (0.3 / step.norm(dim=0)).clamp(max=1.0)
    off, slope = mapped(deflect, at, source)
    there = off.norm(dim=0) < 1e-12
    _, first = np.unique(np.round(at[:, there].T.numpy(), 6), axis=0, return_index=True)
    return 1 / torch.linalg.det(slope[there][first]).numpy()


def mapped(deflect: Deflect, at: torch.Tensor, source: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Where rays at `at` (2, n) come from, as seen from the source, and the derivative of that (n, 2, 2)."""
    at = at.detach().requires_grad_()
    bend = deflect(at[0], at[1])
    behind = [at[i] - bend[i] for i in range(2)]
    rows = [torch.autograd.grad(one.sum(), at, retain_graph=True)[0].T for one in behind]
    off = torch.stack([one.detach() - x for one, x in zip(behind, source, strict=True)])
    return off, torch.stack(rows, dim=1)


@pytest.mark.parametrize("u", [0.2, 0.5, 0.9])
def test_a_sis_magnifies_by_two_over_the_distance(u: float) -> None:
    found = magnifications(lambda x, y: sis(x, y, ONE), (u, 0.0))
    assert len(found) == 2
    assert np.abs(found).sum() == pytest.approx(2 / u, rel=1e-9)
    assert found.sum() == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize(("lens", "invariant"), [(point_mass, 1.0), (sis, 2.0)])
@pytest.mark.parametrize("source", [(0.02, 0.01), (-0.03, 0.04), (0.0, 0.05)])
def test_four_images_behind_shear_have_an_invariant_sum(
    lens: Callable[..., tuple[torch.Tensor, torch.Tensor]], invariant: float, source: tuple[float, float]
) -> None:
    """Signed magnifications add up to invariant / (1 - shear^2), wherever inside the caustic the source is: Witt & Mao
    1995, ApJ 447, L105 (point); Dalal 1998, ApJ 509, L13 (isothermal)."""
    gamma = 0.15

    def deflect(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        (ax, ay), (gx, gy) = lens(x, y, ONE), shear(x, y, gamma * ONE, 0 * ONE)
        return ax + gx, ay + gy

    found = magnifications(deflect, source)
    assert len(found) == 4
    assert found.sum() == pytest.approx(invariant / (1 - gamma**2), rel=1e-8)
