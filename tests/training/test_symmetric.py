"""The average of a network's predictions over the symmetries of the square."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from models.training.predict import answers, predict
from models.training.symmetric import symmetric


def network(name: str = "cnn", vectors: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, 1, 2, vectors, **options).eval()


def views(maps: Tensor) -> list[Tensor]:
    """Rotations of the image and of its transpose, by numpy."""
    array = maps.numpy()
    return [
        torch.from_numpy(np.rot90(side, k, axes=(2, 3)).copy())
        for side in (array, array.transpose(0, 1, 3, 2))
        for k in range(4)
    ]


MAPS = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "flow"])
def test_is_the_mean_of_the_points_of_the_eight(kind: str) -> None:
    model = network(widths=[4, 8], head={"kind": kind})
    each = torch.stack([predict(model, view) for view in views(MAPS)])
    torch.testing.assert_close(predict(symmetric(model), MAPS), each.mean(dim=0), rtol=1e-4, atol=1e-6)
    assert each.std(dim=0).min() > 1e-5  # the network alone is not invariant


@pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "flow"])
def test_does_not_know_which_way_up_an_image_lies(kind: str) -> None:
    model = symmetric(network(widths=[4, 8], head={"kind": kind}))
    found = predict(model, MAPS)
    for view in views(MAPS):
        torch.testing.assert_close(predict(model, view), found, rtol=0, atol=1e-6)


def test_a_network_that_is_invariant_is_left_as_it_is() -> None:
    model = network("d4net")
    torch.testing.assert_close(predict(symmetric(model), MAPS), predict(model, MAPS), rtol=0, atol=1e-5)


def test_quantiles_are_averaged_as_well() -> None:
    model = network(widths=[4, 8], head={"kind": "gaussian"})
    levels = torch.tensor([0.16, 0.5, 0.84])

    def read(outputs: Tensor) -> Tensor:
        return model.head.quantile(outputs, levels)

    found = answers(symmetric(model, read), MAPS)
    assert found.shape == (3, 2, 3)
    each = torch.stack([answers(model, view, read=read) for view in views(MAPS)])
    torch.testing.assert_close(found, each.mean(dim=0), rtol=1e-4, atol=1e-6)


def test_vectors_go_with_their_images() -> None:
    model = network(vectors=3, widths=[4], fusion="concat")
    vectors = torch.randn(3, 3)
    each = torch.stack([predict(model, view, vectors) for view in views(MAPS)])
    torch.testing.assert_close(predict(symmetric(model), MAPS, vectors), each.mean(dim=0), rtol=1e-4, atol=1e-6)


def test_bfloat16_answers_are_averaged_in_float32() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 2)).bfloat16()
    assert symmetric(model)(MAPS.bfloat16()).dtype == torch.float32


def test_frames_that_are_not_square_are_refused() -> None:
    model = symmetric(network(widths=[4]))
    with pytest.raises(ValueError, match=r"^symmetric: needs square frames, not 16 x 8"):
        model(MAPS[..., :8])
