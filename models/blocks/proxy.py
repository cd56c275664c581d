"""Proxy normalisation (Labatie et al. 2021, NeurIPS): what normalisation without the batch leaves undone.

Layer and group normalisation make an image's maps standard as a whole, but not each channel: its mean after the
activation drifts from zero with depth, and channels end as constants. Batch normalisation prevents that at the price
of images that see each other. Proxy normalisation standardises what the activation gives by the mean and variance it
*would* have for a proxy, a normal variable a channel, which takes no image to compute.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.blocks.activation import is_activation
from models.blocks.normalisation import AwaitsProxy
from models.blocks.passes import watched_pass


class ProxyActivation(nn.Module):
    """z = φ(γy + β), less the mean of φ(γỸ + β) and over its √(variance + ε), for a proxy Ỹ ~ N(β̃, (1 + γ̃)²).

    `y` is normalised without scale or shift. Four parameters a channel, that begin at γ = 1 and β = β̃ = γ̃ = 0. Mean
    and variance are over 200 quantiles of the normal distribution (for ReLU 0.8 % below the integrals at the outset)
    and carry gradients. `ε` is the paper's 0.03. As in the paper, weight decay acts on β̃ and γ̃ and not on β and γ.
    """

    quantiles: Tensor

    def __init__(self, activation: nn.Module, channels: int, eps: float = 0.03, quantiles: int = 200) -> None:
        super().__init__()
        self.activation, self.eps = activation, eps
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.proxy_gamma, self.proxy_beta = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        levels = (torch.arange(quantiles, dtype=torch.float64) + 0.5) / quantiles
        self.register_buffer("quantiles", torch.special.ndtri(levels).float(), persistent=False)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        mean, variance = self.moments()
        acted = self.activation(self.gamma[:, None, None] * maps + self.beta[:, None, None])
        scale = (variance + self.eps).rsqrt()
        return ((acted - mean[:, None, None]) * scale[:, None, None]).to(maps.dtype)

    def moments(self) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
        """Mean and variance of what the activation makes of the proxy."""
        proxy = self.proxy_beta + (1 + self.proxy_gamma) * self.quantiles[:, None]  # (q, c)
        acted = self.activation(self.gamma * proxy + self.beta)
        return acted.mean(dim=0), acted.var(dim=0, correction=0)


def join_proxies(network: nn.Module, maps: Float[Tensor, "n c h w"]) -> None:
    """Make proxy normalisation, in place, of every `AwaitsProxy` and the activation after it; none is left waiting.

    A layer that an activation follows loses scale and shift to it. One that something else follows (the sum that ends
    a post-activation block, a shortcut) keeps its scale and loses its shift, as in the paper. What follows what is
    seen by sending `maps`, whose values do not matter, through the network. An activation must be a module of its own,
    called once in a pass; one that is a bare function is not seen. Raises `ValueError` where nothing can be joined.
    """
    waiting = {layer: path for path, layer in network.named_modules() if isinstance(layer, AwaitsProxy)}
    if not waiting:
        return
    joined = _pairs(network, maps)
    if not joined:
        raise ValueError("norm: proxy normalisation needs an activation right after it, and here is none; choose group")
    names = {layer: path for path, layer in network.named_modules()}
    for layer, path in waiting.items():
        network.set_submodule(path, _without_affine(layer) if layer in joined.values() else _without_shift(layer))
    for activation, layer in joined.items():
        network.set_submodule(names[activation], ProxyActivation(activation, layer.num_channels))


def _pairs(network: nn.Module, maps: Tensor) -> dict[nn.Module, AwaitsProxy]:
    """The normalisation whose output, untouched, each activation was given."""
    # the tensors are kept, so that no other takes the address of one; the version tells one that was added to in place
    made: dict[int, tuple[AwaitsProxy, Tensor, int]] = {}
    pairs: dict[nn.Module, AwaitsProxy] = {}
    called: list[nn.Module] = []

    def after(layer: AwaitsProxy, _: object, output: Tensor) -> None:
        made[id(output)] = layer, output, output._version

    def before(activation: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        called.append(activation)
        if id(inputs[0]) in made and made[id(inputs[0])][2] == inputs[0]._version:
            pairs[activation] = made[id(inputs[0])][0]

    layers = [layer for layer in network.modules() if isinstance(layer, AwaitsProxy)]
    hooks = [layer.register_forward_hook(after) for layer in layers]
    hooks += [module.register_forward_pre_hook(before) for module in network.modules() if is_activation(module)]
    watched_pass(network, [maps], hooks)
    if any(called.count(activation) > 1 for activation in pairs):
        raise ValueError("norm: proxy normalisation needs an activation of its own for each layer; one here is shared")
    return pairs


def _without_affine(layer: AwaitsProxy) -> nn.GroupNorm:
    return nn.GroupNorm(layer.num_groups, layer.num_channels, layer.eps, affine=False)


def _without_shift(layer: AwaitsProxy) -> nn.GroupNorm:
    made = nn.GroupNorm(layer.num_groups, layer.num_channels, layer.eps)
    made.weight = layer.weight
    made.register_parameter("bias", None)
    return made
