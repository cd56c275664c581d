"""How vector features enter a network."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Trunk


class Fusion(nn.Module):
    """Calls a trunk with maps and vectors; `width` is that of the features it gives."""

    def __init__(self, widths: Sequence[int], width: int, axis: int, num_vectors: int) -> None:
        super().__init__()
        self.width, self.num_vectors = width, num_vectors

    def checked(self, vectors: Float[Tensor, "n v"] | None) -> Float[Tensor, "n v"]:
        """The vectors, if they are what the network was built for."""
        given = 0 if vectors is None else vectors.shape[1]
        if vectors is None or given != self.num_vectors:
            raise ValueError(f"vectors: {given or 'no'} columns; this network was built for {self.num_vectors}")
        return vectors


class Concat(Fusion):
    """Beside the trunk's features, before the head."""

    def __init__(self, widths: Sequence[int], width: int, axis: int, num_vectors: int) -> None:
        super().__init__(widths, width + num_vectors, axis, num_vectors)

    def forward(
        self, trunk: Trunk, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"]
    ) -> Float[Tensor, "n f"]:
        return torch.cat([trunk(maps), vectors], dim=1)


class FiLM(Fusion):
    """As a scale and a shift of every channel that leaves a stage (Perez et al. 2018, AAAI, eq. 2).

    One small perceptron gives them for all stages. Its last layer begins at zero and gives what a scale differs from
    one by (their section 7.2), so that the network begins as the one without vectors. They act before the last
    activation of a residual block; we act after the stage, because a trunk's stages are closed to us.
    """

    HIDDEN = 64

    def __init__(self, widths: Sequence[int], width: int, axis: int, num_vectors: int) -> None:
        super().__init__(widths, width, axis, num_vectors)
        self.widths, self.axis = list(widths), axis
        self.hidden = nn.Sequential(nn.Linear(num_vectors, self.HIDDEN), nn.GELU())
        self.last = nn.Linear(self.HIDDEN, 2 * sum(widths))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, trunk: Trunk, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"]
    ) -> Float[Tensor, "n f"]:
        scales, shifts = (part.split(self.widths, dim=1) for part in self.last(self.hidden(vectors)).chunk(2, dim=1))
        pairs = zip(scales, shifts, strict=True)
        return trunk(maps, [partial(_modulated, scale=1 + a, shift=b, axis=self.axis) for a, b in pairs])


def _modulated(
    state: Float[Tensor, "n ..."], scale: Float[Tensor, "n c"], shift: Float[Tensor, "n c"], axis: int
) -> Float[Tensor, "n ..."]:
    """Scale times state plus shift, along one axis of the state; the same at every pixel or token."""
    shape = [1] * state.ndim
    shape[0], shape[axis] = scale.shape
    return state * scale.reshape(shape) + shift.reshape(shape)


FUSIONS: dict[str, type[Fusion] | None] = {"none": None, "concat": Concat, "film": FiLM}
