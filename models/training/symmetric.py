"""A network's outputs for an image whichever way up it lies."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import single


class Orientations(nn.Module):
    """A model's outputs for an image under each of the eight symmetries of the square.

    Which eight they are depends on no orientation, so neither does what is made of them all alike, whatever the model:
    the mean of their points, which is at least as good as these are on average under any convex loss, or the mixture
    of their distributions (`models.heads.spread`). It costs eight times as much. Vectors go with every image as they
    are.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"] | None = None
    ) -> Float[Tensor, "n 8 ..."]:
        if maps.shape[2] != maps.shape[3]:
            raise ValueError(f"symmetric: needs square frames, not {maps.shape[2]} x {maps.shape[3]}")
        beside = [] if vectors is None else [vectors]
        sides = (maps, maps.flip(3))
        views = (side.rot90(turns, dims=(2, 3)) for side in sides for turns in range(4))
        return torch.stack([single(self.model(view, *beside)) for view in views], dim=1)
