"""What a backbone's file builds: a network without its head, in steps that vector features can act between."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Trunk(nn.Module):
    """From maps (n, c, h, w) to features (n, width): a stem, stages one after the other, and a neck that pools.

    `widths` are the channels that leave each stage, along `axis` of what it gives: 1 for maps, -1 for tokens.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        neck: nn.Module,
        widths: Sequence[int],
        width: int,
        axis: int = 1,
    ) -> None:
        super().__init__()
        self.stem, self.stages, self.neck = stem, nn.ModuleList(stages), neck
        self.widths, self.width, self.axis = tuple(widths), width, axis

    def forward(
        self, maps: Float[Tensor, "n c h w"], acts: Sequence[Callable[[Tensor], Tensor]] = ()
    ) -> Float[Tensor, "n f"]:
        """The features; `acts`, if there are any, act on what each stage gives."""
        state = self.stem(maps)
        for number, stage in enumerate(self.stages):
            state = stage(state)
            state = acts[number](state) if acts else state
        return self.neck(state)


class Mean(nn.Module):
    """The mean of every channel over the frame."""

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
        return torch.mean(maps, dim=(2, 3))
