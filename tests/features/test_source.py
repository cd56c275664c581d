"""The source plane: simulated Gaussian sources come back as they were, through lenses given and lenses estimated."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from features.geometry import offsets
from features.ring.source import (
    Lens,
    circular,
    deflection,
    reconstructed,
    relensed_residual,
    residual,
    shaped,
    source_plane,
)
from pipeline.lensing import deflectors

LIKE = torch.empty(0, dtype=torch.float64)
SIDE, RINGS, WIDTH = 64, 14.0, 2.0  # pixels: frame, Einstein radius, Gaussian sigma of the source
RAYS = 3  # a side, per pixel
TILT = 0.4
PLACES = [(0.0, 0.0), (1.0, 0.5), (2.0, -1.0), (4.0, 2.0)]
OBSERVED = {"sky_rms": 0.02, "pixel_scale": 0.1, "psf_fwhm": 0.1}

every_place = pytest.mark.parametrize("place", PLACES, ids=str)


def lens(axis_ratio: float = 1.0) -> Lens:
    return Lens(*(torch.tensor([own], dtype=torch.float64) for own in (RINGS, axis_ratio, TILT)))


def lensed(place: tuple[float, float], axis_ratio: float = 1.0, side: int = SIDE) -> Tensor:
    """A Gaussian source of peak 1 behind an isothermal ellipsoid, by the simulator's deflection."""
    y, x = offsets(side * RAYS, side * RAYS, LIKE)
    y, x = (y / RAYS).expand(side * RAYS, side * RAYS), (x / RAYS).expand(side * RAYS, side * RAYS)
    size, ratio, tilt = (own[0] for own in lens(axis_ratio))
    bent = deflectors.rotated(*deflectors.sie(*deflectors.rotated(x, y, tilt), size, ratio), -tilt)
    square = (x - bent[0] - place[0]) ** 2 + (y - bent[1] - place[1]) ** 2
    return torch.exp(-0.5 * square / WIDTH**2).view(side, RAYS, side, RAYS).mean(dim=(1, 3))[None]


def moments(source: Tensor) -> tuple[float, float, float]:
    """Centre and Gaussian sigma of an image."""
    y, x = offsets(source.shape[0], source.shape[1], source)
    share = source / source.sum()
    cx, cy = (share * x).sum(), (share * y).sum()
    return cx.item(), cy.item(), ((share * ((x - cx) ** 2 + (y - cy) ** 2)).sum() / 2).sqrt().item()


@pytest.mark.parametrize("axis_ratio", [0.5, 0.8, 0.9999999, 1.0])
@pytest.mark.parametrize("side", [40, 41])
def test_deflects_as_the_simulator_does(side: int, axis_ratio: float) -> None:
    """To 1e-5 pixels: near a sphere the simulator takes 1 - q^2 for 1e-8, and is a third of that off."""
    y, x = offsets(side, side, LIKE)
    size, ratio, tilt = (own[0] for own in lens(axis_ratio))
    turned = deflectors.rotated(x.expand(side, side), y.expand(side, side), tilt)
    expected = deflectors.rotated(*deflectors.sie(*turned, size, ratio), -tilt)
    for one, other in zip(deflection(x, y, lens(axis_ratio)), expected, strict=True):
        torch.testing.assert_close(one[0], other, rtol=0, atol=1e-5)


