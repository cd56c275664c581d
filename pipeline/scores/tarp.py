"""TARP: are posteriors of several targets at once as wide as they say? (Lemos et al. 2023, ICML, arXiv:2302.03026)

A ball about a reference point, through the truth, holds a share of the posterior's samples. Where posteriors are
right, that share is uniform over lenses, wherever the references are; and if it is uniform for every way of choosing
references *from the image*, the posteriors are right (their theorem 3). References that do not depend on the image are
blind: a predictor that ignores the image and answers the prior passes. So put them near each row's own prediction, in
a direction and at a distance of a spread or two drawn at random for each row.

It sees wrong shapes and correlations, which each target's own PIT cannot. It hardly sees a common bias: references all
around an answer average it out (0.3 standard deviations in 3000 lenses: p = 0.2, where the PIT gives 10⁻⁵⁰). So ask
both.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipeline.scores import intervals
from pipeline.scores.gaps import refuse


@dataclass(frozen=True)
class Curve:
    """Expected coverage at credibility levels, with a pointwise band; the diagonal is calibration.

    Below it at every level: too narrow or biased posteriors. `low` and `high` are each level's own, not a band for all.
    """

    levels: Float[np.ndarray, " k"]
    covered: Float[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]


def tarp_fractions(
    samples: Float[np.ndarray, "m n t"], truth: Float[np.ndarray, "n t"], references: Float[np.ndarray, "n t"]
) -> Float[np.ndarray, " n"]:
    """The share of each row's samples that are nearer to its reference than its truth is.

    Distances are Euclidean, so hand in standardised targets (the training role's mean and deviation): else the one
    with the largest numbers decides alone. The share is (k + ½) / (m + 1) for k of m nearer samples: of a right
    posterior k is uniform over 0 … m, and this is then uniform but for steps of 1 / (m + 1).
    """
    refuse(samples=samples, truth=truth, references=references)
    limit = ((truth - references) ** 2).sum(axis=-1)  # (n,)
    nearer = (((samples - references) ** 2).sum(axis=-1) < limit).sum(axis=0)
    return (nearer + 0.5) / (len(samples) + 1)


def expected_coverage(
    fractions: Float[np.ndarray, "s n"],
    levels: Float[np.ndarray, " k"],
    groups: Int[np.ndarray, " n"],
    confidence: float = 0.95,
) -> Curve:
    """The share of rows whose fraction is below each level, with an interval over seeds and groups.

    Clopper–Pearson for one seed and lenses that share nothing. Levels finer than 1 / (m + 1) of the samples behind the
    fractions mean nothing.
    """
    refuse(fractions=fractions)
    found = [intervals.of_hits(fractions < level, groups, confidence) for level in levels]
    covered, low, high = (np.array([getattr(one, end) for one in found]) for end in ("value", "low", "high"))
    return Curve(levels, covered, low, high)
