"""Frames that a patch does not divide."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad


class Pad(nn.Module):
    """Zeros around maps until each side is a multiple of `patch`, as many before as behind (an odd one behind).

    A strided convolution without padding would drop the pixels left over at the right and at the bottom.
    """

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        missing_h, missing_w = (-side % self.patch for side in maps.shape[2:])
        if not missing_h and not missing_w:
            return maps
        left, top = missing_w // 2, missing_h // 2
        return pad(maps, (left, missing_w - left, top, missing_h - top))
