"""Centres: of planted galaxies, rings and arcs, on even and on odd frames."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from skimage.measure import CircleModel
from torch import Tensor

from features.geometry import angle, circle_fit, geometric_centre, light_centre, offsets, radius, symmetry_centre

Estimate = Callable[[Tensor], Tensor]

LIKE = torch.empty(0, dtype=torch.float64)
PLACES = [(0.0, 0.0), (2.3, -1.6), (-4.0, 3.5)]
ESTIMATES = {
    "geometric": geometric_centre,
    "light": light_centre,
    "symmetry": symmetry_centre,
    "circle": lambda images: circle_fit(images)[0],
}

every_frame = pytest.mark.parametrize("frame", [(64, 64), (63, 63), (48, 57)], ids=str)
every_place = pytest.mark.parametrize("place", PLACES, ids=str)
every_estimate = pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)


def about(frame: tuple[int, int], place: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Radius and angle of every pixel about a place, given from the frame's centre."""
    y, x = offsets(*frame, LIKE)
    y, x = (y - place[0]).expand(frame), (x - place[1]).expand(frame)
    return torch.hypot(y, x), torch.atan2(y, x)


def galaxy(frame: tuple[int, int], place: tuple[float, float]) -> Tensor:
    """A flattened one, tilted by a radian."""
    r, phi = about(frame, place)
    return torch.exp(-r * (1 + 0.3 * torch.cos(2 * (phi - 1))) / 2.5)


@every_frame
@every_place
@pytest.mark.parametrize("estimate", [light_centre, symmetry_centre], ids=["light", "symmetry"])
def test_a_galaxy_is_found_where_it_is(frame: tuple[int, int], place: tuple[float, float], estimate: Estimate) -> None:
    """To a twentieth of a pixel: a cusp between pixels is sampled, not integrated, which looks lopsided."""
    found = estimate(galaxy(frame, place)[None])[0]
    assert found.tolist() == pytest.approx(place, abs=0.05)


@every_frame
@every_place
def test_a_galaxy_in_a_noisy_sky_is_found(
    frame: tuple[int, int], place: tuple[float, float], generator: np.random.Generator
) -> None:
    """A signal-to-noise ratio of 60: its centre is good to about its width over that, 0.1 pixels."""
    noisy = galaxy(frame, place) + torch.from_numpy(generator.normal(0, 0.05, (20, *frame)))
    for estimate in (light_centre, symmetry_centre):
        found = estimate(noisy)
        assert found.mean(dim=0).tolist() == pytest.approx(place, abs=0.15)
        assert (found - torch.tensor(place)).abs().max() < 0.6


@every_frame
@every_place
def test_a_ring_has_its_centre_by_symmetry_and_as_a_circle(frame: tuple[int, int], place: tuple[float, float]) -> None:
    """The algebraic radius is the root mean square of all points', R^2 + 3 s^2 over the area of a ring of width s."""
    ring = torch.exp(-0.5 * ((about(frame, place)[0] - 12) / 1.2) ** 2)[None]
    centre, size = circle_fit(ring)
    assert symmetry_centre(ring)[0].tolist() == pytest.approx(place, abs=0.02)
    assert centre[0].tolist() == pytest.approx(place, abs=0.01)
    assert size.item() == pytest.approx(math.sqrt(12**2 + 3 * 1.2**2), abs=0.01)


@every_frame
@every_place
def test_an_arc_has_the_centre_of_its_circle_and_not_that_of_its_light(
    frame: tuple[int, int], place: tuple[float, float]
) -> None:
    r, phi = about(frame, place)
    arc = (torch.exp(-0.5 * ((r - 12) / 0.8) ** 2) * (phi.abs() < 1.2))[None]
    assert circle_fit(arc)[0][0].tolist() == pytest.approx(place, abs=0.3)
    assert math.dist(light_centre(arc)[0].tolist(), place) > 5


def test_a_circle_fits_points_as_scikit_image_and_scipy_have_it(generator: np.random.Generator) -> None:
    """They minimise geometric distances, we algebraic ones: alike to the square of noise over radius."""
    turn = generator.uniform(0, 4, 60)
    points = np.round(np.stack([3 + 15 * np.sin(turn), -2 + 15 * np.cos(turn)], axis=1) + 31.5).astype(int)
    weights = torch.zeros(1, 64, 64, dtype=torch.float64)
    np.add.at(weights[0].numpy(), tuple(points.T), 1)
    centre, size = circle_fit(weights)
    expected = CircleModel.from_estimate(points - 31.5)
    assert [*centre[0].tolist(), size.item()] == pytest.approx([*expected.center, expected.radius], abs=0.1)
    fitted = least_squares(lambda p: np.hypot(*(points - 31.5 - p[:2]).T) - p[2], [0, 0, 10]).x
    assert [*centre[0].tolist(), size.item()] == pytest.approx(fitted, abs=0.1)


@every_estimate
@every_frame
def test_is_finite_and_central_where_there_is_nothing(frame: tuple[int, int], estimate: Estimate) -> None:
    blank, one_hot = torch.zeros(frame), torch.zeros(frame)
    one_hot[frame[0] // 2, 3] = 1
    found = estimate(torch.stack([blank, blank + 5, blank - 5, one_hot, -one_hot]))
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert found[:3].abs().max() < 0.01


@every_estimate
@every_frame
def test_turns_with_its_image(frame: tuple[int, int], estimate: Estimate, generator: np.random.Generator) -> None:
    images = galaxy(frame, (2.3, -1.6)) + torch.from_numpy(generator.uniform(0, 0.05, (2, *frame)))
    y, x = estimate(images).unbind(1)
    torch.testing.assert_close(estimate(images.flip(2)), torch.stack([y, -x], dim=1), rtol=0, atol=1e-8)
    torch.testing.assert_close(estimate(images.rot90(dims=(1, 2))), torch.stack([-x, y], dim=1), rtol=0, atol=1e-8)


@every_estimate
def test_does_not_see_its_batch(estimate: Estimate, generator: np.random.Generator) -> None:
    images = galaxy((48, 48), (2.3, -1.6)) + torch.from_numpy(generator.uniform(0, 0.05, (3, 48, 48)))
    before = estimate(images)[1]
    images[0], images[2] = torch.nan, 1e30
    assert torch.equal(estimate(images)[1], before)


def test_a_reach_that_reaches_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^reach: 0 pixels must be above zero$"):
        light_centre(torch.zeros(1, 48, 48), reach=0.0)
    with pytest.raises(ValueError, match=r"^reach: 0\.7 of the frame's side"):
        symmetry_centre(torch.zeros(1, 48, 48), reach=0.7)


def test_the_frames_centre_is_that_of_radius_and_angle() -> None:
    """Two ways of saying where the centre is."""
    r, phi = about((64, 63), (0, 0))
    torch.testing.assert_close(r, radius(64, 63, LIKE))
    torch.testing.assert_close(phi, angle(64, 63, LIKE))
