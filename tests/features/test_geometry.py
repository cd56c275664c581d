"""Geometry: where the centre is, which way angles run, and which pixels share an annulus."""

import math

import numpy as np
import pytest
import torch
from photutils.geometry import circular_overlap_grid, elliptical_overlap_grid

from features.geometry import angle, annulus, annulus_means, offsets, radius, ring_means
from features.geometry.overlap import annulus_overlap

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 47), (40, 48), (47, 32)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)
every_thickness = pytest.mark.parametrize("thickness", [0.3, 0.5, 1.0, 2.5])


@pytest.mark.parametrize(
    ("length", "expected"), [(1, [0]), (4, [-1.5, -0.5, 0.5, 1.5]), (5, [-2, -1, 0, 1, 2])], ids=str
)
def test_the_centre_is_the_middle_of_the_pixel_grid(length: int, expected: list[float]) -> None:
    rows, columns = offsets(length, 3, LIKE)
    assert rows[:, 0].tolist() == expected
    assert columns[0].tolist() == [-1, 0, 1]


@every_frame
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_radius_and_angle_are_the_polar_coordinates_of_numpy(frame: tuple[int, int], dtype: torch.dtype) -> None:
    y, x = np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2
    like = torch.empty(0, dtype=dtype)
    for ours, expected in ((radius(*frame, like), np.hypot(x, y)), (angle(*frame, like), np.arctan2(y, x))):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, torch.from_numpy(expected).to(dtype))


def test_angles_run_from_columns_towards_rows() -> None:
    phi = angle(5, 5, LIKE)
    assert phi[2, 4] == 0
    assert phi[4, 2] == pytest.approx(math.pi / 2)
    assert phi[2, 0] == pytest.approx(math.pi)
    assert phi[0, 2] == pytest.approx(-math.pi / 2)


@every_frame
@every_thickness
def test_annuli_are_numbered_outwards_without_gaps(frame: tuple[int, int], thickness: float) -> None:
    outwards = radius(*frame, LIKE).flatten().argsort()
    numbers = annulus(*frame, thickness, LIKE).flatten()[outwards]
    assert numbers[0] == 0
    assert set(numbers.diff().tolist()) == {0, 1}


@every_frame
@every_thickness
def test_two_pixels_share_an_annulus_if_no_edge_lies_between_them(frame: tuple[int, int], thickness: float) -> None:
    y, x = np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2
    edges = thickness * np.arange(math.ceil(np.hypot(*frame) / thickness))
    nominal = np.digitize(np.hypot(x, y), edges)  # an edge belongs to the annulus outside it
    numbers = annulus(*frame, thickness, LIKE).numpy()
    pairs = np.unique(np.stack([nominal.ravel(), numbers.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(nominal)) == len(np.unique(numbers))


@every_frame
@every_thickness
def test_annuli_have_the_symmetries_of_their_frame(frame: tuple[int, int], thickness: float) -> None:
    rings = annulus(*frame, thickness, LIKE)
    assert torch.equal(rings, rings.flip(0))
    assert torch.equal(rings, rings.flip(1))
    assert torch.equal(rings.T, annulus(*frame[::-1], thickness, LIKE))


@every_frame
@every_thickness
def test_annuli_do_not_depend_on_precision(frame: tuple[int, int], thickness: float) -> None:
    assert torch.equal(annulus(*frame, thickness, LIKE.float()), annulus(*frame, thickness, LIKE))


@pytest.mark.parametrize("thickness", [0.0, -1.0])
def test_an_annulus_without_thickness_is_refused(thickness: float) -> None:
    with pytest.raises(ValueError, match=f"^width: an annulus {thickness:g} pixels wide"):
        annulus(48, 48, thickness, LIKE)


@every_frame
@every_thickness
def test_shares_of_pixels_are_those_of_photutils(frame: tuple[int, int], thickness: float) -> None:
    """To 1e-9: its arithmetic where a circle touches a corner."""
    height, width = frame
    box = (-width / 2, width / 2, -height / 2, height / 2, width, height)
    shares = annulus_overlap(height, width, thickness, 1.0, 0.0)
    outer, inner = (circular_overlap_grid(*box, edge * thickness, 1, 1) for edge in (4, 3))
    np.testing.assert_allclose(shares[3], outer - inner, atol=1e-9)
    shares = annulus_overlap(height, width, thickness, 0.7, 0.4)
    long, short = 4 * thickness / math.sqrt(0.7), 4 * thickness * math.sqrt(0.7)
    np.testing.assert_allclose(shares[:4].sum(axis=0), elliptical_overlap_grid(*box, long, short, 0.4, 1, 1), atol=1e-9)


@every_frame
@every_thickness
def test_shares_of_a_whole_annulus_add_up_to_its_area(frame: tuple[int, int], thickness: float) -> None:
    area = annulus_overlap(*frame, thickness, 1.0, 0.0).sum(axis=(1, 2))
    expected = math.pi * thickness**2 * (2 * np.arange(len(area)) + 1)
    np.testing.assert_allclose(area, expected, rtol=1e-9)


@every_frame
@every_thickness
def test_means_over_rings_are_those_summed_pixel_by_pixel(
    frame: tuple[int, int], thickness: float, generator: np.random.Generator
) -> None:
    images = torch.from_numpy(generator.normal(1, 1, (20, *frame)))
    expected = annulus_means(images, annulus(*frame, thickness, images))
    torch.testing.assert_close(ring_means(images, thickness), expected)
    torch.testing.assert_close(ring_means(images.clone().requires_grad_(), thickness).detach(), expected)
