"""Preparation: flux and shape survive, masks follow, and what cannot be done says why."""

import math

import numpy as np
import pytest
from skimage.measure import block_reduce

from pipeline.params import Cutout, Resample, Step
from pipeline.sources.frame import Frame
from pipeline.sources.prepare import inpainted, prepared

SIZE, SCALE = 60, 0.1


def frame(image: np.ndarray, **more: object) -> Frame:
    return Frame(**({"image": np.atleast_3d(image.T).T, "observed": {"pixel_scale": SCALE}} | more))


def to(pixel_scale: float) -> Step:
    return Step(resample=Resample(pixel_scale=pixel_scale))


def cut(size: int) -> Step:
    return Step(cutout=Cutout(size=size))


def gaussian(size: int, sigma_x: float, sigma_y: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Flux 1 about (x, y) from the centre, all in pixels."""
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    light = np.exp(-0.5 * (((column - x) / sigma_x) ** 2 + ((row - y) / sigma_y) ** 2))
    return light / light.sum()


def moments(image: np.ndarray, scale: float) -> np.ndarray:
    """Flux, centroid and second central moments, in arcsec."""
    height, width = image.shape
    y, x = (np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2) * scale
    flux = image.sum()
    cx, cy = (image * x).sum() / flux, (image * y).sum() / flux
    return np.array([flux, cx, cy, (image * (x - cx) ** 2).sum() / flux, (image * (y - cy) ** 2).sum() / flux])


@pytest.mark.parametrize("ratio", [0.5, 0.7, 1.3, 1.5, 2.0, 2.5, 3.0])
def test_resampling_keeps_flux_centroid_and_second_moments(ratio: float) -> None:
    """Flux to 1e-3. Where whole old pixels make a new one, its width adds (new^2 - old^2) / 12 to the variance; where
    they are cut, what lies within an old pixel is taken to be even, and adds up to (new^2 + 2 old^2) / 12."""
    image = gaussian(SIZE, 4.0, 6.0, 3.0, -2.0)
    found = prepared(frame(image), [to(ratio * SCALE)], "refuse")
    before, after = moments(image, SCALE), moments(found.image[0].astype(np.float64), ratio * SCALE)
    assert after[0] == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(after[1:3], before[1:3], atol=2e-3 * SCALE)
    added = (after[3:] - before[3:]) / SCALE**2
    assert (added > -1e-3).all()
    assert (added <= (2 + ratio**2) / 12 + 1e-3).all()
    if ratio in (2.0, 3.0):
        np.testing.assert_allclose(added, (ratio**2 - 1) / 12, rtol=0.02)
    assert found.observed["pixel_scale"] == ratio * SCALE


def test_whole_ratios_are_block_sums(generator: np.random.Generator) -> None:
    image = generator.normal(size=(60, 90))
    for ratio in (1, 2, 3, 5):
        found = prepared(frame(image), [to(ratio * SCALE)], "refuse").image[0]
        np.testing.assert_allclose(found, block_reduce(image, (ratio, ratio), np.sum), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(prepared(frame(image), [to(SCALE)], "refuse").image[0], image.astype(np.float32))


@pytest.mark.parametrize("ratio", [0.7, 1.5])
def test_resampling_turns_with_the_image(ratio: float, generator: np.random.Generator) -> None:
    image = generator.normal(size=(40, 40))
    step = to(ratio * SCALE)
    turned = prepared(frame(np.rot90(image).copy()), [step], "refuse").image[0]
    np.testing.assert_allclose(
        turned, np.rot90(prepared(frame(image), [step], "refuse").image[0]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("ratio", [0.7, 1.5, 2.0])
def test_noise_is_carried_through_the_weights(ratio: float, generator: np.random.Generator) -> None:
    """Against the spread of 400 resampled frames of white noise, pixel by pixel."""
    frames = [frame(generator.normal(0, 3.0, (24, 24)), noise=3.0) for _ in range(400)]
    found = [prepared(one, [to(ratio * SCALE)], "refuse") for one in frames]
    spread = np.median(np.std([one.image for one in found], axis=0))
    assert found[0].noise == pytest.approx(spread, rel=0.03)


def test_a_cutout_is_the_pixels_about_the_centre(generator: np.random.Generator) -> None:
    image = generator.normal(size=(11, 13)).astype(np.float32)
    np.testing.assert_array_equal(prepared(frame(image), [cut(5)], "refuse").image[0], image[3:8, 4:9])
    np.testing.assert_array_equal(prepared(frame(image), [cut(4)], "refuse").image[0], image[3:7, 4:8])
    np.testing.assert_array_equal(prepared(frame(image), [cut(11)], "refuse").image[0], image[:, 1:12])


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("x", [20.0, 20.3, 20.5, 20.8])
def test_a_position_ends_within_half_a_pixel_of_the_centre(size: int, x: float) -> None:
    image = np.tile(np.arange(40.0), (40, 1))  # a pixel's value is its x
    found = prepared(frame(image), [cut(size)], "refuse", (x, 15.0)).image[0]
    assert abs(found[0].mean() - x) <= 0.5 + 1e-6


def test_a_position_moves_with_a_resampling_before_the_cutout() -> None:
    image = gaussian(60, 1.5, 1.5, 10.0, -6.0)
    centre = (59 / 2 + 10.0, 59 / 2 - 6.0)
    found = prepared(frame(image), [to(2 * SCALE), cut(9)], "refuse", centre)
    peak = np.unravel_index(found.image[0].argmax(), (9, 9))
    assert max(abs(peak[0] - 4), abs(peak[1] - 4)) <= 1
    np.testing.assert_allclose(moments(found.image[0], 1.0)[1:3], 0, atol=0.51)


def test_steps_are_done_in_their_order() -> None:
    image = np.ones((40, 40))
    assert prepared(frame(image), [cut(20), to(2 * SCALE)], "refuse").image.shape == (1, 10, 10)
    assert prepared(frame(image), [to(2 * SCALE), cut(20)], "refuse").image.shape == (1, 20, 20)


def holed(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image = generator.normal(5, 0.1, (30, 30))
    hole = np.zeros((30, 30), dtype=bool)
    hole[10:14, 20:24] = True
    image[hole] = np.nan
    return image, hole


def test_masked_pixels_are_zero_and_marked_and_follow_every_step(generator: np.random.Generator) -> None:
    image, hole = holed(generator)
    found = prepared(frame(image), [], "mask")
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask[0], hole)
    assert (found.image[0][hole] == 0).all()
    halved = prepared(frame(image), [to(2 * SCALE), cut(10)], "mask")
    assert halved.mask is not None
    np.testing.assert_array_equal(halved.mask[0], block_reduce(hole, (2, 2), np.any)[2:12, 2:12])
    spotless = prepared(frame(np.ones((4, 4))), [], "mask").mask
    assert spotless is not None
    assert not spotless.any()


def test_a_mask_that_comes_with_the_frame_counts_like_nan(generator: np.random.Generator) -> None:
    image, hole = holed(generator)
    whole = np.where(hole, 99.0, image)
    found = prepared(frame(whole, mask=hole[None]), [], "inpaint")
    np.testing.assert_array_equal(found.mask[0], hole)
    assert np.abs(found.image[0][hole] - 5).max() < 0.3
    with pytest.raises(ValueError, match=r"16 of 900 pixels are NaN, infinite or masked; ingest\.nan can mask"):
        prepared(frame(whole, mask=hole[None]), [], "refuse")


def test_inpainting_continues_what_is_around() -> None:
    """A constant exactly; a slope, across a hole in its middle, to a tenth of what it spans there."""
    hole = np.zeros((31, 31), dtype=bool)
    hole[12:19, 12:19] = True
    hole[0:2, 0:2] = True
    np.testing.assert_allclose(inpainted(np.where(hole, np.nan, 7.0), hole), 7.0, rtol=1e-12)
    slope = np.tile(np.arange(31.0), (31, 1))
    filled = inpainted(np.where(hole, np.nan, slope), hole)
    assert np.abs(filled - slope)[12:19, 15].max() < 1e-9, "on the axis of symmetry it is exact"
    assert np.abs(filled - slope)[12:19, 12:19].max() < 3.0
    np.testing.assert_array_equal(filled[~hole], slope[~hole])


@pytest.mark.parametrize(
    ("image", "steps", "nan", "position", "message"),
    [
        (np.full((4, 4), np.nan), [], "inpaint", None, "every pixel is NaN, infinite or masked"),
        (np.array([[1.0, np.inf], [1, 1]]), [], "refuse", None, "1 of 4 pixels are NaN"),
        (np.ones((10, 10)), [cut(11)], "refuse", None, "a cutout of 11 pixels .* leaves the frame of 10 x 10 by 1"),
        (np.ones((10, 10)), [cut(5)], "refuse", (8.0, 5.0), "about x = 8, y = 5 leaves the frame of 10 x 10 by 1"),
        (np.ones((3, 3)), [to(1.0)], "refuse", None, "its 3 pixels are less than one of the new size"),
    ],
)
def test_what_cannot_be_done_says_why(
    image: np.ndarray, steps: list[Step], nan: str, position: tuple[float, float] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        prepared(frame(image), steps, nan, position)


def test_resampling_needs_a_pixel_scale() -> None:
    with pytest.raises(ValueError, match="its pixel scale is unknown"):
        prepared(frame(np.ones((9, 9)), observed={"pixel_scale": math.nan}), [to(0.2)], "refuse")
