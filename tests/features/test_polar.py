"""Polar maps: SciPy, scikit-image and OpenCV at the same points, and what turning the image does."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage.transform import warp_polar
from torch import Tensor

from features.filters import plain
from features.geometry import radius
from features.geometry.polar import AT_ONCE, unwrap
from features.polar import log_polar, polar

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 47), (40, 47), (47, 40)]
MAPS: dict[str, Callable[..., Tensor]] = {"polar": polar, "log_polar": log_polar}

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)
every_map = pytest.mark.parametrize("name", MAPS)


def radii(name: str, height: int, width: int) -> np.ndarray:
    rows = (np.arange(height) + 0.5) / height
    return min(height, width) / 2 * rows if name == "polar" else (min(height, width) / 2) ** rows


def points(name: str, height: int, width: int) -> np.ndarray:
    """Where a map reads its image: y and x."""
    r, phi = radii(name, height, width)[:, None], 2 * np.pi * (np.arange(width) + 0.5) / width
    return np.stack([(height - 1) / 2 + r * np.sin(phi), (width - 1) / 2 + r * np.cos(phi)])


@every_map
@every_frame
@pytest.mark.parametrize("number", [1, 3, AT_ONCE, AT_ONCE + 9])
def test_agrees_with_scipy_exactly(
    name: str, frame: tuple[int, int], number: int, generator: np.random.Generator
) -> None:
    images = generator.normal(0, 1, (number, *frame))
    expected = [map_coordinates(image, points(name, *frame), order=1, mode="nearest") for image in images]
    np.testing.assert_allclose(MAPS[name](torch.from_numpy(images)), expected, atol=1e-12)


@every_map
@every_frame
def test_agrees_with_opencv(name: str, frame: tuple[int, int], generator: np.random.Generator) -> None:
    """To the 1/32 pixel that OpenCV rounds coordinates to on some machines, times the steepest slope of the image."""
    image = generator.normal(0, 1, frame).astype(np.float32)
    y, x = points(name, *frame).astype(np.float32)
    expected = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    steepest = max(np.abs(np.diff(image, axis=axis)).max() for axis in (0, 1))
    difference = np.abs(MAPS[name](torch.from_numpy(image)[None])[0].numpy() - expected)
    assert difference.max() < 2 * steepest / 64


def test_agrees_with_scikit_image_at_its_own_points(generator: np.random.Generator) -> None:
    """`warp_polar` has angles down, and starts at radius 0 and angle 0."""
    image = generator.normal(0, 1, (64, 64))
    expected = warp_polar(image, radius=30, output_shape=(128, 40), center=(31.5, 31.5)).T
    ours = unwrap(
        torch.from_numpy(image)[None], [0.75 * i for i in range(40)], [2 * np.pi * j / 128 for j in range(128)]
    )[0]
    np.testing.assert_allclose(ours, expected, atol=1e-9)


@every_map
@pytest.mark.parametrize("frame", [(48, 48), (64, 64)], ids=str)
def test_a_quarter_turn_rolls_a_map_and_a_mirror_image_mirrors_it(
    name: str, frame: tuple[int, int], generator: np.random.Generator
) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (2, *frame)))
    compute = MAPS[name]
    quarter = compute(images).roll(-frame[1] // 4, dims=2)  # from +x towards +y is what `rot90` turns back
    torch.testing.assert_close(compute(images.rot90(dims=(1, 2))), quarter, rtol=0, atol=1e-10)
    torch.testing.assert_close(compute(images.flip(1)), compute(images).flip(2), rtol=0, atol=1e-10)


@every_map
@every_frame
def test_a_ring_is_a_row(name: str, frame: tuple[int, int]) -> None:
    """To half a step of the rows: at radius 12, the pixel scale."""
    ring = torch.exp(-0.5 * (radius(*frame, LIKE) - 12) ** 2)
    crest = radii(name, *frame)[MAPS[name](ring[None])[0].argmax(dim=0)]
    assert np.abs(crest - 12).max() < 0.6


def test_a_larger_image_is_shifted_down() -> None:
    """By h ln 2 / ln(reach / inner) rows for twice the size: 16 for a reach of 2^4 times the innermost radius."""
    r = radius(64, 64, LIKE)
    small, large = (log_polar(torch.exp(-(r**2) / (2 * s**2))[None], inner=2.0)[0] for s in (5, 10))
    torch.testing.assert_close(large[16:], small[:-16], rtol=0, atol=0.02)  # the bilinear error of a curve s = 5


@every_map
def test_every_route_reads_the_same(name: str, generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (3, 48, 40)))
    compute = MAPS[name]
    fast, slow = compute(images), compute(images.clone().requires_grad_())
    assert slow.requires_grad
    torch.testing.assert_close(slow, fast, rtol=0, atol=1e-12)
    mapped = torch.func.vmap(lambda image: compute(image[None])[0])(images)
    torch.testing.assert_close(mapped, fast, rtol=0, atol=1e-12)


def test_every_image_may_have_a_centre_of_its_own(generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (3, 48, 40)))
    centre = torch.tensor([[23.5, 19.5], [20.0, 22.3], [30.1, 10.7]], dtype=torch.float64)
    r, phi = [1.0, 4.5, 9.0], np.linspace(0, 6, 11).tolist()
    made = unwrap(images, r, phi, centre)
    for image, (y, x), ours in zip(images.numpy(), centre.numpy(), made.numpy(), strict=True):
        at = [y + np.outer(r, np.sin(phi)), x + np.outer(r, np.cos(phi))]
        np.testing.assert_allclose(ours, map_coordinates(image, at, order=1, mode="nearest"), atol=1e-12)
    torch.testing.assert_close(made[0], unwrap(images, r, phi)[0])


def test_an_image_without_a_centre_is_nan_and_the_others_are_not(generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (2, 16, 16)))
    made = unwrap(images, [1.0, 2.0], [0.3, 2.0], torch.tensor([[torch.nan, 8.0], [7.5, 7.5]], dtype=torch.float64))
    assert made[0].isnan().all()
    torch.testing.assert_close(made[1], unwrap(images, [1.0, 2.0], [0.3, 2.0])[1])
    assert unwrap(images, [torch.nan], [0.3]).isnan().all()


def test_a_centre_has_a_derivative(generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (1, 16, 16)))
    centre = torch.tensor([[7.3, 7.9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: unwrap(images, [1.0, 2.0], [0.3, 2.0, 4.0], c), centre)


def test_only_plain_images_go_to_numpy() -> None:
    images = torch.zeros(2, 4, 4)
    assert plain(images)
    assert not plain(images.clone().requires_grad_())
    seen: list[bool] = []
    torch.func.vmap(lambda image: seen.append(plain(image)) or image)(images)
    torch.func.grad(lambda image: seen.append(plain(image)) or image.sum())(images)
    assert seen == [False, False]


@pytest.mark.parametrize("inner", [0.0, -1.0, 20.0, math.nan])
def test_an_innermost_radius_that_does_not_suit_the_frame_is_refused(inner: float) -> None:
    with pytest.raises(ValueError, match=f"^inner: {inner:g} pixels; .* below half the frame, 20"):
        log_polar(torch.zeros(1, 48, 40), inner)


def test_a_frame_of_one_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^images: a frame of 1 x 48 pixels"):
        polar(torch.zeros(1, 1, 48))
