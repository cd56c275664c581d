"""Radial features: the profile of photutils, and what is left of an image without it."""

import math

import numpy as np
import pytest
import torch
from photutils.profiles import RadialProfile

from features.geometry import angle, radius
from features.radial import radial_profile, radial_residual

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 47), (40, 48)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


@pytest.mark.parametrize("width", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("frame", [(48, 48), (64, 64), (40, 48)], ids=str)
def test_agrees_with_photutils(frame: tuple[int, int], width: float, generator: np.random.Generator) -> None:
    """On an even frame no pixel's centre lies on an edge: its squared radius is a half more than an integer."""
    image = generator.normal(1, 1, frame)
    profile, names = radial_profile(torch.from_numpy(image)[None], width)
    centre = ((frame[1] - 1) / 2, (frame[0] - 1) / 2)
    oracle = RadialProfile(image, centre, width * np.arange(len(names) + 1), method="center")
    np.testing.assert_allclose(profile[0], oracle.profile, rtol=1e-10)


@every_frame
def test_goes_out_to_the_nearest_edge_and_no_further(frame: tuple[int, int]) -> None:
    r, half = radius(*frame, LIKE), min(frame) / 2
    corners, edge = (r >= half + 0.5).double(), (r > half - 1).double() * (r < half)
    assert (radial_profile(corners[None])[0] == 0).all()
    assert radial_profile(edge[None])[0][0, -1] > 0


@every_frame
@pytest.mark.parametrize("size", [6.5, 12.5])
def test_a_ring_shows_at_its_radius(frame: tuple[int, int], size: float) -> None:
    image = torch.exp(-((radius(*frame, LIKE) - size) ** 2) / 2)
    profile, names = radial_profile(image[None])
    assert names[profile.argmax()] == f"radial_profile_{int(size)}"
    mean = math.sqrt(2 * math.pi) * math.erf(0.5 / math.sqrt(2))  # of the Gaussian over its middle pixel
    assert profile.max().item() == pytest.approx(mean, abs=0.02)


def test_a_complete_ring_goes_and_an_arc_stays() -> None:
    """Half a ring on an even frame is half the pixels of its annuli: it stays half as bright, on a hole as deep."""
    r, phi = radius(48, 48, LIKE), angle(48, 48, LIKE)
    ring = ((r >= 12) & (r < 15)).double()
    arc = ring * (phi > 0)
    assert radial_residual(ring[None]).abs().max() < 1e-12
    torch.testing.assert_close(radial_residual(arc[None])[0], ring * torch.where(phi > 0, 0.5, -0.5))


@every_frame
@pytest.mark.parametrize("width", [1.0, 2.5])
def test_the_residual_has_no_mean_in_any_annulus(
    frame: tuple[int, int], width: float, generator: np.random.Generator
) -> None:
    residual = radial_residual(torch.from_numpy(generator.normal(5, 1, (1, *frame))), width)[0].numpy()
    y, x = np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2
    number = np.floor(np.hypot(x, y) / width).astype(int)
    np.testing.assert_allclose(np.bincount(number.ravel(), residual.ravel()), 0, atol=1e-10)


@every_frame
def test_the_residual_does_not_see_what_is_round(frame: tuple[int, int], generator: np.random.Generator) -> None:
    image = torch.from_numpy(generator.normal(0, 1, (1, *frame)))
    galaxy = 100 * torch.exp(-radius(*frame, LIKE).floor() / 5)  # constant within annuli of one pixel
    torch.testing.assert_close(radial_residual(image + galaxy), radial_residual(image), rtol=0, atol=1e-10)


@every_frame
def test_an_elliptical_galaxy_leaves_a_quadrupole(frame: tuple[int, int]) -> None:
    """And an octupole, and nothing odd: its light is the same at phi and at phi + 180 degrees."""
    r, phi = radius(*frame, LIKE), angle(*frame, LIKE)
    galaxy = torch.exp(-(r**2) * (0.6 * torch.cos(phi) ** 2 + 1.4 * torch.sin(phi) ** 2) / 100)
    residual = radial_residual(galaxy[None])[0] * (r < 19)
    dipole, quadrupole, sextupole, octupole = [(residual * torch.cos(m * phi)).sum().item() for m in range(1, 5)]
    assert quadrupole > 4 * abs(octupole)  # positive: the long axis is x
    assert [dipole, sextupole] == pytest.approx([0, 0], abs=1e-9)
