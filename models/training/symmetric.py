"""Predictions that do not depend on which way up an image lies, from any network."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import single
from models.training.predict import point_of


class Symmetric(nn.Module):
    """The mean of what `read` makes of a model's outputs for an image under each of the eight symmetries of the square.

    Itself invariant under all of them, whatever the model; the average is at least as good as its parts are on average
    under any convex loss. It costs eight times as much. Vectors go with every image as they are.
    """

    def __init__(self, model: nn.Module, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.read = model, read

    def forward(
        self, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"] | None = None
    ) -> Float[Tensor, "n ..."]:
        if maps.shape[2] != maps.shape[3]:
            raise ValueError(f"symmetric: needs square frames, not {maps.shape[2]} x {maps.shape[3]}")
        beside = [] if vectors is None else [vectors]
        sides = (maps, maps.flip(3))
        views = (side.rot90(turns, dims=(2, 3)) for side in sides for turns in range(4))
        said = [single(self.read(self.model(view, *beside))) for view in views]
        return torch.stack(said).mean(dim=0)


def symmetric(model: nn.Module, read: Callable[[Tensor], Tensor] | None = None) -> Symmetric:
    """The model averaged over D4; its points, or what `read` says of its outputs, such as quantiles (n, t, q)."""
    return Symmetric(model, read or point_of(model))
