"""Backbone `resnet`: timm's residual networks (He et al. 2016, CVPR), without pretrained weights."""

from collections.abc import Sequence

from torch import nn

from models.timm_cpu import import_timm


def build(
    in_channels: int, num_targets: int, variant: str = "resnet18", channels: Sequence[int] = (64, 128, 256, 512)
) -> nn.Module:
    """`variant` is a timm name (resnet10t, resnet18, resnet34, resnet18d, ...), `channels` its stages' widths.

    The published widths are the default: 11.2 M parameters for resnet18 with one channel and one target.
    """
    timm = import_timm()
    if not timm.is_model(variant) or "resnet" not in variant:
        raise ValueError(f"variant: timm has no residual network {variant!r}; try resnet10t, resnet18 or resnet34")
    return timm.create_model(
        variant, pretrained=False, in_chans=in_channels, num_classes=num_targets, channels=tuple(channels)
    )
