"""A network's outputs for an image whichever way up it lies, and what is made of them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from models.heads.spread import said
from models.training.predict import answers, predict
from models.training.symmetric import Orientations

LEVELS = torch.tensor([0.05, 0.3, 0.5, 0.9])


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


def together(model: Any, maps: Tensor, vectors: Tensor | None = None) -> dict[str, Tensor]:
    """What all orientations say; the truth is at zero."""
    outputs = answers(Orientations(model), maps, vectors)
    return said(model.head, outputs, torch.zeros(len(maps), 2), np.arange(len(maps)), LEVELS)


MAPS = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
every_kind = pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "flow"])


@every_kind
def test_its_point_is_the_mean_of_the_points_of_the_eight(kind: str) -> None:
    model = network(widths=[4, 8], head={"kind": kind})
    each = torch.stack([predict(model, view) for view in views(MAPS)])
    torch.testing.assert_close(together(model, MAPS)["point"], each.mean(dim=0), rtol=1e-4, atol=1e-6)
    assert each.std(dim=0).min() > 1e-5  # the network alone is not invariant


@every_kind
def test_nothing_that_it_says_knows_which_way_up_an_image_lies(kind: str) -> None:
    """But for TARP, in which each orientation has its own samples."""
    model = network(widths=[4, 8], head={"kind": kind})
    found = together(model, MAPS)
    assert (
        set(found)
        == {
            "point": {"point"},
            "gaussian": {"point", "quantiles", "spread", "nll", "tarp"},
            "quantiles": {"point", "quantiles", "spread"},
            "flow": {"point", "quantiles", "spread", "nll_joint", "tarp"},
        }[kind]
    )
    for view in views(MAPS):
        for name, values in together(model, view).items():
            torch.testing.assert_close(values, found[name], rtol=0, atol=0.05 if name == "tarp" else 2e-6)


def test_a_network_that_is_invariant_is_left_as_it_is() -> None:
    model = network("d4net", head={"kind": "gaussian"})
    alone = said(model.head, answers(model, MAPS)[:, None], torch.zeros(3, 2), np.arange(3), LEVELS)
    for name, values in together(model, MAPS).items():
        torch.testing.assert_close(values, alone[name], rtol=0, atol=1e-5)


@every_kind
def test_its_outputs_are_the_model_s_for_each_of_the_eight(kind: str) -> None:
    model = network(widths=[4, 8], head={"kind": kind})
    outputs = answers(Orientations(model), MAPS)
    assert outputs.shape[:2] == (3, 8)
    each = torch.stack([answers(model, view) for view in views(MAPS)], dim=1)
    nearest = (outputs[:, :, None] - each[:, None]).flatten(3).abs().amax(dim=3)  # (n, 8, 8)
    assert nearest.amin(dim=1).max() < 1e-5
    assert nearest.amin(dim=2).max() < 1e-5


def test_vectors_go_with_their_images() -> None:
    model = network(vectors=3, widths=[4], fusion="concat")
    vectors = torch.randn(3, 3)
    each = torch.stack([predict(model, view, vectors) for view in views(MAPS)])
    torch.testing.assert_close(together(model, MAPS, vectors)["point"], each.mean(dim=0), rtol=1e-4, atol=1e-6)


def test_bfloat16_answers_are_in_float32() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 2)).bfloat16()
    assert Orientations(model)(MAPS.bfloat16()).dtype == torch.float32


def test_frames_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^symmetric: needs square frames, not 16 x 8"):
        Orientations(network(widths=[4]))(MAPS[..., :8])
