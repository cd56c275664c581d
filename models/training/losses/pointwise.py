"""What a residual costs: prediction minus truth (n, t), in units of the normalised target, to losses (n, t).

Near zero all are parabolas but `mae`; they differ in how much an outlier may say. `delta` is where a loss turns from a
parabola to a line, one number or one a target; squares weigh the mean, lines the median.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus


def mse(residuals: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    return residuals.square()


def mae(residuals: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    return residuals.abs()


def huber(residuals: Float[Tensor, "n t"], delta: float | Float[Tensor, " #t"] = 1.0) -> Float[Tensor, "n t"]:
    """Half a square up to `delta` and beyond it the tangent (Huber 1964, Ann. Math. Stat. 35, 73)."""
    size = residuals.abs()
    parabolic = size.clamp(max=delta)
    return parabolic * (size - parabolic / 2)


def smooth_l1(residuals: Float[Tensor, "n t"], delta: float | Float[Tensor, " #t"] = 1.0) -> Float[Tensor, "n t"]:
    """Huber's loss over `delta`, which torch calls beta here: outliers cost as under `mae`, whatever it is."""
    return huber(residuals, delta) / delta


def log_cosh(residuals: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    """ln cosh: half a square near zero, |r| - ln 2 far out, smooth between; written such that nothing overflows."""
    return residuals + softplus(-2 * residuals) - math.log(2)


def robust(residuals: Float[Tensor, "n t"], alpha: float = 1.0, scale: float = 1.0) -> Float[Tensor, "n t"]:
    """The general loss of Barron 2019 (CVPR, arXiv 1701.03077, eq. 1 and its limits in eq. 8).

    `alpha` says how much an outlier counts: 2 half a square, 1 Charbonnier's smooth L1, 0 Cauchy's, -2 Geman and
    McClure's, minus infinity Welsch's, under which one far enough out pulls no more. Within `scale` all are parabolas.
    Logarithms keep the digits that the powers of eq. 1 lose near 0 and 2.
    """
    square = (residuals / scale).square()
    if alpha == 2:
        return square / 2
    if alpha == 0:
        return torch.log1p(square / 2)
    if alpha == -math.inf:
        return -torch.expm1(-square / 2)
    distance = abs(alpha - 2)
    return distance / alpha * torch.expm1(alpha / 2 * torch.log1p(square / distance))


POINTWISE: dict[str, Callable[..., Tensor]] = {
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "smooth_l1": smooth_l1,
    "log_cosh": log_cosh,
    "robust": robust,
}
