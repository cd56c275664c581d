"""Backbone `cnn`: a small plain convolutional network, ours, for machines without a GPU."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from models.blocks import Mean, Trunk, conv_norm_act


def build(
    in_channels: int,
    widths: Sequence[int] = (16, 32, 64, 128),
    width: float = 1.0,
    norm: str = "batch",
    activation: str = "gelu",
) -> Trunk:
    """Stages of two 3 x 3 convolutions, the first with stride 2, one stage a width; the mean over the frame.

    `width` multiplies all `widths`. Any frame; 0.29 M parameters as it stands, for one channel and one target.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths: {list(widths)}; there must be one or more, each at least 1")
    if width <= 0:
        raise ValueError(f"width: {width} is not positive; 1.0 is the network as it stands")
    widths = [max(1, round(width * channels)) for channels in widths]
    stages = [
        nn.Sequential(conv_norm_act(a, b, 2, norm, activation), conv_norm_act(b, b, 1, norm, activation))
        for a, b in pairwise([in_channels, *widths])
    ]
    return Trunk(nn.Identity(), stages, Mean(), widths, widths[-1])
