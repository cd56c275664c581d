"""Least squares with coefficients that are not negative, many small problems at once."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from features.filters import plain

RIDGE = 1e-10  # of the diagonal: tells apart columns that are almost the same
PATIENCE = 3
State = tuple[Bool[Tensor, "n k"], Int[Tensor, "n 1"], Int[Tensor, "n 1"]]  # the free set; fewest wrong; patience left


def nnls(
    gram: Float[Tensor, "n k k"],
    moment: Float[Tensor, "n k"],
    among: Bool[Tensor, "n k"] | None = None,
    rounds: int = 60,
) -> tuple[Float[Tensor, "n k"], Bool[Tensor, "n k"]]:
    """The x >= 0 with the least x'Gx / 2 - x'm of each problem, and which of its coefficients are free.

    Block principal pivoting (Portugal, Judice & Vicente 1994, Math. Comp. 63, 625; as in Kim & Park 2011, SIAM J. Sci.
    Comput. 33, 3261): all coefficients that are negative leave the free set at once, and all those come in that would
    lower the sum; when that has not helped three times, only the last of them moves, until it has. `among` is the free
    set to begin with. What has settled does not move again, so that it makes no difference to stop earlier.
    """
    scale = gram.diagonal(dim1=1, dim2=2).clamp_min(1e-200).rsqrt()
    unit = torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype)
    gram, moment = gram * scale[:, :, None] * scale[:, None, :] + RIDGE * unit, moment * scale
    free = torch.zeros_like(moment, dtype=torch.bool) if among is None else among
    fewest = torch.full_like(free[:, :1], gram.shape[1] + 1, dtype=torch.int64)
    state = free, fewest, torch.full_like(fewest, PATIENCE)
    if plain(gram):
        free = settled(gram, moment, state, rounds)
    else:
        for _ in range(rounds):
            state, _ = moved(gram, moment, state)
        free = state[0]
    return solved(gram, moment, free).clamp_min(0) * scale, free


def settled(gram: Float[Tensor, "n k k"], moment: Float[Tensor, "n k"], state: State, rounds: int) -> Tensor:
    """The free sets after so many rounds, each spent on the problems alone that have not settled before."""
    free = state[0].clone()
    rows = torch.arange(len(gram))
    for _ in range(rounds):
        state, wrong = moved(gram, moment, state)
        free[rows] = state[0]
        if not wrong.any():
            break
        if not wrong.all():
            rows, gram, moment = rows[wrong], gram[wrong], moment[wrong]
            state = state[0][wrong], state[1][wrong], state[2][wrong]
    return free


def moved(gram: Float[Tensor, "n k k"], moment: Float[Tensor, "n k"], state: State) -> tuple[State, Bool[Tensor, " n"]]:
    """One exchange between the free set and the rest, and which problems needed one."""
    free, fewest, patience = state
    x = solved(gram, moment, free)
    slack = 1e-12 * moment.abs().amax(dim=1, keepdim=True)
    downhill = moment - (gram @ x[:, :, None])[:, :, 0]
    wrong = torch.where(free, x < -slack, downhill > slack)
    count = wrong.sum(dim=1, keepdim=True)
    patience = torch.where(count < fewest, PATIENCE, patience - 1)
    number = torch.arange(1, free.shape[1] + 1, device=free.device) * wrong
    last = wrong & (number == number.amax(dim=1, keepdim=True))
    free = free ^ torch.where(patience > 0, wrong, last)
    return (free, torch.minimum(count, fewest), patience), count[:, 0] > 0


def solved(
    gram: Float[Tensor, "n k k"], moment: Float[Tensor, "n k"], free: Bool[Tensor, "n k"]
) -> Float[Tensor, "n k"]:
    """Least squares in the free coefficients, zero in the others."""
    unit = torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype)
    root, _ = torch.linalg.cholesky_ex(torch.where(free[:, :, None] & free[:, None, :], gram, unit))
    return torch.cholesky_solve((moment * free)[:, :, None], root)[:, :, 0] * free
