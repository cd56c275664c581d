"""The sign-flip test: would differences of seeds so large be seen if each seed might as well have gone the other way?

Under the null that two arms are exchangeable within a seed, every pattern of signs of the per-seed differences is
equally likely (Fisher 1935). It assumes nothing of their distribution, and its smallest p is 2 / 2^s: .0625 from five
seeds, .031 from six, .0078 from eight, .002 from ten. It speaks of these test lenses: that others would agree is what
the interval adds.
"""

import numpy as np
from jaxtyping import Float

EXACT = 16  # seeds up to which all patterns are tried
RANDOM = 100_000  # patterns beyond, the observed one among them (Phipson & Smyth 2010: no p of zero)
SAME = 1e-12  # relative: sums of one set of numbers in another order


def sign_flip(differences: Float[np.ndarray, " s"], seed: int = 0) -> float:
    """Two-sided p of the mean difference: the share of sign patterns whose |mean| is no smaller than the observed."""
    sums = np.abs(_signs(len(differences), seed) @ differences)
    return float((sums >= sums[0] * (1 - SAME)).mean())


def smallest(seeds: int) -> float:
    """The smallest p that so many seeds can give."""
    return max(2.0 ** (1 - seeds), 1 / RANDOM if seeds > EXACT else 0.0)


def _signs(seeds: int, seed: int) -> Float[np.ndarray, "p s"]:
    """Patterns of ±1, the observed one (all +1) first. As |sum| ignores a common sign, the first may stay +1."""
    if seeds > EXACT:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (RANDOM, seeds))
        signs[0] = 1
        return signs
    patterns = np.arange(2 ** (seeds - 1))[:, None] >> np.arange(seeds) & 1
    return 1.0 - 2.0 * patterns[:, ::-1]
