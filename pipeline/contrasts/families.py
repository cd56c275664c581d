"""Many comparisons at once: p-values corrected for it, and the levels at which intervals are to be read.

Holm for a family that was declared before the results were seen: no claim of it is false with probability 1 - alpha.
Benjamini and Hochberg for exploration: of what is claimed, a share of alpha may be false.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

# p, alpha -> corrected p, and the alpha at which each interval is read
Correction = Callable[
    [Float[np.ndarray, " m"], float],
    tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]],
]


def holm(p: Float[np.ndarray, " m"], alpha: float) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Step-down corrected p (Holm 1979, Scand. J. Stat. 6, 65): the k-th smallest of m is held against alpha/(m-k+1).

    Its interval is read at that same level. Equal p, common where few seeds allow few values, share the strictest
    level of theirs, so that the order in which contrasts are listed decides nothing.
    """
    left = p.size - np.searchsorted(np.sort(p), p)  # hypotheses not yet rejected when this one's turn comes
    order = np.argsort(p, kind="stable")
    corrected = np.empty(p.size)
    corrected[order] = np.minimum(np.maximum.accumulate((left * p)[order]), 1)
    return corrected, alpha / left


def benjamini_hochberg(
    p: Float[np.ndarray, " m"], alpha: float
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Step-up corrected p (1995, J. R. Stat. Soc. B 57, 289), valid for independent or positively dependent tests.

    With R of m claimed, intervals are read at alpha R / m: of the intervals of claimed contrasts a share of alpha then
    miss (Benjamini & Yekutieli 2005, J. Am. Stat. Assoc. 100, 71).
    """
    order = np.argsort(p)[::-1]  # from the largest
    scaled = p[order] * p.size / np.arange(p.size, 0, -1)
    corrected = np.empty(p.size)
    corrected[order] = np.minimum(np.minimum.accumulate(scaled), 1)
    claimed = max(1, int((corrected <= alpha).sum()))
    return corrected, np.full(p.size, alpha * claimed / p.size)
