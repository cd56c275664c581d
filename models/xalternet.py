"""Backbone `xalternet`: the stages of XResNet closed by window attention, by the rule of AlterNet.

XResNet (He et al. 2019, CVPR: "Bag of tricks") is timm's resnet18d, 34d and 50d: a stem of three 3 x 3 convolutions,
shortcuts that average before they project. Attention blocks take the places of its convolutional ones; what they are is
told in `models.blocks.alternation`. Ours: neither paper has it. 9,476,284 parameters at depth 18 and 18,929,614 at 34,
with one channel, one target and a window of 2.
"""

from collections.abc import Sequence

from models.blocks import Trunk
from models.blocks.alternation import BRANCHES, Residual, alternation, check_attention, stage_heads, stage_widths
from models.blocks.borrowed import resnet_d, resnet_trunk
from models.blocks.options import one_of
from models.blocks.stochastic_depth import depth_rates

DEPTHS = {  # blocks and attention blocks of each stage, channels out of a block for one within
    18: ((2, 2, 2, 2), (0, 1, 1, 1), 1),
    34: ((3, 4, 6, 3), (0, 1, 3, 1), 1),
    50: ((3, 4, 6, 3), (0, 1, 3, 1), 4),
}


def build(
    in_channels: int,
    depth: int = 18,
    width: float = 1.0,
    attention: str = "post",
    window: int = 7,
    heads: Sequence[int] = (3, 6, 12, 24),
    msas: Sequence[int] | None = None,
    norm: str = "batch",
    activation: str = "relu",
    attention_activation: str = "gelu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """`depth` is 18, 34 or 50; `msas` the attention blocks of each stage (18: 0, 1, 1, 1; others 0, 1, 3, 1).

    `attention` is `post` (the norm after it, as in the blocks around it) or `pre` (before it, as in AlterNet). `width`
    multiplies channels and heads. `window` [pixels of a stage's map] is the largest; maps that are smaller are one
    window. `stochastic_depth` is the rate of the last block.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth: {depth}; there are {', '.join(map(str, DEPTHS))}")
    one_of("attention", attention, BRANCHES)
    blocks, usual, expansion = DEPTHS[depth]
    msas = usual if msas is None else msas
    check_attention(blocks, msas, heads, window)
    inner, rates = stage_widths(width, step=16), depth_rates(stochastic_depth, blocks)
    net = resnet_d(depth, in_channels, inner[0] // 2, inner, norm, activation, stochastic_depth)
    stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    for number, (stage, channels, attending) in enumerate(zip(stages, inner, stage_heads(heads, width), strict=True)):
        places = [place for place, attends in enumerate(alternation(blocks[number], msas[number])) if attends]
        for place in places:
            branch = BRANCHES[attention](expansion * channels, channels, attending, window, norm, attention_activation)
            stage[place] = Residual(branch, rates[number][place])
    return resnet_trunk(net)
