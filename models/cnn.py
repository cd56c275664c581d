"""Backbone `cnn`: a small plain convolutional network, ours, for machines without a GPU."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from models.blocks import Mean, Trunk, conv_norm_act


def build(in_channels: int, widths: Sequence[int] = (16, 32, 64, 128)) -> Trunk:
    """Stages of two 3 x 3 convolutions, the first with stride 2, one stage a width; the mean over the frame.

    Any frame; 0.29 M parameters as it stands, for one channel and one target.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths: {list(widths)}; there must be one or more, each at least 1")
    channels = [in_channels, *widths]
    stages = [nn.Sequential(conv_norm_act(a, b, stride=2), conv_norm_act(b, b)) for a, b in pairwise(channels)]
    return Trunk(nn.Identity(), stages, Mean(), widths, widths[-1])
