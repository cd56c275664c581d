"""Backbone `resnet`: timm's residual networks (He et al. 2016, CVPR), without pretrained weights."""

from collections.abc import Sequence

from torch import nn

from models.blocks import Mean, Trunk
from models.timm_cpu import import_timm


def build(in_channels: int, variant: str = "resnet18", channels: Sequence[int] = (64, 128, 256, 512)) -> Trunk:
    """`variant` is a timm name (resnet10t, resnet18, resnet34, resnet18d, ...), `channels` its stages' widths.

    The published widths are the default: 11.2 M parameters for resnet18 with one channel and one target.
    """
    timm = import_timm()
    if not timm.is_model(variant) or "resnet" not in variant:
        raise ValueError(f"variant: timm has no residual network {variant!r}; try resnet10t, resnet18 or resnet34")
    net = timm.create_model(variant, pretrained=False, in_chans=in_channels, num_classes=0, channels=tuple(channels))
    stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
    stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    widths = [net.feature_info[1 + stage]["num_chs"] for stage in range(4)]
    return Trunk(stem, stages, Mean(), widths, net.num_features)
