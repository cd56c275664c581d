"""Backbone `xresnet`: fastai's name for timm's ResNet-D (He et al. 2019, CVPR, "bag of tricks").

A stem of three 3 x 3 convolutions, the stride of a bottleneck in its 3 x 3 convolution, and shortcuts that average
before they subsample. timm's resnet18d, 34d and 50d compute, bit for bit, what fastai's xresnet18, 34 and 50 do.

Reference: He et al. 2019, CVPR, arXiv 1812.01187
"""

from torch import nn

from models.blocks import Mean, Trunk
from models.blocks.borrowed import resnet_d
from models.blocks.stochastic_depth import check_rate

DEPTHS = (18, 34, 50)


def build(
    in_channels: int,
    depth: int = 18,
    width: float = 1.0,
    norm: str = "batch",
    activation: str = "relu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """ResNet-D of a published `depth`, its channels times `width` (rounded to eights).

    11.2, 21.3 and 23.5 M parameters for one channel and one target. `stochastic_depth` is the rate of the last
    residual branch.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth: {depth} is not published; there are {', '.join(map(str, DEPTHS))}")
    if not width > 0:
        raise ValueError(f"width: {width} is no multiple of the channels; it would be above 0, 1 is as published")

    check_rate(stochastic_depth)
    channels = [max(8, 8 * round(width * c / 8)) for c in (32, 64, 128, 256, 512)]
    net = resnet_d(depth, in_channels, channels[0], channels[1:], norm, activation, stochastic_depth)
    stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
    stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    widths = [net.feature_info[1 + stage]["num_chs"] for stage in range(4)]
    return Trunk(stem, stages, Mean(), widths, net.num_features)
