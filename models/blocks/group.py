"""Layers that turn with their input: convolutions over D4, the eight symmetries of the square.

Cohen & Welling 2016 (ICML, arXiv 1602.07576; their p4m): maps are seen in eight orientations, (n, c, 8, h, w). Element
g = 4 m + r turns an image by r quarter turns and then, where m is 1, mirrors it. It acts on a state by
(g f)(h) = g [f(g⁻¹ h)]: the picture in each orientation turns, and the orientations change places. A convolution
looks with the eight turned copies of its filters: an eighth of the parameters of an ordinary one, at the same cost.

A state lies in memory as (n, h, w, 8, c). So a group convolution is one ordinary convolution of 8 c channels in
channels-last layout, and its normalisation that of c channels on a frame eight times as wide; both see it by a view.

A filter of odd side turns exactly; a stride does so only where it meets the frame symmetrically: one that starts at an
edge of the frame does not. `Halve` does, at every side.
"""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from models.blocks.normalisation import normalisation

ORDER = 8


def turned(images: Shaped[Tensor, "*k h w"], element: int) -> Shaped[Tensor, "*k u v"]:
    """Images under one of the eight symmetries; 0 leaves them alone. The numbers are those of `training.augment.d4`."""
    images = images.rot90(element % 4, dims=(-2, -1))
    return images.flip(-1) if element >= 4 else images


def quotient(g: int, h: int) -> int:
    """The number of g⁻¹ h: what a mirror stands between turns the other way."""
    mirror = (g // 4 + h // 4) % 2
    return 4 * mirror + (h + g if mirror else h - g) % 4


def acted(state: Shaped[Tensor, "n c 8 h w"], element: int) -> Shaped[Tensor, "n c 8 u v"]:
    """A state under one of the eight symmetries: what a layer gives of a turned image, where it turns exactly."""
    return turned(state[:, :, [quotient(element, h) for h in range(ORDER)]], element)


def folded(state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n k h w"]:
    """Orientations and channels as one axis of 8 c, the orientation outermost."""
    return state.transpose(1, 2).flatten(1, 2)


def unfolded(maps: Float[Tensor, "n k h w"]) -> Float[Tensor, "n c 8 h w"]:
    """Back from `folded`."""
    return maps.unflatten(1, (ORDER, -1)).transpose(1, 2)


class Lift(nn.Conv2d):
    """From maps to a state: each filter in its eight orientations. Any odd `size`, stride 1."""

    def __init__(self, in_channels: int, out_channels: int, size: int) -> None:
        super().__init__(in_channels, out_channels, size, padding=size // 2, bias=False)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n o 8 h w"]:
        filters = torch.cat([turned(self.weight, g) for g in range(ORDER)])  # (8 o, c, k, k)
        seen = self._conv_forward(maps, filters, None)
        return unfolded(seen.contiguous(memory_format=torch.channels_last))


class GroupConv(nn.Conv2d):
    """From a state to a state; the filters know how the orientations lie to one another. Any odd `size`, stride 1.

    The weights (o, 8 i, k, k) are those of an ordinary convolution that looks at all orientations and gives one: what
    initialises by fan-in initialises this one rightly. They are turned once a call, whatever the number of images.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int = 3) -> None:
        super().__init__(ORDER * in_channels, out_channels, size, padding=size // 2, bias=False)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.register_buffer("source", _sources(size), persistent=False)

    def forward(self, state: Float[Tensor, "n i 8 h w"]) -> Float[Tensor, "n o 8 h w"]:
        return unfolded(self._conv_forward(folded(state), self.filters(), None))

    def filters(self) -> Float[Tensor, "p q k k"]:
        """The weights under each element of the group, (8 o, 8 i, k, k), laid out as a state is."""
        size = self.kernel_size[0]
        taps = self.weight.permute(0, 2, 3, 1).unflatten(3, (ORDER, -1)).flatten(1, 3)  # (o, k k 8, i)
        seen = taps.index_select(1, self.source).unflatten(1, (ORDER, size, size, ORDER))  # (o, g, k, k, h, i)
        return seen.transpose(0, 1).flatten(4).flatten(0, 1).permute(0, 3, 1, 2)


def _sources(size: int) -> Int[Tensor, " s"]:
    """Which tap (row, column, orientation) of a filter stands at each tap of its turned copies (element, tap)."""
    taps = torch.arange(size * size * ORDER).view(1, 1, size, size, ORDER).permute(0, 1, 4, 2, 3)
    return torch.cat([acted(taps, g).permute(0, 1, 3, 4, 2).flatten() for g in range(ORDER)])


class GroupNorm(nn.Module):
    """The named normalisation. Orientations count as more pixels of a channel, so that all eight are scaled alike."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.norm = normalisation(name, channels)

    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n c 8 h w"]:
        beside = state.permute(0, 1, 3, 4, 2).flatten(3)  # (n, c, h, 8 w)
        return self.norm(beside).unflatten(3, (-1, ORDER)).permute(0, 1, 4, 2, 3)


class Halve(nn.Module):
    """Mean of 2 pixels along an even side, of 3 along an odd one, every second time: a side rounds up.

    The windows lie symmetrically in both cases. A window that hangs over the edge averages what it has.
    """

    def forward(self, state: Float[Tensor, "n c 8 h w"]) -> Float[Tensor, "n c 8 u v"]:
        odd = (state.shape[-2] % 2, state.shape[-1] % 2)
        size = (2 + odd[0], 2 + odd[1])
        return unfolded(avg_pool2d(folded(state), size, stride=2, padding=odd, count_include_pad=False))
