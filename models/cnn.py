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
    activation: str | Sequence[str] = "gelu",
) -> Trunk:
    """Stages of two 3 x 3 convolutions, the first with stride 2, one stage a width; the mean over the frame.

    `width` multiplies all `widths`; `activation` is one name, or one for each stage. Any frame; 0.29 M parameters as it
    stands, for one channel and one target.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths: {list(widths)}; there must be one or more, each at least 1")
    if width <= 0:
        raise ValueError(f"width: {width} is not positive; 1.0 is the network as it stands")
    acts = [activation] * len(widths) if isinstance(activation, str) else list(activation)
    if len(acts) != len(widths):
        raise ValueError(f"activation: {len(acts)} names for {len(widths)} stages; give one, or one a stage")
    widths = [max(1, round(width * channels)) for channels in widths]
    stages = [
        nn.Sequential(conv_norm_act(a, b, 2, norm, act), conv_norm_act(b, b, 1, norm, act))
        for (a, b), act in zip(pairwise([in_channels, *widths]), acts, strict=True)
    ]
    return Trunk(nn.Identity(), stages, Mean(), widths, widths[-1])
