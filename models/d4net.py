"""Backbone `d4net`: a residual network that says the same, exactly, of all eight orientations of an image.

How much dark matter a lens has does not depend on how the camera was held. An ordinary network learns that from turned
copies of its images; this one cannot do otherwise, and has all its weights for what does change the answer.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Trunk
from models.blocks.activation import activation as activated
from models.blocks.group import GroupConv, GroupNorm, Halve, Lift
from models.blocks.group_attention import GroupWindowAttention
from models.blocks.stochastic_depth import StochasticDepth, check_rate

HEAD_WIDTH = 16  # numbers of a query, about


def build(
    in_channels: int,
    widths: Sequence[int] = (4, 8, 16, 48),
    blocks: Sequence[int] = (1, 2, 2, 1),
    attention: Sequence[bool] = (False, False, True, True),
    window: int = 8,
    width: float = 1.0,
    norm: str = "batch",
    activation: str = "gelu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """A convolution lifts the maps to eight orientations and the frame is halved; then come pre-activation stages.

    Each has its `widths` channels in eight orientations, so many `blocks` of two 3 x 3 group convolutions and, where
    `attention` says so, a last one of attention within windows of at most `window` pixels a side. Every stage but the
    first halves the frame: at 64 pixels they see 32, 16, 8 and 4. The features are means over frame and orientations.
    Exact for any frame; 0.23 M parameters as it stands, for one channel and one target.

    `width` multiplies all widths; `stochastic_depth` is how likely an image is to
    pass the last block by in training (Huang et al. 2016, ECCV), the blocks before it less in proportion.
    """
    _check(widths, blocks, attention, window)
    check_rate(stochastic_depth)
    channels = [max(1, round(width * each)) for each in widths]
    layer = partial(_norm_act, norm, activation)
    skips = iter(torch.linspace(0, stochastic_depth, sum(blocks) + sum(attention) + 1)[1:].tolist())
    stages = []
    for stage, (before, after) in enumerate(pairwise([channels[0], *channels])):
        entry = [Block(before, after, stage > 0, layer, next(skips))]
        same = [Block(after, after, False, layer, next(skips)) for _ in range(blocks[stage] - 1)]
        close = [Attention(after, window, norm, next(skips))] if attention[stage] else []
        stages.append(nn.Sequential(*entry, *same, *close))
    neck = nn.Sequential(layer(channels[-1]), StateMean())
    return Trunk(nn.Sequential(Lift(in_channels, channels[0], 5), Halve()), stages, neck, channels, channels[-1])


class Block(nn.Module):
    """Pre-activation residual block (He et al. 2016, ECCV, Fig. 4e); its branch begins at zero.

    Where it halves the frame it does so between its convolutions: the first still sees every pixel, at the width that
    came in, and costs what a strided one of the new width would.
    """

    def __init__(self, before: int, after: int, halves: bool, layer: Callable[[int], nn.Module], skip: float) -> None:
        super().__init__()
        self.begin = layer(before)
        self.halve = Halve() if halves else nn.Identity()
        last = GroupConv(before, after)
        self.first, self.second = GroupConv(before, before), nn.Sequential(layer(before), last)
        self.shortcut = GroupConv(before, after, 1) if before != after else None
        self.skip = StochasticDepth(skip)
        nn.init.zeros_(last.weight)

    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n o 8 u v"]:
        begun = self.begin(state)
        branch = self.second(self.halve(self.first(begun)))
        short = self.halve(state) if self.shortcut is None else self.shortcut(self.halve(begun))
        return short + self.skip(branch)


class Attention(nn.Module):
    """Normalisation and window attention, beside an identity."""

    def __init__(self, channels: int, window: int, norm: str, skip: float) -> None:
        super().__init__()
        heads = max(n for n in range(1, max(1, channels // HEAD_WIDTH) + 1) if channels % n == 0)
        self.branch = nn.Sequential(GroupNorm(norm, channels), GroupWindowAttention(channels, heads, window))
        self.skip = StochasticDepth(skip)

    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n c 8 h w"]:
        return state + self.skip(self.branch(state))


class StateMean(nn.Module):
    """The mean of every channel over frame and orientations: here the network stops turning."""

    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n c"]:
        return torch.mean(state, dim=(2, 3, 4))


def _norm_act(norm: str, activation: str, channels: int) -> nn.Module:
    return nn.Sequential(GroupNorm(norm, channels), activated(activation))


def _check(
    widths: Sequence[int],
    blocks: Sequence[int],
    attention: Sequence[bool],
    window: int,
) -> None:
    if not widths or min(widths) < 1:
        raise ValueError(f"widths: {list(widths)}; there must be one or more, each at least 1")
    if len(blocks) != len(widths) or min(blocks) < 1:
        raise ValueError(f"blocks: {list(blocks)}; there must be {len(widths)}, one a stage, each at least 1")
    if len(attention) != len(widths):
        raise ValueError(f"attention: {list(attention)}; there must be {len(widths)}, true or false for each stage")
    if window < 2:
        raise ValueError(f"window: {window} pixels have no neighbours; there must be 2 or more")
