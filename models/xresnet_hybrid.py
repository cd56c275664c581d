"""Backbone `xresnet_hybrid`: an XResNet that whitens its input (Wu & Peek 2020, arXiv 2009.12318).

Wu & Peek predict galaxy spectra from images with an XResNet whose stem deconvolves (models/blocks/deconvolution.py),
whose first stage ends in simple self-attention, and whose blocks have grouped convolutions, squeeze-excitation and
Mish. The defaults are theirs: 6,734,743 parameters for five channels and six targets. With `groups` 1, `reduction` 0
and `attention` off it is `xresnet` with another stem, and with `deconvolution: none`, too, it is `xresnet`.

Reference: Wu & Peek 2020, arXiv 2009.12318; Ye et al. 2020, ICLR, arXiv 1905.11926
"""

from collections.abc import Callable, Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from models.blocks import Mean, Trunk
from models.blocks.activation import activation as activation_
from models.blocks.channel_attention import SimpleSelfAttention, SqueezeExcitation
from models.blocks.deconvolution import FastDeconv
from models.blocks.normalisation import normalisation
from models.blocks.options import one_of
from models.blocks.xresnet_sizes import scaled_channels

# depth: channels that leave a block per channel inside it, blocks of each stage
DEPTHS = {18: (1, (2, 2, 2, 2)), 34: (1, (3, 4, 6, 3)), 50: (4, (3, 4, 6, 3))}
DECONVOLUTIONS = ("none", "stem", "all")

Layer = Callable[..., nn.Sequential]  # (in_channels, out_channels, kernel, stride, groups): convolution, normalisation


def build(
    in_channels: int,
    depth: int = 18,
    width: float = 1.0,
    norm: str = "batch",
    activation: str = "mish",
    deconvolution: str = "stem",
    iterations: int = 5,
    freeze: int = 0,
    groups: int = 64,
    reduction: int = 8,
    attention: bool = True,
) -> Trunk:
    """`deconvolution` replaces convolution and norm in the `stem`, in `all` layers or in `none`.

    `iterations` and `freeze` are those of `FastDeconv`. `groups` are of the 3 x 3 convolution that carries a block's
    stride, `reduction` of the squeeze-excitation (0 is none), `attention` is simple self-attention at the end of the
    first stage. Channels are multiplied by `width` and rounded to eights.

    Weights begin as in fastai (Kaiming normal by fan-in, biases 0, and every block the identity), the head's do not.
    """
    channels = scaled_channels(depth, DEPTHS, width)
    expansion, blocks = DEPTHS[depth]
    _check(deconvolution, iterations, freeze, groups, reduction, channels)
    plain: Layer = partial(_normalised, norm=norm)
    white: Layer = partial(_deconvolved, iterations=iterations, freeze=freeze)
    stem_layer, layer = {"none": (plain, plain), "stem": (white, plain), "all": (white, white)}[deconvolution]

    stages: list[nn.Module] = []
    entering = channels[1]
    for stage, (inner, count) in enumerate(zip(channels[1:], blocks, strict=True)):
        made = []
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            made.append(Block(entering, inner, expansion, stride, groups, reduction, layer, activation))
            entering = inner * expansion
        if attention and stage == 0:
            made[-1].path.append(SimpleSelfAttention(entering))
        stages.append(nn.Sequential(*made))
    trunk = Trunk(
        _stem(in_channels, channels[:2], stem_layer, activation),
        stages,
        Mean(),
        [expansion * inner for inner in channels[1:]],
        entering,
    )
    trunk.apply(_initialise)
    return trunk


class Block(nn.Module):
    """A residual block: a path of two convolutions, or of three around a bottleneck, beside a shortcut; activation.

    The shortcut is the identity where it can be. Where the frame shrinks it averages 2 x 2 pixels (an odd side rounds
    up; what juts out does not count); where the channels change it is a 1 x 1 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        inner: int,
        expansion: int,
        stride: int,
        groups: int,
        reduction: int,
        layer: Layer,
        activation: str,
    ) -> None:
        super().__init__()
        out_channels = inner * expansion
        first = [] if expansion == 1 else [layer(in_channels, inner, 1)]
        strided = layer(inner if first else in_channels, inner, 3, stride, groups)
        path = nn.Sequential()
        for convolution in (*first, strided):
            path.append(convolution).append(activation_(activation))
        path.append(_silent(layer(inner, out_channels, 1 if first else 3)))
        if reduction:
            path.append(SqueezeExcitation(out_channels, reduction, activation))
        shortcut = nn.Sequential()
        if stride > 1:
            shortcut.append(nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
        if in_channels != out_channels:
            shortcut.append(layer(in_channels, out_channels, 1))
        self.path, self.shortcut, self.activation = path, shortcut, activation_(activation)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        return self.activation(self.path(maps) + self.shortcut(maps))


def _stem(in_channels: int, channels: Sequence[int], layer: Layer, activation: str) -> nn.Sequential:
    """Three 3 x 3 convolutions, the first with stride 2, and a maximum with stride 2: a quarter of a side is left."""
    narrow, wide = channels
    widths = [(in_channels, narrow), (narrow, narrow), (narrow, wide)]
    stem = nn.Sequential()
    for number, (a, b) in enumerate(widths):
        stem.append(layer(a, b, 3, 1 if number else 2)).append(activation_(activation))
    return stem.append(nn.MaxPool2d(3, stride=2, padding=1))


def _normalised(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, *, norm: str
) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=norm == "none")
    return nn.Sequential(convolution, normalisation(norm, out_channels))


def _deconvolved(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, *, iterations: int, freeze: int
) -> nn.Sequential:
    """A deconvolution needs no normalisation after it."""
    return nn.Sequential(
        FastDeconv(in_channels, out_channels, kernel, stride, groups, iterations, freeze), nn.Identity()
    )


def _silent(layer: nn.Sequential) -> nn.Sequential:
    """The layer with its normalisation's scale at 0, so that its block begins as the identity."""
    scale = getattr(layer[1], "weight", None)
    if scale is not None:
        nn.init.zeros_(scale)
    return layer


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check(
    deconvolution: str,
    iterations: int,
    freeze: int,
    groups: int,
    reduction: int,
    channels: Sequence[int],
) -> None:
    one_of("deconvolution", deconvolution, DECONVOLUTIONS)
    if iterations < 1:
        raise ValueError(f"iterations: {iterations} would whiten nothing; it would be 1 or more, 5 as published")
    if freeze < 0:
        raise ValueError(f"freeze: {freeze} is no number of batches; it would be 0 (never) or more")
    if groups < 1 or any(c % groups for c in channels[1:]):
        raise ValueError(f"groups: {groups} does not divide the channels {channels[1:]}; it would be a divisor of all")
    if reduction < 0:
        raise ValueError(f"reduction: {reduction} is no ratio; it would be 0 (none) or more, 8 as published")
