"""Multi-head self-attention within windows of a map, as in AlterNet (Park & Kim 2022, ICLR, arXiv 2202.06709).

The published code asks that windows divide the map and says so by failing: 7-pixel windows divide none of the maps
that frames of 64 or 150 pixels give. Here a map has as many windows as it would have of the size asked for, each then
as small as covers it: a side of 8 has two windows of 4, not two of 7 with six pixels of padding; a side of 19 has three
of 7, with two. Where windows do divide, it is the published one. What padding is left, nobody attends to.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

HEAD_WIDTH = 64


class Windows(NamedTuple):
    """`rows` times `columns` windows, each `height` times `width` pixels, over a map padded below and on the right."""

    rows: int
    columns: int
    height: int
    width: int

    @property
    def sides(self) -> tuple[int, int]:
        """Of the padded map."""
        return self.rows * self.height, self.columns * self.width


def windows_over(height: int, width: int, largest: int) -> Windows:
    """As few windows as cover the map with none wider than `largest`, and as small as that many may be.

    Every window has at least one row and column of the map: padding is one pixel a window at most if the window had to
    shrink, and less than a window otherwise.
    """
    rows, columns = -(-height // largest), -(-width // largest)
    return Windows(rows, columns, -(-height // rows), -(-width // columns))


def split(maps: Shaped[Tensor, "n h w c"], windows: Windows) -> Shaped[Tensor, "m pixels c"]:
    """The pixels of every window, row by row; padding is zero."""
    n, h, w, c = maps.shape
    below, right = windows.sides[0] - h, windows.sides[1] - w
    if below or right:
        maps = pad(maps, (0, 0, 0, right, 0, below))
    tiles = maps.reshape(n, windows.rows, windows.height, windows.columns, windows.width, c).transpose(2, 3)
    return tiles.reshape(-1, windows.height * windows.width, c)


def join(tokens: Float[Tensor, "m pixels c"], windows: Windows, height: int, width: int) -> Float[Tensor, "n h w c"]:
    """The map that `split` took apart, without its padding."""
    tiles = tokens.unflatten(1, (windows.height, windows.width))
    tiles = tiles.unflatten(0, (-1, windows.rows, windows.columns)).transpose(2, 3)  # (n, rows, height, columns, ...)
    return tiles.reshape(-1, *windows.sides, tokens.shape[-1])[:, :height, :width]


def padding(windows: Windows, height: int, width: int, device: torch.device) -> Bool[Tensor, "m pixels"]:
    """Which pixels of each window lie outside the map."""
    outside = torch.ones(1, *windows.sides, 1, dtype=torch.bool, device=device)
    outside[:, :height, :width] = False
    return split(outside, windows)[..., 0]


class WindowAttention(nn.Module):
    """softmax(qkᵀ/√64 + B) v within windows, and a linear layer with a bias from all heads to `out_channels`.

    B is one learnt number for every difference of positions, the same for all heads: a table of (2·window − 1)²
    whatever the size of the map, of which smaller windows use the middle. Windows do not overlap and are not shifted.
    Maps in channels-last memory are read without a copy if one window covers them.
    """

    offsets: Tensor

    def __init__(self, in_channels: int, out_channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(in_channels, 3 * heads * HEAD_WIDTH, bias=False)
        self.out = nn.Linear(heads * HEAD_WIDTH, out_channels)
        self.table = nn.Parameter(0.02 * torch.randn((2 * window - 1) ** 2))
        self.register_buffer("offsets", offsets(window), persistent=False)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n o h w"]:
        h, w = maps.shape[2:]
        windows = windows_over(h, w, self.window)
        tokens = split(maps.permute(0, 2, 3, 1), windows)
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        bias = self.bias(windows, h, w, len(maps)).to(q.dtype)
        seen = scaled_dot_product_attention(q, k, v, attn_mask=bias)  # (m, heads, pixels, 64)
        return join(self.out(seen.transpose(1, 2).flatten(2)), windows, h, w).permute(0, 3, 1, 2)

    def bias(self, windows: Windows, height: int, width: int, images: int) -> Float[Tensor, "m 1 pixels pixels"]:
        """B for every pair of pixels of a window, minus infinity towards padding; m is 1 if there is no padding."""
        bias = self.table[within(self.offsets, windows.height, windows.width)][None, None]
        if windows.sides == (height, width):
            return bias
        outside = padding(windows, height, width, bias.device)
        return bias.masked_fill(outside[:, None, None], -torch.inf).repeat(images, 1, 1, 1)


def offsets(window: int) -> Int[Tensor, "p p p p"]:
    """Where in the table to look for a pair of pixels (row, column) and (row, column) of the largest window."""
    steps = torch.arange(window)
    difference = steps[None, :] - steps[:, None] + window - 1  # the second minus the first, from zero
    return difference[:, None, :, None] * (2 * window - 1) + difference[None, :, None, :]


def within(offsets: Int[Tensor, "p p p p"], height: int, width: int) -> Int[Tensor, "pixels pixels"]:
    """Those of a smaller window, pixel by pixel: queries in rows, keys in columns."""
    rows, columns = slice(height), slice(width)
    return offsets[rows, columns, rows, columns].flatten(2).flatten(0, 1)
