"""Several quantiles a target."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import Perceptron, positive, single


class Quantiles(nn.Module):
    """Outputs (n, t, q): the quantiles at `levels`, which ascend; the point is the median.

    They cannot cross: the median is free, and from it the others lie at running sums of positive steps. With outputs
    of zero they are those of a standard normal distribution.
    """

    log_prob = None  # a quantile has no neighbourhood: any density between two of them would be our invention
    samples_at = None

    levels: Tensor
    deviates: Tensor

    def __init__(
        self,
        body: Perceptron,
        num_targets: int,
        levels: Sequence[float] = (0.025, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.975),
    ) -> None:
        if any(a >= b for a, b in pairwise([0, *levels, 1])) or 0.5 not in levels[1:-1]:
            raise ValueError(f"levels: {list(levels)}; they must ascend between 0 and 1, with 0.5 between others")
        super().__init__()
        self.body, self.last = body, nn.Linear(body.width, num_targets * len(levels))
        self.middle = levels.index(0.5)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("deviates", torch.special.ndtri(self.levels), persistent=False)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n t q"]:
        free = single(self.last(self.body(features))).unflatten(1, (-1, len(self.levels)))
        below, median, above = free.tensor_split([self.middle, self.middle + 1], dim=2)
        wide = self.deviates.diff()
        down = (positive(below) * wide[: self.middle]).flip(2).cumsum(2).flip(2)
        up = (positive(above) * wide[self.middle :]).cumsum(2)
        return torch.cat([median - down, median, median + up], dim=2)

    def point(self, outputs: Float[Tensor, "n t q"]) -> Float[Tensor, "n t"]:
        return outputs[..., self.middle]

    def loss(self, outputs: Float[Tensor, "n t q"], targets: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """The mean over the levels of the pinball loss (Koenker & Bassett 1978, Econometrica 46, 33)."""
        above = targets[..., None] - outputs
        return torch.maximum(self.levels * above, (self.levels - 1) * above).mean(dim=2)

    def quantile(self, outputs: Float[Tensor, "n t q"], levels: Float[Tensor, " p"]) -> Float[Tensor, "n t p"]:
        """At any levels: linear in the normal deviate of the level, and on beyond the last; exact for a Gaussian."""
        deviates = torch.special.ndtri(levels)
        right = torch.searchsorted(self.deviates, deviates).clamp(1, len(self.levels) - 1)
        left = right - 1
        share = (deviates - self.deviates[left]) / (self.deviates[right] - self.deviates[left])
        return outputs[..., left] + share * (outputs[..., right] - outputs[..., left])
