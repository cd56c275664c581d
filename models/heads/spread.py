"""What a head says of rows whose truth is known, beyond a number: quantiles, the density at the truth, and TARP.

A row comes with the outputs of one or more views of it, such as its eight orientations (`models.training.symmetric`).
Numbers and quantiles are averaged over them: a quantile of the whole is the mean of the views' quantiles at that level
(Vincent 1912; Ratcliff 1979, Psychol. Bull. 86, 446), which keeps the views' shape. Densities and samples are those of
the views' equal mixture, which is wider by as much as the views disagree. With one view both are what the head says.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

BATCH = 512  # rows at a time
DRAWS = 256  # samples a row, shared by its views: TARP is known to one in so many
SEED = 0  # of the chance in TARP, beside the row's number
NARROWEST = 1e-6  # of a row's spread as the unit of its distances, in standard deviations of the normalised target


@torch.no_grad()
def said(
    head: Any,
    outputs: Float[Tensor, "n v ..."],
    targets: Float[Tensor, "n t"],
    rows: Int[np.ndarray, " n"],
    levels: Float[Tensor, " q"],
) -> dict[str, Float[Tensor, "n ..."]]:
    """What a head's outputs (n, v, ...) of v views amount to, in units of the normalised targets; on the CPU.

    - `point` (n, t);
    - of a head with quantiles `quantiles` (n, t, q) at `levels`, and `spread` (n, t), half of what lies between those
      that are a standard deviation from the middle of a normal distribution;
    - of a head with a density `nll` (n, t), minus its logarithm at each true target; where the head judges several
      together `nll_joint` (n,) instead;
    - of a head with samples, where there are several targets, `tarp` (n,).

    `rows` are numbers that name the rows for good: what is left to chance depends on them, not on who else is there.
    """
    device = next(head.parameters()).device
    parts = zip(outputs.split(BATCH), targets.split(BATCH), np.split(rows, range(BATCH, len(rows), BATCH)), strict=True)
    blocks = [_block(head, a.to(device), b.to(device), c, levels.to(device)) for a, b, c in parts]
    return {name: torch.cat([block[name].cpu() for block in blocks]) for name in blocks[0]}


def _block(
    head: Any,
    outputs: Float[Tensor, "n v ..."],
    targets: Float[Tensor, "n t"],
    rows: Int[np.ndarray, " n"],
    levels: Float[Tensor, " q"],
) -> dict[str, Float[Tensor, "n ..."]]:
    views = outputs.unbind(1)
    found = {"point": _mean([head.point(view) for view in views])}
    if head.quantile is not None:
        one_sigma = torch.special.ndtr(levels.new_tensor([-1.0, 1.0]))
        quantiles = _mean([head.quantile(view, torch.cat([levels, one_sigma])) for view in views])
        found |= {"quantiles": quantiles[..., :-2], "spread": (quantiles[..., -1] - quantiles[..., -2]) / 2}
    if head.log_prob is not None:
        density = torch.stack([head.log_prob(view, targets) for view in views])
        unlikely = math.log(len(views)) - density.logsumexp(dim=0)
        found |= _nll(unlikely, targets)
    if head.samples_at is not None and targets.shape[1] > 1:
        found["tarp"] = tarp(head, outputs, targets, found["point"], found["spread"], rows)
    return found


def _mean(views: list[Float[Tensor, "n ..."]]) -> Float[Tensor, "n ..."]:
    return torch.stack(views).mean(dim=0)


def _nll(unlikely: Float[Tensor, "n ..."], targets: Float[Tensor, "n t"]) -> dict[str, Float[Tensor, "n ..."]]:
    """By its name: the joint density of a single target is that target's own."""
    if unlikely.ndim == 2:
        return {"nll": unlikely}
    return {"nll": unlikely[:, None]} if targets.shape[1] == 1 else {"nll_joint": unlikely}


def tarp(
    head: Any,
    outputs: Float[Tensor, "n v ..."],
    targets: Float[Tensor, "n t"],
    point: Float[Tensor, "n t"],
    spread: Float[Tensor, "n t"],
    rows: Int[np.ndarray, " n"],
) -> Float[Tensor, " n"]:
    """The fraction of a row's samples that lie nearer to a reference point than the truth does.

    Uniform over rows if the head is calibrated, wherever the reference points are (Lemos et al. 2023, ICML, arXiv
    2302.03026); if they did not depend on the image, a head that says the same of every image could pass, too. Here the
    reference lies above the row's point in every target, by the absolute value of twice a normal deviate. Theirs lie
    anywhere; but on all sides of the point, an error that all rows share cancels to first order, and so does a
    correlation that the head does not know. Distances are in units of the row's own spread of each target, so that none
    is drowned by another. NaN where the outputs are not finite.
    """
    count = DRAWS // outputs.shape[1]
    drawn = torch.from_numpy(_normal(rows, 1 + count * outputs.shape[1], targets.shape[1])).to(outputs)
    reference, normal = 2 * drawn[:, :1].abs(), drawn[:, 1:].unflatten(1, (-1, count))
    samples = head.samples_at(outputs.flatten(0, 1), normal.flatten(0, 1)).unflatten(0, normal.shape[:2]).flatten(1, 2)
    unit = spread.clamp_min(NARROWEST)[:, None]
    centred = (each - point[:, None] for each in (samples, targets[:, None]))
    near, far = ((each / unit - reference).square().sum(dim=2) for each in centred)
    return torch.where(far[:, 0].isfinite(), (near < far).to(outputs.dtype).mean(dim=1), torch.nan)


def _normal(rows: Int[np.ndarray, " n"], count: int, num_targets: int) -> Float[np.ndarray, "n m t"]:
    """Normal deviates that belong to each row."""
    drawn = [np.random.default_rng([SEED, int(row)]).standard_normal((count, num_targets)) for row in rows]
    return np.array(drawn).reshape(len(rows), count, num_targets)
