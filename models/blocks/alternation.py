"""Residual blocks with window attention, and where AlterNet puts them among convolutions (Park & Kim 2022, ICLR)."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from models.blocks.activation import activation
from models.blocks.attention import WindowAttention
from models.blocks.normalisation import normalisation
from models.blocks.stochastic_depth import StochasticDepth


class Residual(nn.Module):
    """A map plus what a branch makes of it; the branch is left out at the rate of stochastic depth."""

    def __init__(self, branch: nn.Module, rate: float = 0.0) -> None:
        super().__init__()
        self.branch, self.drop = branch, StochasticDepth(rate)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return maps + self.drop(self.branch(maps))


def pre_activation(channels: int, inner: int, heads: int, window: int, norm: str, act: str) -> nn.Sequential:
    """The published default ("block B"): norm, activation, 1 x 1 convolution to `inner`, norm, attention."""
    return nn.Sequential(
        normalisation(norm, channels),
        activation(act),
        nn.Conv2d(channels, inner, 1, bias=False),
        normalisation(norm, inner),
        WindowAttention(inner, channels, heads, window),
    )


def post_activation(channels: int, inner: int, heads: int, window: int, norm: str, act: str) -> nn.Sequential:
    """The other published one ("block A"): 1 x 1 convolution, norm, activation, attention, norm; none on the sum."""
    return nn.Sequential(
        nn.Conv2d(channels, inner, 1, bias=False),
        normalisation(norm, inner),
        activation(act),
        WindowAttention(inner, channels, heads, window),
        normalisation(norm, channels),
    )


BRANCHES: dict[str, Callable[..., nn.Sequential]] = {"pre": pre_activation, "post": post_activation}


def alternation(blocks: int, msas: int) -> list[bool]:
    """Which blocks of a stage are attention: every other one, counted from the end, and never the first.

    Rule 1 of the paper: replace convolutions alternately, from the end of the network.
    """
    return [False] * (blocks - 2 * msas) + [False, True] * msas


def check_attention(blocks: Sequence[int], msas: Sequence[int], heads: Sequence[int], window: int) -> None:
    """Raise if a stage is to have more attention blocks than go between its others, or none of its size."""
    most = tuple(n // 2 for n in blocks)
    if len(msas) != len(blocks) or not all(0 <= m <= top for m, top in zip(msas, most, strict=True)):
        raise ValueError(f"msas: {list(msas)}; there must be one number a stage, from 0 to {list(most)}")
    if len(heads) != len(blocks) or min(heads) < 1:
        raise ValueError(f"heads: {list(heads)}; there must be {len(blocks)}, one number a stage, each at least 1")
    if window < 1:
        raise ValueError(f"window: {window}; it must be at least 1 pixel")


def stage_widths(width: float, step: int = 8) -> tuple[int, int, int, int]:
    """64, 128, 256, 512 times `width`, the first rounded to a multiple of `step`, which is also the least."""
    if width <= 0:
        raise ValueError(f"width: {width}; it must be more than 0")
    first = max(step, step * round(64 * width / step))
    return first, 2 * first, 4 * first, 8 * first


def stage_heads(heads: Sequence[int], width: float) -> list[int]:
    """Heads of each stage times `width`, at least one: a head is always as wide, so that their number goes along."""
    return [max(1, round(number * width)) for number in heads]
