"""The ring mask: on a planted ring, around a galaxy off centre, and where there is no ring."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from features.geometry import offsets
from features.ring.mask import ring_mask

LIKE = torch.empty(0, dtype=torch.float64)
KNOWN = {"sky_rms": 0.01, "pixel_scale": 0.1, "psf_fwhm": 0.16}
ROWS, COLUMNS = offsets(64, 64, LIKE)


def ring(size: float, x: float = 0.0, y: float = 0.0) -> Tensor:
    return torch.exp(-(((torch.hypot(COLUMNS - x, ROWS - y) - size) / 1.5) ** 2) / 2)


def weight(images: Tensor, **options: float) -> Tensor:
    """What every pixel is multiplied by."""
    return ring_mask(images, **options, **KNOWN) / images


@pytest.mark.parametrize(("size", "soft"), [(16.0, 0.3 * 16.0), (8.0, 2 * 1.6)], ids=["by the ring", "by the PSF"])
def test_the_mask_is_a_gaussian_about_the_ring(size: float, soft: float) -> None:
    """To 0.03: the radius is known to a hundredth or so, and the mask falls by at most 0.6 in a width of it."""
    r = torch.hypot(COLUMNS, ROWS)
    mask = weight((ring(size) + 1e-6)[None])[0]
    torch.testing.assert_close(mask, torch.exp(-(((r - size) / soft) ** 2) / 2), rtol=0, atol=0.03)


def test_the_mask_is_about_the_galaxy(generator: np.random.Generator) -> None:
    """Which is three pixels from the middle of the frame; to 0.1, as it is found to 3 % of its radius or so."""
    x, y = 3.0, -2.0
    r = torch.hypot(COLUMNS - x, ROWS - y)
    image = 5 * torch.exp(-r / 3) + 0.5 * ring(12, x, y) + torch.from_numpy(generator.normal(0, 0.01, (64, 64)))
    torch.testing.assert_close(weight(image[None])[0], torch.exp(-(((r - 12) / 3.6) ** 2) / 2), rtol=0, atol=0.1)


def test_a_wide_mask_keeps_the_image() -> None:
    image = ring(12)[None]
    torch.testing.assert_close(ring_mask(image, width=1e3, **KNOWN), image, rtol=1e-4, atol=0)


def test_without_a_ring_the_image_stays_as_it_is(generator: np.random.Generator) -> None:
    disc = 5 * torch.exp(-torch.hypot(COLUMNS, ROWS) / 4)
    images = torch.stack([torch.zeros(64, 64), disc]) + torch.from_numpy(generator.normal(0, 0.01, (2, 64, 64)))
    assert torch.equal(ring_mask(images, **KNOWN), images)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"width": 0.0}, "^width: 0 of"), ({"width": math.nan}, "^width: nan"), ({"psfs": -1.0}, "^psfs: -1;")],
)
def test_a_mask_that_leaves_nothing_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ring_mask(torch.zeros(1, 64, 64), **options, **KNOWN)
