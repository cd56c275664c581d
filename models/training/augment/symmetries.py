"""Augmentation that leaves the label alone."""

import torch
from jaxtyping import Float
from torch import Tensor


def d4(maps: Float[Tensor, "n c s s"], generator: torch.Generator) -> Float[Tensor, "n c s s"]:
    """Each image under a random one of the eight symmetries of the square, exactly: no pixel is interpolated.

    Mass does not know which way is up. The pick is drawn on the CPU, so that every device sees the same one.
    """
    pick = torch.randint(8, (len(maps),), generator=generator).to(maps.device)
    turned = torch.empty_like(maps)
    for symmetry in range(8):
        chosen = pick == symmetry
        image = maps[chosen].rot90(symmetry % 4, dims=(2, 3))
        turned[chosen] = image.flip(3) if symmetry >= 4 else image
    return turned
