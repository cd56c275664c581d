"""A mean and a standard deviation a target."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import Perceptron, positive, single

FLOOR = 1e-3  # of a standard deviation, in those of the normalised target: a likelihood has no bound without one


class Gaussian(nn.Module):
    """Outputs (n, t, 2): mean and standard deviation of independent normal distributions.

    Trained with the beta-NLL of Seitzer et al. 2022 (ICLR, arXiv 2203.09168, eq. 5): each image's negative
    log-likelihood weighs as its own predicted variance to the power `beta`, which is not differentiated. 0 is the
    likelihood, under which what is predicted badly is soon called noisy and learnt no further; with 1 the means learn
    as from squared errors; they recommend 0.5.
    """

    def __init__(self, body: Perceptron, num_targets: int, beta: float = 0.5) -> None:
        if not 0 <= beta <= 1:
            raise ValueError(f"beta: {beta:g}; it must lie between 0 (likelihood) and 1 (means as from squared errors)")
        super().__init__()
        self.body, self.last, self.beta = body, nn.Linear(body.width, 2 * num_targets), beta

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n t 2"]:
        mean, spread = single(self.last(self.body(features))).chunk(2, dim=1)
        return torch.stack([mean, FLOOR + positive(spread)], dim=2)

    def point(self, outputs: Float[Tensor, "n t 2"]) -> Float[Tensor, "n t"]:
        return outputs[..., 0]

    def loss(self, outputs: Float[Tensor, "n t 2"], targets: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """Negative log-likelihood without its constant, ln(2 pi) / 2.

        In evaluation it is not weighted, whatever `beta`: under the weights a spread that is too small costs next to
        nothing, so that they would pick the wrong epoch.
        """
        mean, std = outputs.unbind(2)
        unlikely = std.log() + 0.5 * ((targets - mean) / std) ** 2
        return unlikely * std.detach() ** (2 * self.beta) if self.training else unlikely

    def log_prob(self, outputs: Float[Tensor, "n t 2"], targets: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """Of each target by itself, as they are independent."""
        mean, std = outputs.unbind(2)
        return -0.5 * ((targets - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)

    def samples_at(self, outputs: Float[Tensor, "n t 2"], normal: Float[Tensor, "n m t"]) -> Float[Tensor, "n m t"]:
        mean, std = outputs[:, None].unbind(3)
        return mean + std * normal

    def quantile(self, outputs: Float[Tensor, "n t 2"], levels: Float[Tensor, " q"]) -> Float[Tensor, "n t q"]:
        mean, std = outputs[..., None].unbind(2)
        return mean + std * torch.special.ndtri(levels)
