"""Layers in which the channels of a map look at each other."""

from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from models.blocks.activation import activation


class SqueezeExcitation(nn.Module):
    """Every channel times a number between 0 and 1 that the means of all channels decide (Hu et al. 2018, CVPR).

    The means pass a layer `reduction` times narrower, rounded up to a multiple of 8 as in fastai.
    """

    def __init__(self, channels: int, reduction: int, activation_name: str) -> None:
        super().__init__()
        hidden = 8 * max(1, ceil(channels // reduction / 8))
        layers = nn.Linear(channels, hidden), activation(activation_name), nn.Linear(hidden, channels), nn.Sigmoid()
        self.gate = nn.Sequential(*layers)

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return maps * self.gate(maps.mean(dim=(2, 3)))[:, :, None, None]


class SimpleSelfAttention(nn.Module):
    """x + gain (x x^T) W x, with x the map as channels by pixels: attention among channels, without a softmax.

    fastai's layer of that name, which is S. Doria's (2019). W has spectral norm 1, `gain` begins at 0. The product
    x x^T is a sum over pixels, not a mean: the layer is cubic in its input and grows with the frame, and is computed in
    float32 inside autocast.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        mixing = nn.Linear(channels, channels, bias=False)
        nn.init.kaiming_normal_(mixing.weight)
        self.mixing = spectral_norm(mixing)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        with torch.autocast(maps.device.type, enabled=False):
            pixels = maps.flatten(2).to(self.gain.dtype)  # (n, c, p)
            attention = pixels @ pixels.mT  # (n, c, c)
            attended = self.gain * (attention @ self.mixing(pixels.mT).mT)
        return maps + attended.view(maps.shape).to(maps.dtype)
