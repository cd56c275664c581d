"""The two-way bootstrap: seeds and groups of lenses drawn anew, independently of each other.

A result must hold for other seeds and for other lenses, so both are resampled (the pigeonhole bootstrap: Owen 2007,
Ann. Appl. Stat. 1, 386). Every arm meets the same draws; a difference, a difference of differences or a mean of arms
is then the same combination of columns, and what arms share (a hard lens, a lucky seed) cancels as it should.

How the draws vary: with effects of seeds, groups and of single predictions that contribute A, B and E to the variance
of a mean over s seeds and G groups, the mean of the draws' variance is (1 - 1/s) A + (1 - 1/G) B + about 3 E (same
paper), where it should be A + B + E. `intervals` puts that right; the draws themselves are the plain ones.
"""

import numpy as np
from jaxtyping import Float

from pipeline.contrasts.samples import Sample

PIECE = 2**20  # group indices drawn at a time: 25 MB in all


def resampled(sample: Sample, draws: int, seed: int) -> Float[np.ndarray, "d a"]:
    """The metric of every arm on each draw of s seeds and G groups with replacement.

    The groups are drawn as G integers and counted; all arms and seeds then cost one matrix product a piece.
    """
    arms, seeds, groups = sample.sums.shape
    of_seeds, of_groups = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    weights = of_seeds.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds  # (d, s)
    # one column more, so that draws of larger groups are means over more lenses
    table = np.vstack([sample.sums.reshape(-1, groups), sample.lenses]).T  # (g, a s + 1)
    found = np.empty((draws, arms))
    rows = max(1, PIECE // groups)
    for start in range(0, draws, rows):
        piece = weights[start : start + rows]
        totals = _counts(of_groups, len(piece), groups) @ table
        by_seed = sample.form((totals[:, :-1] / totals[:, -1:]).reshape(len(piece), arms, seeds))
        found[start : start + rows] = np.einsum("das,ds->da", by_seed, piece)
    return found


def _counts(generator: np.random.Generator, draws: int, groups: int) -> Float[np.ndarray, "d g"]:
    """How often each group is in a draw of as many: multinomial counts, four times as fast as `multinomial`."""
    drawn = generator.integers(0, groups, (draws, groups))
    drawn += groups * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * groups).reshape(draws, groups).astype(np.float64)
