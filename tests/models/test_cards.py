"""The cards of backbones: what is counted and measured against what can be worked out."""

import math

import pytest
import torch

import models
from benchmarks import cards


def test_the_operations_of_convolutions_are_counted() -> None:
    """Nine multiplications with their additions for each pair of channels at each pixel that is left."""
    layers = [
        (1, 16, 32),
        (16, 16, 32),
        (16, 32, 16),
        (32, 32, 16),
        (32, 64, 8),
        (64, 64, 8),
        (64, 128, 4),
        (128, 128, 4),
    ]
    convolutions = sum(9 * before * after * side**2 for before, after, side in layers)
    assert cards.operations(models.build("cnn", 1, 1), 64) == 2 * (convolutions + 128)


def test_the_operations_of_attention_are_counted() -> None:
    """Of k tokens of d features: 12 k d² in the layers of a block, 2 k² d in its attention."""
    tokens, features, depth = 36, 192, 4
    block = 12 * tokens * features**2 + 2 * tokens**2 * features
    embedding = tokens * 8 * 8 * features
    model = models.build("vit", 1, 1, size=48, depth=depth)
    assert cards.operations(model, 48) == 2 * (depth * block + embedding + features)


def test_resnet18_has_the_published_operations() -> None:
    """torchvision states 1.814 for the multiplications, in 10⁹, of three channels at 224 px."""
    assert cards.operations(models.build("resnet", 3, 1000), 224, 3) / 2e9 == pytest.approx(1.814, abs=1e-3)


def test_sees_what_its_convolutions_reach() -> None:
    """Each 3 x 3 convolution reaches a step further to both sides: 1 + 2 (1 + 2 + 2 + 4 + 4 + 8 + 8 + 16) pixels."""
    gradient = cards.sensitivity(models.build("cnn", 1, 1, widths=[8, 8, 8, 8]), 128)
    assert cards.extent(gradient) == 1 + 2 * (1 + 2 + 2 + 4 + 4 + 8 + 8 + 16) == 91
    assert 0 < cards.half_within(gradient) < 91


@pytest.mark.parametrize(("name", "options"), [("resnet", {"width": 0.25}), ("vit", {"depth": 4})])
def test_sees_the_whole_frame(name: str, options: dict[str, float]) -> None:
    """A resnet18 reaches 435 px through branches that start at zero; attention reaches everywhere."""
    assert cards.extent(cards.sensitivity(models.build(name, 1, 1, **options), 96)) == 96


def test_half_of_a_normal_distribution_is_within_1_18_sigma() -> None:
    y, x = torch.meshgrid(torch.arange(101.0), torch.arange(101.0), indexing="ij")
    blob = torch.exp(-((y - 40) ** 2 + (x - 55) ** 2) / (2 * 8**2))
    assert cards.half_within(blob) == pytest.approx(2 * 8 * math.sqrt(2 * math.log(2)), abs=0.6)


def test_the_page_has_a_row_and_a_reference_for_every_card() -> None:
    numbers = {"parameters": 1_234_567, "operations": [1e9, 2e9], "sees": 91, "half": 50.0, "memory": 10**7}
    speeds = {"training": [100.0, 10.0], "evaluation": [300.0, 30.0]}
    page = cards.page([{"name": name} | numbers | speeds for name in models.BACKBONES])
    for name in models.BACKBONES:
        assert f"| `{name}` | 1,234,567 | 1 | 2 | 91 px | 50 px | 100 | 10 | 300 | 30 | 10 MB |" in page
        assert f"- `{name}`: " in page
    assert "Dosovitskiy et al. 2021, ICLR, arXiv 2010.11929; tiny and small: Touvron" in page
    assert "`cnn`: ours" in page
    assert "{" not in page
