"""The sky rms: right against known noise, blind to the lens, and honest where there is no noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.sky import ESTIMATORS, STARLET_GAINS, border, starlet

BOTH = pytest.mark.parametrize("estimate", ESTIMATORS.values(), ids=list(ESTIMATORS))


def scene(size: int, light: str) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y)
    if light == "ring":
        return 50 * np.exp(-0.5 * (radius - size / 5) ** 2)
    return {"nothing": 0.0, "galaxy": 200.0}[light] * np.exp(-3.67 * np.sqrt(radius / (size / 12)))


@BOTH
@pytest.mark.parametrize("light", ["nothing", "ring", "galaxy"])
@pytest.mark.parametrize("size", [48, 64, 120])
def test_it_is_within_three_per_cent_of_known_noise(estimate, light: str, size: int, generator) -> None:  # noqa: ANN001
    """The mean over 100 frames, with a pedestal of several times the noise."""
    images = (3 + scene(size, light) + generator.normal(0, 0.7, (100, 1, size, size))).astype(np.float32)
    found = estimate(images, None)
    assert found.mean() == pytest.approx(0.7, rel=0.03)
    assert found.std() < 0.04 * 0.7 * 64 / size


@BOTH
def test_it_scales_with_the_image_and_ignores_a_pedestal(estimate, generator) -> None:  # noqa: ANN001
    images = generator.normal(size=(5, 1, 48, 48)).astype(np.float32)
    np.testing.assert_allclose(estimate(images * 8 + 64, None), 8 * estimate(images, None), rtol=1e-4)


@BOTH
def test_an_image_is_alone_in_its_batch(estimate, generator) -> None:  # noqa: ANN001
    images = generator.normal(size=(300, 1, 32, 32)).astype(np.float32)
    alone = np.concatenate([estimate(image[None], None) for image in images])
    np.testing.assert_array_equal(estimate(images, None), alone)


@BOTH
def test_masked_pixels_do_not_count(estimate, generator) -> None:  # noqa: ANN001
    images = generator.normal(size=(50, 1, 64, 64)).astype(np.float32)
    mask = generator.random(images.shape) < 0.1
    spoilt = np.where(mask, np.float32(1e6), images)
    assert estimate(spoilt, mask).mean() == pytest.approx(1, rel=0.03)


@BOTH
def test_no_noise_is_none_at_all(estimate) -> None:  # noqa: ANN001
    np.testing.assert_array_equal(estimate(np.full((2, 1, 32, 32), 4.0, np.float32), None), 0)


def test_the_gain_of_the_first_plane_is_the_published_one() -> None:
    """Starck & Murtagh give 0.890 and 0.201 for the first two planes; and it is what white noise has there."""
    assert pytest.approx([0.890, 0.201], abs=1e-3) == STARLET_GAINS


def test_correlated_noise_is_taken_for_light(generator: np.random.Generator) -> None:
    """What the docstring warns of, and by how much: noise smoothed by a pixel comes out at half its rms."""
    noise = gaussian_filter(generator.normal(size=(50, 1, 64, 64)), (0, 0, 1, 1))
    images = (noise / noise.std()).astype(np.float32)
    assert 0.3 < starlet(images, None).mean() < 0.6
    assert border(images, None).mean() == pytest.approx(1, rel=0.05)
