"""Dealing whole groups of rows in given shares, so that every share looks like the whole in one or several targets.

One target: groups in the order of their mean, cut into quantile bins and shuffled within each, go one after the other
to whoever is furthest below its share. Several: iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011,
ECML PKDD, algorithm 1) over the quantile bins of all targets: the bin that fewest waiting groups fall in is dealt
first, for it leaves the least choice.

We differ from the paper in whom a group goes to. There it is whoever wants most rows of the bin at hand; here it is
whoever lacks most over all the group's rows and bins, counted against what was dealt so far. For single rows the bins
come out about as even (closer with three targets), for groups of many rows two to three times closer.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

Shares = Float[np.ndarray, " s"]
PerGroup = Int[np.ndarray, " g"]


def deal(
    values: Float[np.ndarray, "n t"],
    groups: Int[np.ndarray, " n"],
    fractions: list[float],
    strata: int,
    seed: int,
) -> Int[np.ndarray, " n"]:
    """Whom every row is dealt to, as an index into `fractions`, which add up to 1.

    Nobody ends further from its fraction of the rows than the largest group has rows, and the outcome does not depend
    on the order of the rows.
    """
    names, member = np.unique(groups, return_inverse=True)
    if not len(names):
        return member
    shares, sizes = np.array(fractions), np.bincount(member)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    if values.shape[1] == 1:
        stratum = _stratum(_means(values[:, 0], member, sizes), strata)
        counts = _counts(np.arange(len(names)), stratum[:, None], sizes)
        dealt = _by_share(shuffled[np.argsort(stratum[shuffled], kind="stable")], sizes, shares)
    else:
        counts = _counts(member, _bins(values, strata), np.ones_like(member))
        dealt = _by_bin(counts, shuffled, shares)
    return settled(dealt, sizes, counts, shares, shuffled)[member]


def quantile_bins(values: Float[np.ndarray, " n"], strata: int) -> Int[np.ndarray, " n"]:
    """The quantile bin of every value, from 0; equal values share one, so that some may hold none.

    Of no more different values than bins each has its own: quantiles would not see a class rarer than 1 / strata.
    """
    known, place = np.unique(values, return_inverse=True)
    if len(known) <= strata:
        return place
    return np.searchsorted(np.quantile(values, np.arange(1, strata) / strata), values, side="right")


def _bins(values: Float[np.ndarray, "n t"], strata: int) -> Int[np.ndarray, "n t"]:
    """The bin of every row in each target, numbered through."""
    return np.stack([i * strata + quantile_bins(column, strata) for i, column in enumerate(values.T)], axis=1)


def _counts(member: Int[np.ndarray, " n"], bins: Int[np.ndarray, "n t"], weight: Int[np.ndarray, " n"]) -> csr_array:
    """How many rows of each group fall in each bin, groups × bins."""
    at = (np.repeat(member, bins.shape[1]), bins.ravel())
    return csr_array((np.repeat(weight, bins.shape[1]).astype(float), at))


def _means(values: Float[np.ndarray, " n"], member: Int[np.ndarray, " n"], sizes: PerGroup) -> Float[np.ndarray, " g"]:
    """Of each group; summed in sorted order, so that rounding cannot depend on the order of the rows."""
    order = np.lexsort((values, member))
    return np.add.reduceat(values[order], np.r_[0, np.cumsum(sizes)[:-1]]) / sizes


def _stratum(means: Float[np.ndarray, " g"], strata: int) -> PerGroup:
    """The quantile bin of each group, as even as can be; equal means in the order of the groups' names.

    Of no more different means than bins each has its own, as many groups as it may hold: a class is a stratum.
    """
    known, place = np.unique(means, return_inverse=True)
    if len(known) <= strata:
        return place
    rank = np.argsort(np.argsort(means, kind="stable"), kind="stable")
    return rank * min(strata, len(means)) // len(means)


def _by_share(order: PerGroup, sizes: PerGroup, shares: Shares) -> PerGroup:
    """Each group in turn to whoever is furthest below its share of the rows dealt so far."""
    taker = np.empty(len(sizes), dtype=np.int64)
    dealt = np.zeros(len(shares))
    for group in order:
        lack = shares * (dealt.sum() + sizes[group]) - dealt
        taker[group] = lack.argmax()
        dealt[lack.argmax()] += sizes[group]
    return taker


def _by_bin(counts: csr_array, shuffled: PerGroup, shares: Shares) -> PerGroup:
    """Bins with the fewest waiting groups first; each group to whoever lacks most over the bins of its rows."""
    of_bin, turn = counts.tocsc(), np.argsort(shuffled)
    waiting = np.diff(of_bin.indptr)  # groups in each bin
    taker = np.full(counts.shape[0], -1)
    lack = np.zeros((len(shares), counts.shape[1]))  # rows, of each bin, below the share of those dealt so far
    while waiting.any():
        rarest = np.where(waiting > 0, waiting, counts.shape[0] + 1).argmin()
        groups = of_bin.indices[of_bin.indptr[rarest] : of_bin.indptr[rarest + 1]]
        groups = groups[taker[groups] < 0]
        for group in groups[np.argsort(turn[groups])]:
            span = slice(counts.indptr[group], counts.indptr[group + 1])
            bins, rows = counts.indices[span], counts.data[span]
            taker[group] = chosen = (lack[:, bins] @ rows + shares * (rows @ rows)).argmax()
            lack[:, bins] += shares[:, None] * rows
            lack[chosen, bins] -= rows
        waiting -= np.bincount(counts[groups].indices, minlength=counts.shape[1])
    return taker


def settled(taker: PerGroup, sizes: PerGroup, counts: csr_array, shares: Shares, shuffled: PerGroup) -> PerGroup:
    """The same with as few groups moved as bring everybody to within the largest group of its share.

    As long as somebody is further off, the group that goes from the one with most rows too many to the one with most
    too few is whichever does its bins most good. Every such move lessens the sum of squares of what people are off
    by, whatever group it is, for none is as large as the gap; so there is an end.
    """
    taker, squares = taker.copy(), (counts * counts).sum(axis=1)
    expected = shares[:, None] * counts.sum(axis=0)
    while True:
        excess = np.bincount(taker, sizes, len(shares)) - shares * sizes.sum()
        if np.abs(excess).max() <= sizes.max() + 1e-9:
            return taker
        giver, receiver = excess.argmax(), excess.argmin()
        given = shuffled[taker[shuffled] == giver]  # in this order, so that chance decides between equals
        held = [counts[taker == who].sum(axis=0) - expected[who] for who in (giver, receiver)]
        harm = squares[given] - counts[given] @ (held[0] - held[1])
        taker[given[harm.argmin()]] = receiver
