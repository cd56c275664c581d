"""Backbone `alternet`: convolutions whose stages end in window attention (Park & Kim 2022, ICLR, arXiv 2202.06709).

Convolutions are high-pass filters and self-attention is a low-pass one; the paper has the latter at the end of each
stage smooth what the former found, and reports flatter losses for it. Pre-activation residual blocks (He et al. 2016,
ECCV), no shifted windows, no multilayer perceptron after the attention. Parameters are those of the authors' code
(github.com/xxxnell/how-do-vits-work): 9,968,803 at depth 18 with three channels and a thousand outputs.

Reference: Park & Kim 2022, ICLR, arXiv 2202.06709
"""

from collections.abc import Callable, Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Mean, Trunk
from models.blocks.activation import activation
from models.blocks.alternation import Residual, alternation, check_attention, pre_activation, stage_heads, stage_widths
from models.blocks.normalisation import normalisation
from models.blocks.options import one_of
from models.blocks.stochastic_depth import StochasticDepth, depth_rates

DEPTHS = {  # blocks and attention blocks of each stage, channels out of a block for one within
    18: ((2, 2, 2, 2), (0, 1, 1, 1), 1),
    34: ((3, 4, 6, 4), (0, 1, 3, 2), 1),
    50: ((3, 4, 6, 4), (0, 1, 3, 2), 4),
}
STEMS = ("imagenet", "cifar")


def build(
    in_channels: int,
    depth: int = 18,
    width: float = 1.0,
    stem: str = "imagenet",
    window: int = 7,
    heads: Sequence[int] = (3, 6, 12, 24),
    msas: Sequence[int] | None = None,
    norm: str = "batch",
    activation: str = "relu",
    attention_activation: str = "gelu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """`depth` is 18, 34 or 50; `msas` the attention blocks of each stage, as published (18: 0, 1, 1, 1) if not given.

    `width` multiplies channels and heads. The stem `imagenet` divides the frame by four (7 x 7 convolution of stride
    2, maximum over 3 x 3), `cifar` leaves it as it is (3 x 3): sixteen times the work. `window` [pixels of a stage's
    map] is the largest; maps that are smaller are one window. `stochastic_depth` is the rate of the last block.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth: {depth}; there are {', '.join(map(str, DEPTHS))}")
    one_of("stem", stem, STEMS)
    blocks, published, expansion = DEPTHS[depth]
    msas = published if msas is None else msas
    check_attention(blocks, msas, heads, window)
    inner = stage_widths(width)
    outer = [expansion * channels for channels in inner]
    convolution = partial(Convolutions, norm=norm, act=activation)
    inputs, heads, rates = [inner[0], *outer], stage_heads(heads, width), depth_rates(stochastic_depth, blocks)
    stages = []
    for stage in range(4):
        attention = partial(pre_activation, heads=heads[stage], window=window, norm=norm, act=attention_activation)
        kinds, stride = alternation(blocks[stage], msas[stage]), 2 if stage else 1
        stages.append(
            _stage(inputs[stage], inner[stage], outer[stage], stride, kinds, rates[stage], convolution, attention)
        )
    neck = nn.Sequential(_norm_act(outer[-1], norm, activation), Mean())
    return Trunk(_stem(stem, in_channels, inner[0]), stages, neck, outer, outer[-1])


class Convolutions(nn.Module):
    """A pre-activation residual block: two 3 x 3 convolutions or, where it is wider outside, 1 x 1, 3 x 3 and 1 x 1.

    The first norm and activation are shared with the shortcut where that is a convolution: where the shape changes.
    """

    def __init__(self, in_channels: int, inner: int, outer: int, stride: int, rate: float, norm: str, act: str) -> None:
        super().__init__()
        self.first = _norm_act(in_channels, norm, act)
        if inner == outer:
            layers = [_conv3x3(in_channels, inner, stride), _norm_act(inner, norm, act), _conv3x3(inner, inner)]
        else:
            layers = [
                nn.Conv2d(in_channels, inner, 1, bias=False),
                _norm_act(inner, norm, act),
                _conv3x3(inner, inner, stride),
                _norm_act(inner, norm, act),
                nn.Conv2d(inner, outer, 1, bias=False),
            ]
        self.branch = nn.Sequential(*layers)
        changes = stride != 1 or in_channels != outer
        self.shortcut = nn.Conv2d(in_channels, outer, 1, stride=stride, bias=False) if changes else None
        self.drop = StochasticDepth(rate)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n o i j"]:
        active = self.first(maps)
        skipped = maps if self.shortcut is None else self.shortcut(active)
        return skipped + self.drop(self.branch(active))


def _stage(
    in_channels: int,
    inner: int,
    outer: int,
    stride: int,
    kinds: Sequence[bool],
    rates: Sequence[float],
    convolution: Callable[..., nn.Module],
    attention: Callable[..., nn.Module],
) -> nn.Sequential:
    """Blocks one after the other, attention where `kinds` says so; the first takes the stride."""
    first = convolution(in_channels, inner, outer, stride, rates[0])
    others = [
        Residual(attention(outer, inner), rate) if attends else convolution(outer, inner, outer, 1, rate)
        for attends, rate in zip(kinds[1:], rates[1:], strict=True)
    ]
    return nn.Sequential(first, *others)


def _stem(stem: str, in_channels: int, channels: int) -> nn.Module:
    """Without norm and activation: the first block begins with them."""
    if stem == "cifar":
        return _conv3x3(in_channels, channels)
    wide = nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False)
    return nn.Sequential(wide, nn.MaxPool2d(3, stride=2, padding=1))


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def _norm_act(channels: int, norm: str, act: str) -> nn.Sequential:
    return nn.Sequential(normalisation(norm, channels), activation(act))
