"""Initialisations of a whole network, by name.

Five set the weight of every convolution and linear layer, from torch's global generator, and its bias to zero;
normalisation, tokens and position tables stay as they came. `zero_gamma` comes on top of any. `lsuv` needs images.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.blocks.options import one_of
from models.network.residual import branch_ends, weighted


def _truncated_normal(weight: Tensor, std: float = 0.02) -> Tensor:
    """Cut at two standard deviations, which leaves 0.88 of the spread (timm's ViT cuts at ±2, that is, never)."""
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    # variance 2 / fan in, normal: He et al. 2015, eq. 10
    "kaiming": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    # variance 1 / fan in, normal: LeCun et al. 1998, eq. 16; what SELU stands on
    "lecun": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
    # variance 2 / (fan in + fan out), uniform: Glorot & Bengio 2010, eq. 16
    "xavier": nn.init.xavier_uniform_,
    # rows (or columns, of which there are fewer) at right angles and of length one: Saxe et al. 2014
    "orthogonal": nn.init.orthogonal_,
    # standard deviation 0.02, whatever the fan: Dosovitskiy et al. 2021, Liu et al. 2022
    "truncated_normal": _truncated_normal,
}
NAMES = ("default", *WEIGHTS, "zero_gamma")


def initialise(network: nn.Module, names: str | Sequence[str], *inputs: Tensor) -> None:
    """Initialise in place, one name after the other; `default` leaves the layers as they came.

    `inputs` are any the network can be called with: `zero_gamma` sends them through to see what is added to what.
    Raises `ValueError` for a name that does not exist and for two that set the same weights.
    """
    names = [names] if isinstance(names, str) else list(names)
    _check(names)
    for name in names:
        if name in WEIGHTS:
            _set_weights(network, WEIGHTS[name])
        elif name == "zero_gamma":
            zero_gamma(network, *inputs)


def _check(names: Sequence[str]) -> None:
    if "lsuv" in names:
        raise ValueError(
            "init: 'lsuv' needs training images; name the others here (orthogonal, in its paper) "
            "and call models.network.initial.lsuv(network, maps) before the first step"
        )
    for name in names:
        one_of("init", name, NAMES)
    setting = [name for name in names if name in WEIGHTS]
    if len(setting) > 1:
        raise ValueError(f"init: {' and '.join(setting)} set the same weights; choose one")


def _set_weights(network: nn.Module, draw: Callable[[Tensor], Tensor]) -> None:
    for layer in _layers(network):
        for name, parameter in layer.named_parameters(recurse=False):
            if name == "weight":
                draw(parameter)
            elif name == "bias":
                nn.init.zeros_(parameter)


def zero_gamma(network: nn.Module, *inputs: Tensor) -> None:
    """Every residual branch begins at exactly zero: its last normalisation has scale zero (Goyal et al. 2017, 5.1).

    A pre-activation branch ends in a convolution; that is zero instead (as in Zhang et al. 2019), because a scale of
    zero before a ReLU has a gradient of zero and would stay. The branch's other layers move from the second step on.
    """
    ends = branch_ends(network, *inputs)
    if not ends:
        raise ValueError("init: 'zero_gamma' finds no residual branch in this network; leave it out")
    for layer in ends:
        for parameter in layer.parameters(recurse=False):
            nn.init.zeros_(parameter)


def lsuv(network: nn.Module, *inputs: Tensor) -> None:
    """Layer-sequential unit variance (Mishkin & Matas 2016, ICLR): each layer's output on `inputs` gets variance one.

    Call it once, after `models.build(..., init="orthogonal")` and before the first step, with one batch of training
    maps (and vectors, where the network takes them) on the network's device. Layers are convolutions and linear ones,
    in the order in which they are called; all elements of an output count as one sample. One pass is enough, because a
    layer's output is scaled along with its weights, and its bias with them, where the paper scales weights alone and
    repeats. The pass is a training one (batch normalisation by these images, dropout from torch's generator), of which
    running statistics keep nothing. A layer that gives a constant, as after `zero_gamma`, is left alone.
    """
    seen: set[nn.Module] = set()

    def scale(layer: nn.Module, _: object, output: Tensor) -> Tensor | None:
        std = output.float().std(correction=0)
        if layer in seen or not std > 1e-6:
            return None
        seen.add(layer)
        for parameter in layer.parameters(recurse=False):
            parameter.div_(std)
        return output / std

    hooks = [layer.register_forward_hook(scale) for layer in _layers(network)]
    training, buffers = network.training, {name: buffer.clone() for name, buffer in network.named_buffers()}
    with torch.no_grad():
        network.train()(*inputs)
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    network.train(training)
    for hook in hooks:
        hook.remove()


def _layers(network: nn.Module) -> list[nn.Module]:
    """Whose weight is a matrix or a kernel."""
    return [layer for layer in network.modules() if weighted(layer) and layer.get_parameter("weight").ndim > 1]
