"""The sky rms of a batch: the pipeline's estimators, image for image, and right against known noise."""

import numpy as np
import pytest
import torch

from features.geometry import border_rms, starlet_rms
from features.geometry.sky import GAINS
from features.wavelet.starlet import starlet_gain
from pipeline.sky import ESTIMATORS

BOTH = pytest.mark.parametrize(("ours", "name"), [(border_rms, "border"), (starlet_rms, "starlet")])


def scenes(frame: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Noise of rms 0.7 on a pedestal, below nothing, a ring, a galaxy, and one that fills the frame."""
    y, x = (np.mgrid[: frame[0], : frame[1]].T - (np.array(frame) - 1) / 2).T
    radius = np.hypot(x, y)
    light = [0 * radius, 50 * np.exp(-0.5 * (radius - 12) ** 2), 200 * np.exp(-radius / 3), 200 * np.exp(-radius / 40)]
    return 3 + np.stack(light) + generator.normal(0, 0.7, (4, *frame))


@BOTH
@pytest.mark.parametrize("frame", [(64, 64), (47, 60), (101, 101)], ids=str)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, 1e-12), (torch.float32, 2e-4)], ids=str)
def test_it_is_the_pipelines(ours, name, frame, dtype, rounding, generator) -> None:  # noqa: ANN001
    """The same steps, ours in the precision of the image: in float32 a pixel on a threshold may fall otherwise, and the
    25 about it with it."""
    images = torch.from_numpy(scenes(frame, generator)).to(dtype)
    expected = ESTIMATORS[name](images[:, None].numpy(), None)
    found = ours(images)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=rounding)


@BOTH
def test_it_is_right_below_a_ring_and_a_galaxy(ours, name, generator) -> None:  # noqa: ANN001
    """The mean of 50 draws each, within 3 %."""
    images = np.concatenate([scenes((64, 64), generator)[:3] for _ in range(50)])
    assert ours(torch.from_numpy(images)).mean().item() == pytest.approx(0.7, rel=0.03)


@BOTH
def test_an_image_is_alone_in_its_batch_and_no_noise_is_none(ours, name, generator) -> None:  # noqa: ANN001
    images = torch.from_numpy(scenes((48, 48), generator))
    alone = ours(images)
    images[0], images[2], images[3] = torch.nan, 1e30, 5
    assert torch.equal(ours(images)[1], alone[1])
    assert ours(images)[3] == 0


@BOTH
def test_an_image_that_needs_a_gradient_has_the_same(ours, name, generator) -> None:  # noqa: ANN001
    """Sorted by torch instead of NumPy."""
    images = torch.from_numpy(scenes((48, 48), generator))
    torch.testing.assert_close(ours(images.clone().requires_grad_()).detach(), ours(images), rtol=0, atol=0)


def test_its_gains_are_the_starlets() -> None:
    assert pytest.approx([starlet_gain(1), starlet_gain(2)], rel=1e-15) == list(GAINS)


def test_a_frame_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^images: 4 pixels a side; the sky rms takes 5 or more$"):
        starlet_rms(torch.zeros(1, 4, 9))
