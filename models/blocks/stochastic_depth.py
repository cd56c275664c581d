"""Stochastic depth (Huang et al. 2016, ECCV): in training, residual branches are left out at random."""

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """A branch is zero for a fraction `rate` of the images and is scaled up for the others; all of it in evaluation."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        keep = torch.rand(len(branch), *[1] * (branch.ndim - 1), device=branch.device) >= self.rate
        return branch * keep / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def check_rate(rate: float) -> None:
    """Refuse what is no rate of leaving a branch out."""
    if not 0 <= rate < 1:
        raise ValueError(f"stochastic_depth: {rate}; it must be at least 0 and less than 1")


def depth_rates(largest: float, blocks: tuple[int, ...]) -> list[list[float]]:
    """A rate for every block of every stage, rising linearly from 0 at the first to `largest` at the last."""
    check_rate(largest)
    last = max(sum(blocks) - 1, 1)
    return [[largest * (sum(blocks[:stage]) + block) / last for block in range(n)] for stage, n in enumerate(blocks)]
