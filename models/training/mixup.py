"""Mixup for regression (Zhang et al. 2018, ICLR): images between images, with targets between their targets."""

import torch
from jaxtyping import Float
from torch import Tensor


def mixup(
    maps: Float[Tensor, "n c h w"],
    target: Float[Tensor, "n t"],
    vectors: Float[Tensor, "n v"] | None,
    alpha: float,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n t"], Float[Tensor, "n v"] | None]:
    """Each row as lambda of itself and 1 - lambda of another, in maps, target and vectors alike.

    lambda is drawn for every row from Beta(`alpha`, `alpha`): near 0 or 1 for a small alpha, 1/2 for a large one. The
    partners are the rows in another order. An alpha of 0 gives back what it was given and draws nothing. All is drawn
    on the CPU.

    Mixed sky noise loses up to half of its variance, and a target between two masses is not the mass of two lenses in
    one frame: this is a regulariser, not physics.
    """
    if not alpha >= 0:
        raise ValueError(f"mixup: alpha is {alpha:g}; it must be at least 0, and 0 is no mixup")
    if alpha == 0:
        return maps, target, vectors
    share = _beta(len(maps), alpha, generator).to(maps)
    partner = torch.randperm(len(maps), generator=generator).to(maps.device)
    mixed = [_between(rows, rows[partner], share) for rows in (maps, target)]
    return mixed[0], mixed[1], None if vectors is None else _between(vectors, vectors[partner], share)


def _between(first: Tensor, second: Tensor, share: Float[Tensor, " n"]) -> Tensor:
    share = share.to(first).view(-1, *[1] * (first.ndim - 1))
    return share * first + (1 - share) * second


def _beta(count: int, alpha: float, generator: torch.Generator) -> Float[Tensor, " count"]:
    """Draws of Beta(alpha, alpha), g / (g + g') of two gamma variates: torch's own takes no generator, its gamma does.

    In logarithms, with g(alpha) = g(alpha + 1) u^(1 / alpha) for a uniform u: a small alpha would leave 0 / 0.
    """
    shape = torch.full((2, count), alpha + 1, dtype=torch.float64)
    gamma = torch._standard_gamma(shape, generator=generator).log()
    gamma += torch.rand(2, count, generator=generator, dtype=torch.float64).log() / alpha
    return torch.sigmoid(gamma[0] - gamma[1])
