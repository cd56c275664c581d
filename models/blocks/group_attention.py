"""Attention within windows of a state of eight orientations, which turns with it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from models.blocks.attention import offsets, within
from models.blocks.group import ORDER, GroupConv, turned

Tiling = tuple[int, int]  # along one side of a frame: how many windows, of how many pixels each


def tiling(side: int, largest: int) -> Tiling:
    """The fewest windows of `largest` pixels or less that cover a side and overhang equally at both its ends."""
    counts = range(-(-side // largest), side + 1)
    fits = ((n, size) for n in counts for size in range(-(-side // n), largest + 1) if (n * size - side) % 2 == 0)
    return next(fits)


class GroupWindowAttention(nn.Module):
    """Window self-attention (Liu et al. 2021, ICCV; without shifts), exactly equivariant under D4.

    Queries, keys and values mix the orientations by 1 x 1 group convolutions. Then each orientation attends over the
    pixels of a window with its own copy of the relative-position bias, turned as filters are: 8 `heads` heads in all.
    A window has `window` pixels a side at most; what it overhangs the frame by is attended to by none. The last
    projection begins at zero.
    """

    offsets: Tensor

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"heads: {heads} do not divide {channels} channels; choose a divisor")
        self.heads, self.window = heads, window
        self.register_buffer("offsets", offsets(window), persistent=False)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * window - 1, 2 * window - 1))  # at key minus query
        self.query_key_value = GroupConv(channels, 3 * channels, 1)
        self.project = GroupConv(channels, channels, 1)
        nn.init.zeros_(self.project.weight)

    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n c 8 h w"]:
        height, width = state.shape[-2:]
        rows, columns = tiling(height, self.window), tiling(width, self.window)
        x, y = (columns[0] * columns[1] - width) // 2, (rows[0] * rows[1] - height) // 2
        margins = (x, x, y, y)
        query, key, value = self._windows(pad(self.query_key_value(state), margins), rows, columns)
        bias = self._bias(rows[1], columns[1])
        if x or y:
            inside = pad(torch.ones(height, width, dtype=torch.bool, device=state.device), margins)
            bias = bias.masked_fill(~_tiles(inside, rows, columns)[:, None, None], -torch.inf)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        whole = self._frame(seen, rows, columns)
        return self.project(whole[..., y : y + height, x : x + width])

    def _windows(
        self, mixed: Float[Tensor, "n c 8 h w"], rows: Tiling, columns: Tiling
    ) -> Float[Tensor, "3 n v k p d"]:
        """Queries, keys and values of v windows, k = 8 `heads` heads, p pixels, d numbers each."""
        parts = mixed.unflatten(4, columns).unflatten(3, rows).unflatten(1, (3, self.heads, -1))
        parts = parts.permute(1, 0, 5, 7, 4, 2, 6, 8, 3)  # 3, n, rows, columns, orientation, head, row, column, d
        return parts.flatten(6, 7).flatten(4, 5).flatten(2, 3)

    def _frame(self, seen: Float[Tensor, "n v k p d"], rows: Tiling, columns: Tiling) -> Float[Tensor, "n c 8 h w"]:
        """The windows put together again, and the heads to channels."""
        parts = seen.unflatten(3, (rows[1], columns[1])).unflatten(2, (ORDER, -1)).unflatten(1, (rows[0], columns[0]))
        parts = parts.permute(0, 1, 5, 2, 6, 3, 4, 7)  # n, rows, row, columns, column, orientation, head, d
        whole = parts.flatten(6, 7).flatten(3, 4).flatten(1, 2)  # (n, h, w, 8, c)
        return whole.permute(0, 4, 3, 1, 2)

    def _bias(self, height: int, width: int) -> Float[Tensor, "k p q"]:
        """What is added to the logits of each head, by query and key."""
        tables = torch.stack([turned(self.bias, g) for g in range(ORDER)]).flatten(2)  # (8, heads, offsets)
        index = within(self.offsets, height, width)
        return tables.index_select(2, index.flatten()).unflatten(2, index.shape).flatten(0, 1)


def _tiles(frame: Bool[Tensor, "h w"], rows: Tiling, columns: Tiling) -> Bool[Tensor, "v p"]:
    return frame.unflatten(1, columns).unflatten(0, rows).transpose(1, 2).flatten(2).flatten(0, 1)
