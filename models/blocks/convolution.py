"""A convolution with what usually follows it."""

from torch import nn

from models.blocks.activation import activation
from models.blocks.normalisation import normalisation


def conv_norm_act(
    in_channels: int, out_channels: int, stride: int = 1, norm: str = "batch", act: str = "gelu"
) -> nn.Sequential:
    """3 x 3 convolution, normalisation, activation; `stride` 2 halves the frame (an odd side rounds up)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=norm == "none"),
        normalisation(norm, out_channels),
        activation(act),
    )
