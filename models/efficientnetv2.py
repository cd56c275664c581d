"""Backbone `efficientnetv2`: timm's EfficientNetV2, without pretrained weights.

Reference: Tan & Le 2021, ICML, arXiv 2104.00298
"""

from typing import Any

from torch import nn

from models.blocks import Mean, Trunk
from models.blocks.borrowed import act_layer, exchange_norms
from models.blocks.options import one_of, positive
from models.blocks.stochastic_depth import check_rate
from models.timm_cpu import import_timm

# the names without tf_ pad as PyTorch does; the b's exist with it alone, and are told to below
VARIANTS = {
    **{variant: f"efficientnetv2_{variant}" for variant in ("s", "m", "l", "rw_t", "rw_s", "rw_m")},
    **{variant: f"tf_efficientnetv2_{variant}" for variant in ("b0", "b1", "b2", "b3")},
}
SCALED = ("rw_t", "rw_m", "b1", "b2", "b3")  # timm makes these by a width multiplier of their own


def build(
    in_channels: int,
    variant: str = "b0",
    width: float = 1.0,
    stem_stride: int = 2,
    norm: str = "batch",
    activation: str = "silu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """A published variant: 5.9 M parameters for b0, 12.6 M for rw_t, 20.2 M for s, with one channel and one target.

    The last map is 1/32 of the frame, 2 x 2 pixels of 64 px; `stem_stride` 1 makes it 1/16, for four times the work.
    `width` multiplies all channels, to the nearest eight. `stochastic_depth` is the rate at which the last residual
    branch is left out in training (the paper: 0.2); earlier ones less.

    Padding is symmetric, where the authors' TensorFlow code pads an even frame behind only: the same network up to a
    shift by a pixel, and one that reflects.
    """
    one_of("variant", variant, VARIANTS)
    one_of("stem_stride", stem_stride, (1, 2))
    check_rate(stochastic_depth)
    net = import_timm().create_model(
        VARIANTS[variant],
        in_chans=in_channels,
        num_classes=0,
        pad_type="",
        act_layer=act_layer(activation),
        drop_path_rate=stochastic_depth,
        **_narrowed(variant, width),
    )
    net.conv_stem.stride = (stem_stride, stem_stride)
    if norm != "batch":
        exchange_norms(net, norm)
    stages = list(net.blocks)
    neck = nn.Sequential(net.conv_head, net.bn2, Mean())
    return Trunk(nn.Sequential(net.conv_stem, net.bn1), stages, neck, [_leaving(s) for s in stages], net.num_features)


def _narrowed(variant: str, width: float) -> dict[str, Any]:
    positive("width", width)
    if width == 1:
        return {}
    if variant in SCALED:
        free = ", ".join(name for name in VARIANTS if name not in SCALED)
        raise ValueError(f"width: {width} cannot be, {variant} has a width of its own; 1.0 is it, or one of {free}")
    return {"channel_multiplier": width}


def _leaving(stage: nn.Module) -> int:
    """Channels of a stage's output: its last convolution is the projection of the last block."""
    return [layer.out_channels for layer in stage.modules() if isinstance(layer, nn.Conv2d)][-1]
