"""Backbone `xresnet`: fastai's name for timm's ResNet-D (He et al. 2019, CVPR, "bag of tricks").

A stem of three 3 x 3 convolutions, the stride of a bottleneck in its 3 x 3 convolution, and shortcuts that average
before they subsample. timm's resnet18d, 34d and 50d compute, bit for bit, what fastai's xresnet18, 34 and 50 do.

Reference: He et al. 2019, CVPR, arXiv 1812.01187
"""

from models.blocks import Trunk
from models.blocks.borrowed import resnet_d, resnet_trunk
from models.blocks.stochastic_depth import check_rate
from models.blocks.xresnet_sizes import scaled_channels

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
    channels = scaled_channels(depth, DEPTHS, width)
    check_rate(stochastic_depth)
    return resnet_trunk(resnet_d(depth, in_channels, channels[0], channels[1:], norm, activation, stochastic_depth))
