"""Stretches with a scale of each image's own: astropy's intervals, OpenCV's equalisation, and what they lose."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from astropy.visualization import AsinhStretch, AsymmetricPercentileInterval, MinMaxInterval, ZScaleInterval
from torch import Tensor

from features import MAPS
from features.stretch import clahe, minmax, percentile_clip, zscale
from features.stretch.per_image import BLOCK

every_stretch = pytest.mark.parametrize("stretch", [minmax, percentile_clip, zscale, clahe])


@pytest.fixture
def lenses(generator: np.random.Generator) -> Tensor:
    """Noise below a galaxy of every brightness: in the first there is none, in the last it fills most of the frame."""
    y, x = np.mgrid[:64, :57] - 30.0
    galaxies = [np.zeros_like(x), 30 * np.exp(-np.hypot(x, y) / 4), 300 * np.exp(-np.hypot(x, y) / 30)]
    return torch.from_numpy(np.stack(galaxies) + generator.normal(1, 1, (3, 64, 57)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("knee", [0.0, 0.02, 0.1])
def test_minmax_is_astropys(knee: float, dtype: torch.dtype, lenses: Tensor) -> None:
    """To the rounding of their precision, on both routes."""
    images = lenses.to(dtype)
    scaled = [MinMaxInterval()(image.numpy()) for image in images]
    expected = torch.from_numpy(np.stack([AsinhStretch(knee)(image) if knee else image for image in scaled]))
    torch.testing.assert_close(minmax(images, knee), expected)
    torch.testing.assert_close(minmax(images.clone().requires_grad_(), knee).detach(), expected)


def test_minmax_of_many_blocks_is_that_of_each_image(generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(size=(2 * BLOCK // 60**2 + 3, 60, 60)))
    alone = torch.cat([minmax(image[None], 0.1) for image in images])
    assert torch.equal(minmax(images, 0.1), alone)


@pytest.mark.parametrize(("low", "high"), [(1.0, 99.0), (0.0, 100.0), (12.3, 45.6)])
def test_percentiles_are_astropys(low: float, high: float, lenses: Tensor) -> None:
    expected = [AsymmetricPercentileInterval(low, high)(image.numpy()) for image in lenses]
    torch.testing.assert_close(percentile_clip(lenses, low, high), torch.from_numpy(np.stack(expected)))


@pytest.mark.parametrize("contrast", [0.25, 0.6, 1.0])
def test_zscale_of_every_pixel_is_astropys(contrast: float, lenses: Tensor) -> None:
    """Both fit in float64; ours has its sums in another order."""
    interval = ZScaleInterval(n_samples=64 * 57, contrast=contrast)
    expected = torch.from_numpy(np.stack([interval(image.numpy()) for image in lenses]))
    torch.testing.assert_close(zscale(lenses, contrast), expected, rtol=1e-9, atol=1e-9)


def test_zscale_falls_back_to_the_extremes_where_most_pixels_are_rejected() -> None:
    """A frame of which more than half lies off any line: as astropy's, it becomes the min-max image."""
    image = torch.cat([torch.zeros(1500), 10.0 ** torch.linspace(0, 20, 1500)]).reshape(1, 50, 60).double()
    expected = ZScaleInterval(n_samples=3000)(image[0].numpy())
    torch.testing.assert_close(zscale(image)[0], torch.from_numpy(expected))


@pytest.mark.parametrize("clip", [1.0, 2.0, 40.0])
@pytest.mark.parametrize("tiles", [1, 2])
def test_clahe_is_opencvs_but_for_its_whole_numbers(tiles: int, clip: float, generator: np.random.Generator) -> None:
    """Within 0.02: OpenCV counts a pixel's own grey level as below it (up to 0.012 here), measures the distance to a
    tile's centre from the pixel's corner (half a pixel of 64), and spreads what it cuts off in whole pixels."""
    y, x = np.mgrid[:128, :128] - 60
    image = np.clip(generator.normal(100, 20, (128, 128)) + 80 * np.exp(-(x**2 + y**2) / 800), 0, 255).astype(np.uint8)
    image[0, :2] = 0, 255  # then its grey levels are those of the min-max image
    expected = cv2.createCLAHE(clip, (tiles, tiles)).apply(image) / 255
    ours = clahe(torch.from_numpy(image.astype(np.float64))[None], tiles, clip, 256)[0].numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=0.02)
    assert np.corrcoef(ours.ravel(), expected.ravel())[0, 1] > 0.9997


def test_clahe_of_one_tile_without_a_limit_is_the_rank(lenses: Tensor) -> None:
    """Within a bin's share of the pixels, the largest of 4096 bins: the rank is of pixels, ours of bins."""
    ranks = lenses[1].flatten().argsort().argsort().reshape(64, 57) / (64 * 57)
    ours = clahe(lenses[1:2], 1, 1e9, 4096)[0]
    torch.testing.assert_close(ours, ranks.double(), rtol=0, atol=0.01)


@pytest.mark.parametrize("frame", [(48, 48), (47, 47), (50, 43)], ids=str)
@pytest.mark.parametrize("tiles", [2, 4, 5])
def test_clahe_turns_with_its_image_where_tiles_share_pixels(
    tiles: int, frame: tuple[int, int], generator: np.random.Generator
) -> None:
    images = torch.from_numpy(generator.normal(size=(2, *frame)))
    for turn in (lambda x: x.rot90(dims=(1, 2)), lambda x: x.flip(2)):
        torch.testing.assert_close(clahe(turn(images), tiles), turn(clahe(images, tiles)))


@every_stretch
def test_the_flux_is_gone_and_the_table_says_so(stretch: Callable[[Tensor], Tensor], lenses: Tensor) -> None:
    torch.testing.assert_close(stretch(3 * lenses + 5), stretch(lenses))
    assert "flux" in MAPS[stretch.__name__].per_image


@every_stretch
def test_every_image_lies_between_zero_and_one(stretch: Callable[[Tensor], Tensor], lenses: Tensor) -> None:
    values = stretch(lenses).flatten(1)
    assert (values.amin(dim=1) == 0).all()
    assert values.amax(dim=1).numpy() == pytest.approx(1)
    assert (stretch(torch.full((1, 48, 48), -3.0)) == 0).all()


@pytest.mark.parametrize(
    ("stretch", "options", "message"),
    [
        (minmax, {"knee": -0.1}, "knee: -0.1 of the brightest pixel; it must be above zero, or zero for no arcsinh"),
        (percentile_clip, {"low": 99.5}, "low: 99.5, with high: 99; percentiles are 0 <= low < high <= 100"),
        (percentile_clip, {"high": 101.0}, "low: 1, with high: 101; percentiles are 0 <= low < high <= 100"),
        (zscale, {"contrast": 0.0}, "contrast: 0 must be above zero and at most 1"),
        (clahe, {"tiles": 49}, "tiles: 49 along a side of 48 pixels; from 1 to as many as there are"),
        (clahe, {"clip": 0.5}, "clip: 0.5 times the mean of the bins; it must be at least 1"),
        (clahe, {"bins": 1}, "bins: 1 grey levels; there must be at least 2"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    stretch: Callable[..., Tensor], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        stretch(torch.zeros(1, 48, 50), **options)
