"""Least squares with coefficients that are not negative, many small problems at once."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from features.filters import plain

RIDGE = 1e-10  # of the diagonal: tells apart columns that are almost the same


def nnls(
    gram: Float[Tensor, "n k k"],
    moment: Float[Tensor, "n k"],
    rounds: int = 40,
    among: Bool[Tensor, "n k"] | None = None,
) -> tuple[Float[Tensor, "n k"], Bool[Tensor, "n k"]]:
    """The x >= 0 with the least x'Gx / 2 - x'm of each problem, and which of its coefficients are free.

    Block principal pivoting (Portugal, Judice & Vicente 1994, Math. Comp. 63, 625; the form of Kim & Park 2011, SIAM J.
    Sci. Comput. 33, 3261): all coefficients that are negative leave the free set at once, and all those come in that
    would lower the sum; when that has not helped three times, only the last of them moves, which always ends.
    `among` is the free set to begin with.
    """
    scale = gram.diagonal(dim1=1, dim2=2).clamp_min(1e-200).rsqrt()
    gram, moment = gram * scale[:, :, None] * scale[:, None, :], moment * scale
    gram = gram + RIDGE * torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype)
    slack = 1e-12 * moment.abs().amax(dim=1, keepdim=True)
    last = torch.arange(1, gram.shape[1] + 1, device=gram.device)
    free = torch.zeros_like(moment, dtype=torch.bool) if among is None else among
    fewest = torch.full_like(moment[:, 0], gram.shape[1] + 1)
    patience = torch.full_like(fewest, 3)
    for _ in range(rounds):
        x = solved(gram, moment, free)
        uphill = (gram @ x[:, :, None])[:, :, 0] - moment
        wrong = torch.where(free, x < -slack, uphill < -slack)
        count = wrong.sum(dim=1).to(moment.dtype)
        if plain(gram) and not wrong.any():
            break
        better = count < fewest
        fewest = torch.minimum(count, fewest)
        patience = torch.where(better, 3, patience - 1)
        one = wrong & (last == (wrong * last).amax(dim=1, keepdim=True))
        free = free ^ torch.where((patience > 0)[:, None], wrong, one)
    return solved(gram, moment, free).clamp_min(0) * scale, free


def solved(
    gram: Float[Tensor, "n k k"], moment: Float[Tensor, "n k"], free: Bool[Tensor, "n k"]
) -> Float[Tensor, "n k"]:
    """Least squares in the free coefficients, zero in the others."""
    both = free[:, :, None] & free[:, None, :]
    alone = torch.where(both, gram, torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype))
    root, _ = torch.linalg.cholesky_ex(alone)
    return torch.cholesky_solve((moment * free)[:, :, None], root)[:, :, 0] * free
