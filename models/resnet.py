"""Backbone `resnet`: timm's residual networks, without pretrained weights.

Reference: He et al. 2016, CVPR, arXiv 1512.03385; wide: Zagoruyko & Komodakis 2016, BMVC, arXiv 1605.07146
"""

from models.blocks import Trunk
from models.blocks.borrowed import act_layer, exchange_norms, resnet_trunk
from models.blocks.options import one_of, positive
from models.blocks.stochastic_depth import check_rate
from models.timm_cpu import import_timm

DEPTHS = (18, 34, 50, 101, 152)  # from 50 on, blocks are bottlenecks


def build(
    in_channels: int,
    depth: int = 18,
    width: float = 1.0,
    wide: int = 1,
    norm: str = "batch",
    activation: str = "relu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """The published network of `depth` layers: 11.2 M parameters for 18, with one channel and one target.

    `width` multiplies the channels of the stages, (64, 128, 256, 512); the stem keeps its 64. `wide` multiplies the
    inner channels of bottlenecks alone: 2 at depth 50 is wide_resnet50_2. `stochastic_depth` is the rate at which the
    last residual branch is left out in training; earlier ones less (Huang et al. 2016, linear rule). Every residual
    branch starts at zero (its last scale), as timm has it, unless `norm` has no scales.
    """
    one_of("depth", depth, DEPTHS)
    positive("width", width)
    check_rate(stochastic_depth)
    net = import_timm().create_model(
        f"resnet{depth}",
        in_chans=in_channels,
        num_classes=0,
        channels=tuple(max(1, round(width * channels)) for channels in (64, 128, 256, 512)),
        act_layer=act_layer(activation),
        drop_path_rate=stochastic_depth,
        **_inner(depth, wide),
    )
    if norm != "batch":
        exchange_norms(net, norm)
    return resnet_trunk(net)


def _inner(depth: int, wide: int) -> dict[str, int]:
    """What makes the inside of a bottleneck wide, as timm asks for it."""
    if wide < 1:
        raise ValueError(f"wide: {wide} is below 1, the published network")
    if wide > 1 and depth < 50:
        raise ValueError(f"wide: {wide} has no bottleneck to widen at depth {depth}; depth 50 has, or take width")
    return {"base_width": 64 * wide} if wide > 1 else {}
