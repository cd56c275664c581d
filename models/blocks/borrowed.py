"""What our options mean to a network of timm's: its norms exchanged, its activations by our names.

timm takes norms and activations too, each family in its own way and some of them not at all (`tf_efficientnetv2_b0`
fails, group normalisation of 32 groups meets a stem of 24 channels). Exchanging layers after the network is built
treats all alike, and every name that `normalisation` knows is known here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from models.blocks.activation import activation
from models.blocks.normalisation import normalisation
from models.blocks.trunk import Mean, Trunk
from models.timm_cpu import import_timm


def act_layer(name: str) -> Callable[..., nn.Module]:
    """The activation of that name as timm asks for it, with a word on whether it may overwrite its input."""
    activation(name)  # a wrong name is refused before anything is built

    def layer(inplace: bool = False) -> nn.Module:
        made = activation(name)
        if hasattr(made, "inplace"):
            made.inplace = inplace  # type: ignore[assignment]  # torch's stubs know tensors and modules only
        return made

    return layer


def exchange_norms(net: nn.Module, name: str, kind: type[nn.Module] = nn.BatchNorm2d) -> None:
    """Put the normalisation `name` in the place of every layer of `kind`, which acts on maps (n, c, h, w).

    A scale that timm starts at zero (the last norm of a residual branch) starts at zero again, where the new layer has
    scales. timm's norms that activate as well (`BatchNormAct2d`) are followed by the activation they had.
    """
    for parent in list(net.modules()):
        for child, old in list(parent.named_children()):
            if isinstance(old, kind):
                setattr(parent, child, _exchanged(old, name))


def _exchanged(old: nn.Module, name: str) -> nn.Module:
    new = normalisation(name, len(old.get_parameter("weight")))
    for parameter, values in new.named_parameters():
        if parameter in ("weight", "bias") and values.shape == old.get_parameter(parameter).shape:
            with torch.no_grad():
                values.copy_(old.get_parameter(parameter))
    act = getattr(old, "act", None)
    return new if act is None else nn.Sequential(new, act)


def resnet_d(
    depth: int,
    in_channels: int,
    stem_width: int,
    channels: Sequence[int],
    norm: str,
    activation_: str,
    stochastic_depth: float,
) -> Any:
    """timm's ResNet-D of that depth without its head. The stem gives twice `stem_width` channels."""

    def norm_layer(channels: int, **_: object) -> nn.Module:
        return normalisation(norm, channels)

    return import_timm().create_model(
        f"resnet{depth}d",
        pretrained=False,
        in_chans=in_channels,
        num_classes=0,
        stem_width=stem_width,
        channels=tuple(channels),
        norm_layer=norm_layer,
        act_layer=act_layer(activation_),
        drop_path_rate=stochastic_depth,
    )


def resnet_trunk(net: Any) -> Trunk:
    """timm's residual network, of any kind, in steps."""
    stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
    stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    return Trunk(stem, stages, Mean(), [stage["num_chs"] for stage in net.feature_info[1:]], net.num_features)
