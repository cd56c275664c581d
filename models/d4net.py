"""Backbone `d4net`: a residual network that gives the same answer, exactly, for all eight orientations of an image.

How much dark matter a lens has does not depend on which way the camera was held. An ordinary network learns that from
turned copies; this one cannot do otherwise, and has all its weights for what does change the answer.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Trunk
from models.blocks.activation import activation
from models.blocks.group import GroupConv, GroupNorm, Halve, Lift
from models.blocks.group_attention import GroupWindowAttention

HEAD_WIDTH = 16  # numbers of a query, where the channels allow


def build(
    in_channels: int,
    widths: Sequence[int] = (4, 8, 24, 48),
    width: float = 1.0,
    blocks: Sequence[int] = (1, 2, 2, 1),
    attention: Sequence[bool] = (False, False, True, True),
    window: int = 8,
    norm: str = "batch",
    act: str = "gelu",
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    neck: int = 0,
) -> Trunk:
    channels = [round(width * w) for w in widths]
    stem = nn.Sequential(Lift(in_channels, channels[0], 5), Halve())
    stages = []
    for stage, (a, b) in enumerate(pairwise([channels[0], *channels])):
        layers: list[nn.Module] = []
        for block in range(blocks[stage]):
            first = block == 0 and stage > 0
            layers.append(Block(a if block == 0 else b, b, first, norm, act))
        if attention[stage]:
            layers.append(Attend(b, max(1, b // HEAD_WIDTH), window, norm))
        stages.append(nn.Sequential(*layers))
    last = channels[-1]
    tail = [GroupNorm(norm, last), activation(act)]
    if neck:
        tail += [GroupConv(last, neck, 1), GroupNorm(norm, neck), activation(act)]
        last = neck
    return Trunk(stem, stages, nn.Sequential(*tail, Pool(), nn.Dropout(dropout)), channels, last)


class Pool(nn.Module):
    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n c"]:
        return torch.mean(state, dim=(2, 3, 4))


class Block(nn.Module):
    def __init__(self, a: int, b: int, halve: bool, norm: str, act: str) -> None:
        super().__init__()
        self.start = nn.Sequential(GroupNorm(norm, a), activation(act))
        self.one = GroupConv(a, a)
        self.halve = Halve() if halve else nn.Identity()
        self.two = nn.Sequential(GroupNorm(norm, a), activation(act), GroupConv(a, b))
        self.short = GroupConv(a, b, 1) if a != b else None
        nn.init.zeros_(self.two[2].weight)

    def forward(self, state: Tensor) -> Tensor:
        begun = self.start(state)
        if self.short is None:
            return self.halve(state) + self.two(self.halve(self.one(begun)))
        return self.short(self.halve(begun)) + self.two(self.halve(self.one(begun)))


class Attend(nn.Module):
    def __init__(self, channels: int, heads: int, window: int, norm: str) -> None:
        super().__init__()
        self.norm, self.attention = GroupNorm(norm, channels), GroupWindowAttention(channels, heads, window)

    def forward(self, state: Tensor) -> Tensor:
        return state + self.attention(self.norm(state))