@every_place
@pytest.mark.parametrize("axis_ratio", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("side", [SIDE, SIDE + 1])
def test_the_right_lens_gives_the_source_back(place: tuple[float, float], axis_ratio: float, side: int) -> None:
    """Its place to a twentieth of a pixel; its size and peak as broadened by an image pixel and a bilinear share.

    The share has a variance of about a sixth of a pixel, and 2 becomes 2.04; the peak of 1 loses as much per axis,
    and more of it where pixels in which the image is curved average over it.
    """
    image = lensed(place, axis_ratio, side)
    source = reconstructed(image, lens(axis_ratio))[0]
    x, y, sigma = moments(source)
    assert (x, y) == pytest.approx(place, abs=0.05)
    assert sigma == pytest.approx(WIDTH, abs=0.1)
    assert 0.85 < source.max() < 1
    again = residual(image, lens(axis_ratio))
    assert again.abs().max() < 0.13 * image.max()  # the source's curvature within a pixel: 1 / (2 sigma^2) of the peak
    assert again.std() < 0.1 * image.std()


@pytest.mark.parametrize("zoom", [2.0, 3.0])
def test_a_zoomed_source_is_as_many_times_larger(zoom: float) -> None:
    x, y, sigma = moments(reconstructed(lensed((2.0, -1.0)), lens(), zoom)[0])
    assert (x, y) == pytest.approx((2 * zoom, -zoom), abs=0.1 * zoom)
    assert sigma == pytest.approx(WIDTH * zoom, rel=0.05)


def test_a_wrong_radius_leaves_more(generator: np.random.Generator) -> None:
    image = lensed((2.0, -1.0))
    left = [
        residual(image, circular(image, torch.tensor([RINGS * by]).double())).std().item() for by in (0.85, 1, 1.15)
    ]
    assert left[1] < 0.3 * min(left[0], left[2])


@every_place
@pytest.mark.parametrize("axis_ratio", [0.7, 0.8, 0.9, 1.0])
def test_a_ring_tells_the_shape_of_its_lens(place: tuple[float, float], axis_ratio: float) -> None:
    """To 0.05 as long as it is covered all around, and a tenth where half of it is: held towards round."""
    q = axis_ratio
    f = math.sqrt(1 - q**2)
    mean = math.sqrt(q) * (math.atan2(f, q) + math.atanh(f)) / (2 * f) if f else 1.0
    image = lensed(place, axis_ratio)
    found = shaped(image, torch.tensor([RINGS * mean]).double())
    assert found.axis_ratio.item() == pytest.approx(axis_ratio, abs=0.05 if math.hypot(*place) < 3 else 0.1)
    assert found.radius.item() == pytest.approx(RINGS, rel=0.01)
    if axis_ratio < 1:
        assert found.angle.item() % math.pi == pytest.approx(TILT, abs=0.1)
        assert residual(image, found).std() < 0.6 * residual(image, circular(image, found.radius)).std()


def seen(generator: np.random.Generator) -> Tensor:
    """A ring with noise, and noise alone."""
    ring = lensed((2.0, -1.0), 0.8)[0]
    return torch.stack([ring, torch.zeros_like(ring)]) + torch.from_numpy(generator.normal(0, 0.02, (2, SIDE, SIDE)))


def test_the_image_itself_tells_the_lens(generator: np.random.Generator) -> None:
    """Of the ring the source comes back to half a pixel, a fifth of its size; of noise, noise."""
    images = seen(generator)
    source, nothing = source_plane(images, **OBSERVED)
    x, y, sigma = moments(source.clamp_min(0) * (source > 0.2))
    assert (x, y) == pytest.approx((2, -1), abs=0.5)
    assert sigma == pytest.approx(WIDTH, rel=0.2)
    left, none = relensed_residual(images, **OBSERVED)
    assert left.std() < 0.25 * images[0].std()
    assert left.std() < relensed_residual(images, "sis", **OBSERVED)[0].std()
    assert torch.equal(nothing, images[1])
    assert (none == 0).all()


@pytest.mark.parametrize("feature", [source_plane, relensed_residual])
def test_a_damaged_image_has_no_ring_and_harms_no_other(feature: object, generator: np.random.Generator) -> None:
    images = seen(generator)
    whole = feature(images, **OBSERVED)  # type: ignore[operator]
    images[1] = torch.nan
    assert torch.equal(feature(images, **OBSERVED)[0], whole[0])  # type: ignore[operator]


def test_a_source_turns_and_brightens_with_its_image(generator: np.random.Generator) -> None:
    images = seen(generator)
    for model in ("sis", "sie"):
        plane = source_plane(images, model, **OBSERVED)
        torch.testing.assert_close(source_plane(images.rot90(dims=(1, 2)), model, **OBSERVED), plane.rot90(dims=(1, 2)))
        brighter = source_plane(7 * images, model, **(OBSERVED | {"sky_rms": 0.14}))
        torch.testing.assert_close(brighter, 7 * plane)


def test_an_unknown_model_and_a_zoom_out_are_refused() -> None:
    images = torch.zeros(1, 48, 48)
    with pytest.raises(ValueError, match=r"^lens: no model 'nfw'; there are sis, sie$"):
        source_plane(images, "nfw", **OBSERVED)
    with pytest.raises(ValueError, match=r"^zoom: 0.5 pixels"):
        source_plane(images, zoom=0.5, **OBSERVED)
