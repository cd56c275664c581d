"""Several networks that differ in their seed, asked together."""

from jaxtyping import Float
from torch import Tensor


def combined(
    means: Float[Tensor, "s n t"], stds: Float[Tensor, "s n t"] | None = None
) -> tuple[Float[Tensor, "n t"], Float[Tensor, "n t"]]:
    """Mean and standard deviation of the equal mixture of the members' distributions.

    Lakshminarayanan, Pritzel & Blundell 2017 (NeurIPS, arXiv 1612.01474, section 2.4): the variance is the mean of the
    members' own and that of their means. Members that say a number alone leave the second: what they disagree by, which
    is no more than a lower bound of the error, and zero for one member.
    """
    between = means.var(dim=0, correction=0)
    within = 0 if stds is None else stds.square().mean(dim=0)
    return means.mean(dim=0), (between + within).sqrt()
