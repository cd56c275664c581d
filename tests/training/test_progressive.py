"""Progressive learning: its stages are the paper's, small images have the same brightness, and dropout goes back."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

import models
from models.training.progressive import Stage, level, resized, set_dropout, stages


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# stages


def test_efficientnetv2_m_s_stages() -> None:
    """From 128 to 380 pixels, dropout .1 to .4, mixup 0 to .2, magnitude 5 to 20 (Tan & Le 2021, table 6)."""
    made = stages(4, (128, 380), (0.1, 0.4), (0.0, 0.2), (5.0, 20.0), multiple=1)
    assert [stage.size for stage in made] == [128, 212, 296, 380]
    for name, first, last in (("dropout", 0.1, 0.4), ("mixup", 0.0, 0.2), ("magnitude", 5.0, 20.0)):
        assert [getattr(stage, name) for stage in made] == pytest.approx(np.linspace(first, last, 4).tolist())


@pytest.mark.parametrize(
    ("count", "size", "multiple", "sizes"),
    [
        (4, (64, 150), 8, [64, 96, 120, 150]),  # the last is the frame, whatever it is a multiple of
        (4, (64, 150), 2, [64, 92, 122, 150]),
        (3, (40, 47), 8, [40, 40, 47]),
        (3, (46, 47), 16, [47, 47, 47]),  # 48 would be more than there is
        (1, (32, 48), 8, [48]),
    ],
)
def test_sizes_are_multiples_up_to_the_frame(
    count: int, size: tuple[int, int], multiple: int, sizes: list[int]
) -> None:
    assert [stage.size for stage in stages(count, size, multiple=multiple)] == sizes


def test_every_stage_has_its_share_of_the_steps() -> None:
    made = stages(4, (16, 48))
    assert [made.index(level(made, step, 8)) for step in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
    counts = np.bincount([made.index(level(made, step, 1003)) for step in range(1003)])
    assert counts.min() >= 250
    assert counts.max() <= 251
    assert level(made, 0, 2) == made[0]  # more stages than steps
    assert isinstance(level(made, 1, 2), Stage)
    assert level(made, 1, 2) == made[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, r"^progressive\.stages: 0; there must be at least 1"),
        ({"size": (64, 48)}, r"^progressive\.size: from 64 pixels; from 8 to 48"),
        ({"size": (4, 48)}, r"^progressive\.size: from 4 pixels; from 8 to 48"),
        ({"multiple": 0}, r"^progressive\.multiple: 0; it must be at least 1"),
        ({"dropout": (0.1, 1.0)}, r"^progressive\.dropout: \[0\.1, 1\.0\]; both must be at least 0 and below 1"),
        ({"mixup": (-0.1, 0.2)}, r"^progressive\.mixup: \[-0\.1, 0\.2\]; both must be at least 0"),
        ({"magnitude": (float("nan"), 1.0)}, r"^progressive\.magnitude: "),
    ],
)
def test_a_stage_that_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stages(**({"count": 4, "size": (16, 48)} | options))


def test_a_step_beyond_the_last_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^progressive: step 8 of 8; they are counted from 0"):
        level(stages(4, (16, 48)), 8, 8)


# sizes


@pytest.mark.parametrize("size", [24, 16, 12])
def test_where_sizes_divide_a_pixel_is_the_mean_of_a_block(size: int) -> None:
    maps = noise(2, 3, 48, 48)
    torch.testing.assert_close(resized(maps, size), avg_pool2d(maps, 48 // size), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [8, 31, 40, 47])
def test_surface_brightness_stays_and_flux_goes_with_the_number_of_pixels(size: int) -> None:
    maps = noise(3, 2, 48, 48) + 5
    made = resized(maps, size)
    assert made.shape == (3, 2, size, size)
    torch.testing.assert_close(made.mean(dim=(2, 3)), maps.mean(dim=(2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(made.sum(dim=(2, 3)) / maps.sum(dim=(2, 3)), torch.full((3, 2), (size / 48) ** 2))
    torch.testing.assert_close(resized(torch.ones_like(maps), size), torch.ones(3, 2, size, size))


@pytest.mark.parametrize("size", [16, 31])
def test_a_lens_keeps_its_place_and_its_profile(size: int) -> None:
    """A wide blob off the middle, in pixels that are as much larger: it is where it was, as bright, as wide."""
    scale = 48 / size

    def blob(side: int, sigma: float, y: float, x: float) -> torch.Tensor:
        at = torch.arange(side) + 0.5
        return torch.exp(-((at[:, None] - y) ** 2 + (at - x) ** 2) / (2 * sigma**2))[None, None]

    made = resized(blob(48, 6.0, 20.0, 30.0), size)
    wide = (6**2 / scale**2 + (1 - 1 / scale**2) / 12) ** 0.5  # a mean over a pixel widens by its own variance
    expected = blob(size, wide, 20 / scale, 30 / scale) * (6 / scale / wide) ** 2
    torch.testing.assert_close(made, expected, rtol=0, atol=2e-2 if 48 % size else 1e-3)


def test_waves_too_short_for_the_small_image_are_averaged_away() -> None:
    stripes = torch.arange(48).remainder(2).float().mul(2).sub(1).expand(1, 1, 48, 48)
    assert resized(stripes, 24).abs().max() < 1e-6
    assert resized(stripes, 20).abs().max() < 0.5


def test_the_whole_frame_is_untouched() -> None:
    maps = noise(2, 1, 32, 40)
    assert resized(maps, 32) is maps
    assert resized(maps, 16).shape == (2, 1, 16, 20)


@pytest.mark.parametrize("size", [0, 49])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"^progressive\.size: {size} pixels; from 1 to 48"):
        resized(noise(1, 1, 48, 48), size)


# dropout


class Borrowed(nn.Module):
    """As timm's networks are: a rate that the forward pass reads, and stochastic depth beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.drop_rate, self.drop_path_rate = 0.2, 0.1
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1))


def test_dropout_is_set_and_goes_back() -> None:
    torch.manual_seed(0)
    model = models.build("cnn", 1, 1, widths=[4], head={"widths": [8], "dropout": 0.3})
    before = set_dropout(model, 0.0)
    assert list(before.values()) == [0.3, 0.3]
    model.head.train()
    assert torch.equal(model.head(torch.ones(3, 4)), model.head(torch.ones(3, 4)))
    assert set_dropout(model, before) == dict.fromkeys(before, 0.0)
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.3, 0.3]
    assert not torch.equal(model.head(torch.ones(3, 4)), model.head(torch.ones(3, 4)))


def test_timm_s_rate_is_set_and_stochastic_depth_is_not() -> None:
    model = Borrowed()
    before = set_dropout(model, 0.4)
    assert before == {"": 0.2, "classifier.0": 0.5}
    assert (model.drop_rate, model.drop_path_rate, model.classifier[0].p) == (0.4, 0.1, 0.4)
    set_dropout(model, before)
    assert (model.drop_rate, model.classifier[0].p) == (0.2, 0.5)


def test_the_dropouts_of_a_trunk_are_left() -> None:
    """A transformer has four in every block; the paper's is before the last layer alone."""
    model = nn.Module()
    model.trunk, model.head = nn.Dropout(0.0), nn.Dropout(0.1)
    assert set_dropout(model, 0.4) == {"head": 0.1}
    assert model.trunk.p == 0.0
