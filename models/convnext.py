"""Backbone `convnext`: timm's ConvNeXt, without pretrained weights; a modern convolutional reference.

Reference: Liu et al. 2022, CVPR, arXiv 2201.03545; sizes below tiny: Wightman, timm
"""

from torch import nn

from models.blocks import Trunk
from models.blocks.borrowed import act_layer, exchange_norms
from models.blocks.options import one_of, positive
from models.blocks.pad import Pad
from models.blocks.stochastic_depth import check_rate
from models.timm_cpu import import_timm

CHANNELS = {"atto": 40, "femto": 48, "pico": 64, "nano": 80, "tiny": 96}  # of the first stage; then twice a stage


def build(
    in_channels: int,
    variant: str = "atto",
    width: float = 1.0,
    norm: str = "layer",
    activation: str = "gelu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """A published variant: 3.4 M parameters for atto, 27.8 M for tiny, with one channel and one target.

    The stem takes patches of 4 x 4 pixels and later stages of 2 x 2; maps they do not divide are padded by zeros, where
    timm drops the pixels left over (at 150 px, all beyond the first 128). `width` multiplies all channels. `norm` is
    that of the maps; the pooled features keep their layer normalisation, having no frame to normalise over.
    `stochastic_depth` is the rate at which the last residual branch is left out in training (the paper: 0.1 for tiny).
    """
    one_of("variant", variant, CHANNELS)
    positive("width", width)
    check_rate(stochastic_depth)
    net = import_timm().create_model(
        f"convnext_{variant}",
        in_chans=in_channels,
        num_classes=0,
        dims=tuple(max(1, round(width * CHANNELS[variant])) * 2**stage for stage in range(4)),
        act_layer=act_layer(activation),
        drop_path_rate=stochastic_depth,
        **({} if norm == "layer" else {"conv_mlp": True}),  # every norm of a block then sees maps
    )
    if norm != "layer":
        _exchange(net, norm)
    stages = [nn.Sequential(Pad(2 if number else 1), stage) for number, stage in enumerate(net.stages)]
    head = net.head
    neck = nn.Sequential(net.norm_pre, head.global_pool, head.norm, head.flatten)
    widths = [stage["num_chs"] for stage in net.feature_info]
    return Trunk(nn.Sequential(Pad(4), net.stem), stages, neck, widths, net.num_features)


def _exchange(net: nn.Module, norm: str) -> None:
    from timm.layers import LayerNorm2d  # the caller has imported timm

    for part in (net.get_submodule("stem"), net.get_submodule("stages")):
        exchange_norms(part, norm, LayerNorm2d)
