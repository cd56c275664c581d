"""How vector features enter a network."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Trunk


class Fusion(nn.Module):
    """Calls a trunk with maps and vectors; `width` is that of the features it gives."""

    def __init__(self, widths: Sequence[int], width: int, axis: int, num_vectors: int) -> None:
        super().__init__()
        self.width = width


class Concat(Fusion):
    """Beside the trunk's features, before the head."""

    def __init__(self, widths: Sequence[int], width: int, axis: int, num_vectors: int) -> None:
        super().__init__(widths, width + num_vectors, axis, num_vectors)

    def forward(
        self, trunk: Trunk, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"]
    ) -> Float[Tensor, "n f"]:
        return torch.cat([trunk(maps), vectors], dim=1)


FUSIONS: dict[str, type[Fusion] | None] = {"none": None, "concat": Concat}
