"""Activations by name."""

from collections.abc import Callable

from torch import Tensor, nn

from models.blocks.options import one_of


class HardMish(nn.Module):
    """Mish in straight pieces: x/2 · min(2, max(0, x + 2)); zero below -2, x above 0."""

    def forward(self, values: Tensor) -> Tensor:
        return 0.5 * values * (values + 2).clamp(0, 2)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,  # slope 0.01
    "prelu": nn.PReLU,  # one slope a layer, learnt from 0.25
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,  # normalises itself only with init: lecun and norm: none (Klambauer et al. 2017)
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hard_swish": nn.Hardswish,
    "hard_mish": HardMish,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}
KINDS = tuple({type(make()) for name, make in ACTIVATIONS.items() if name != "identity"})


def activation(name: str) -> nn.Module:
    """A fresh layer that acts on each number alone. Raises `ValueError` for a name that does not exist."""
    one_of("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


def is_activation(module: nn.Module) -> bool:
    """Whether a layer is one of ours or of timm's."""
    return isinstance(module, KINDS) or type(module).__module__.startswith("timm.layers.activations")
