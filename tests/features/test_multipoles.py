"""Multipoles: modes of known amplitude, the sums that define them, and orders that an annulus cannot hold."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from features.fourier import multipoles
from features.geometry import angle, annulus, annulus_means, radius

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 47), (40, 47)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


def by_order(image: Tensor, width: float = 3.0) -> Tensor:
    """Multipoles of one image as (m, r), m = 1 ... 4."""
    return multipoles(image[None], 4, width)[0].reshape(4, -1)


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("direction", [0.0, 0.7, 2.0])
def test_a_mode_of_known_amplitude_is_found_and_no_other(size: int, order: int, direction: float) -> None:
    """To 0.08 of the mean from the third annulus on: further in, too few pixels stand for the circle."""
    r, phi = radius(size, size, LIKE), angle(size, size, LIKE)
    image = (1 + 0.6 * torch.cos(order * (phi - direction))) / (1 + (r / 10) ** 2)
    values = by_order(image)
    edges = 3.0 * torch.arange(values.shape[1] + 1, dtype=torch.float64)
    mean = 100 * torch.log1p((edges / 10) ** 2).diff() / (edges**2).diff()  # of 1 / (1 + (r / 10)^2) over an annulus
    expected = torch.zeros_like(values)
    expected[order - 1] = 0.6
    torch.testing.assert_close((values / mean)[:, 2:], expected[:, 2:], rtol=0, atol=0.08)


@pytest.mark.parametrize("size", [64, 65])
def test_a_flat_image_has_no_modes(size: int) -> None:
    assert by_order(torch.ones(size, size, dtype=torch.float64)).max() < 1e-9


@every_frame
@pytest.mark.parametrize("width", [3.0, 2.5, 2.0])
def test_modes_are_those_inside_the_frame(frame: tuple[int, int], width: float) -> None:
    """An annulus that the frame cuts would show the frame's own four corners."""
    r, edge = radius(*frame, LIKE), min(frame) / 2
    corners, inside = (r > edge).double(), ((r < edge) & (r >= edge - 1.5 * width)).double()
    assert (by_order(corners, width) == 0).all()
    assert by_order(inside * torch.cos(angle(*frame, LIKE)), width)[0, -1] > 0


def test_columns_run_over_annuli_then_over_modes() -> None:
    phi = angle(48, 48, LIKE)
    values, names = multipoles(torch.cos(3 * phi)[None], orders=3, width=6.0)
    assert names == [f"multipole_{order}_{i}" for order in (1, 2, 3) for i in range(4)]
    assert set(np.array(names)[values[0].numpy() > 0.5]) >= {f"multipole_3_{i}" for i in (1, 2, 3)}
    assert (values[0, : 2 * 4] < 0.1).all()


def test_an_annulus_wider_than_the_frame_holds_all_of_it() -> None:
    wave = torch.cos(2 * angle(48, 40, LIKE)) * (radius(48, 40, LIKE) < 20)
    values = by_order(wave, width=100.0)
    assert values.shape == (4, 1)
    assert values[1].item() == pytest.approx(math.pi * 20**2 / (48 * 40), rel=0.01)


@pytest.mark.parametrize("orders", [0, -1])
def test_no_mode_is_refused(orders: int) -> None:
    with pytest.raises(ValueError, match=f"^orders: {orders} leaves no mode"):
        multipoles(torch.zeros(1, 48, 48), orders)


@every_frame
@pytest.mark.parametrize(("orders", "width"), [(1, 3.0), (4, 3.0), (8, 4.5), (3, 2.0)])
def test_agrees_with_the_sums_that_define_it(
    frame: tuple[int, int], orders: int, width: float, generator: np.random.Generator
) -> None:
    """Over the whole frame, pixel by pixel, after the means of thin annuli are taken away."""
    images = torch.from_numpy(generator.normal(1, 1, (2, *frame)))
    rings, thin, phi = annulus(*frame, width, LIKE), annulus(*frame, 1.0, LIKE), angle(*frame, LIKE)
    uneven = (images - annulus_means(images, thin)[:, thin]) * (radius(*frame, LIKE) > 0)
    values, names = multipoles(images, orders, width, phases=True)
    columns = dict(zip(names, values.T, strict=True))
    for order in range(1, orders + 1):
        cosine, sine = (2 * annulus_means(uneven * wave(order * phi), rings) for wave in (torch.cos, torch.sin))
        for ring in range(math.floor(min(frame) / 2 / width)):
            name = f"multipole_{order}_{ring}"
            expected = torch.stack([torch.hypot(cosine, sine), cosine, sine])[:, :, ring]
            ours = torch.stack([columns[name], columns[f"{name}_cosine"], columns[f"{name}_sine"]])
            torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_phases_tell_the_direction(generator: np.random.Generator) -> None:
    wave = torch.cos(3 * (angle(64, 64, LIKE) - 0.4))
    values, names = multipoles(wave[None], 4, phases=True)
    columns = dict(zip(names, values[0].tolist(), strict=True))
    direction = math.atan2(columns["multipole_3_5_sine"], columns["multipole_3_5_cosine"]) / 3
    assert direction == pytest.approx(0.4, abs=0.01)  # the pixels of an annulus do not cover its angles evenly
    assert names[: len(names) // 3] == multipoles(wave[None], 4)[1]


@pytest.mark.parametrize(
    ("frame", "orders", "width", "few"), [((48, 48), 4, 1.0, 4), ((47, 47), 1, 1.0, 1), ((48, 48), 17, 3.0, 32)]
)
def test_more_orders_than_pixels_can_tell_apart_are_refused(
    frame: tuple[int, int], orders: int, width: float, few: int
) -> None:
    with pytest.raises(
        ValueError, match=f"^orders: {orders} modes on the {few} pixels of annulus 0; {few // 2} can be"
    ):
        multipoles(torch.zeros(1, *frame), orders, width)
