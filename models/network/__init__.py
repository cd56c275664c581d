"""A whole network: a backbone's trunk, vector features fused into it, and a head."""

from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Trunk
from models.blocks.options import one_of
from models.network.fusion import FUSIONS, Fusion


class Network(nn.Module):
    """Normalised maps (n, c, h, w), and vectors (n, v) where it was built for them, to what the head says of targets.

    `head.point(outputs)` gives targets (n, t) from that; `head.loss`, where a head has one, what it is trained with.
    """

    def __init__(self, trunk: Trunk, fusion: Fusion | None, head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.fusion, self.head = trunk, fusion, head

    def forward(self, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"] | None = None) -> Tensor:
        if self.fusion is None:
            return self.head(self.trunk(maps))
        return self.head(self.fusion(self.trunk, maps, self.fusion.checked(vectors)))


def fused(fusion: str, trunk: Trunk, num_vectors: int) -> tuple[Fusion | None, int]:
    """The module that brings so many vector features in, if any, and the width of what the head then sees."""
    one_of("fusion", fusion, FUSIONS)
    kind = FUSIONS[fusion]
    if kind is None or num_vectors == 0:
        return None, trunk.width
    made = kind(trunk.widths, trunk.width, trunk.axis, num_vectors)
    return made, made.width
