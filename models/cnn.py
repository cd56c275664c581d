"""Backbone `cnn`: a small plain convolutional network, ours, for machines without a GPU."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from models.blocks import conv_norm_act


def build(
    in_channels: int, num_targets: int, widths: Sequence[int] = (16, 32, 64, 128), dropout: float = 0.0
) -> nn.Module:
    """Stages of two 3 x 3 convolutions, the first with stride 2, one stage a width; mean over the frame; a linear head.

    Any frame; 0.29 M parameters as it stands, for one channel and one target.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths: {list(widths)}; there must be one or more, each at least 1")
    channels = [in_channels, *widths]
    stages = [nn.Sequential(conv_norm_act(a, b, stride=2), conv_norm_act(b, b)) for a, b in pairwise(channels)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(widths[-1], num_targets)]
    return nn.Sequential(*stages, *head)
