"""Split-conformal intervals: widths from the calibration role that hold the truth as often as stated, for any network.

The guarantee is over calibration and test rows together: on average over both, between `level` and
level + 1 / (m + 1) of the test truths lie inside, if the rows of both roles are exchangeable (Vovk et al. 2005; Lei et
al. 2018, JASA 113, 1094). It says nothing of one bin of the label, and it does not hold on a shifted test set; rows
that share a halo count for less than their number. With m calibration rows no level above m / (m + 1) can be
promised: the interval is then infinite.
"""

import numpy as np
from jaxtyping import Float

from pipeline.scores.gaps import refuse


def half_width(residuals: Float[np.ndarray, "*s m"], level: float) -> Float[np.ndarray, "*s"]:
    """Of intervals prediction ± width: ceil((m + 1) level)-th smallest absolute residual of the calibration rows."""
    refuse(residuals=residuals)
    return _quantile(np.abs(residuals), level)


def margin(
    low: Float[np.ndarray, "*s m"], high: Float[np.ndarray, "*s m"], truth: Float[np.ndarray, " m"], level: float
) -> Float[np.ndarray, "*s"]:
    """What to widen predicted intervals by: [low − margin, high + margin] (Romano, Patterson and Candès 2019, eq. 6).

    From the calibration rows' own intervals, whatever level they were meant for; below zero where those are too wide.
    Widths keep what the network knows of each lens.
    """
    refuse(low=low, high=high, truth=truth)
    return _quantile(np.maximum(low - truth, truth - high), level)


def _quantile(scores: Float[np.ndarray, "*s m"], level: float) -> Float[np.ndarray, "*s"]:
    """The ceil((m + 1) level)-th smallest of each row; infinite where there are not as many."""
    if not 0 < level < 1:
        raise ValueError(f"level: {level}; the probability of a truth inside, between 0 and 1")
    many = scores.shape[-1]
    rank = int(np.ceil((many + 1) * level - 1e-9))  # 100 × 0.55 is 55.00000000000001
    if rank > many:
        return np.full(scores.shape[:-1], np.inf)
    return np.asarray(np.partition(scores, rank - 1, axis=-1)[..., rank - 1])
