"""Dealing: whole groups, in the shares that were asked, alike in every target, whatever order the rows come in."""

import hashlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.stats import ks_2samp

from pipeline.dealing import balance, schemes
from pipeline.dealing.deal import deal, quantile_bins, settled
from pipeline.dealing.groups import joined
from pipeline.params import Split

FRACTIONS = [0.6, 0.15, 0.1, 0.15]
TEST = schemes.ROLES.index("test")


class Case(NamedTuple):
    values: np.ndarray
    groups: np.ndarray
    fractions: list[float]
    strata: int
    seed: int

    @property
    def largest(self) -> int:
        return int(np.unique(self.groups, return_counts=True)[1].max())


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """Rows with one to three targets, some of them correlated, coarse or alike, in groups of every size."""
    n, targets = draw(st.integers(1, 250)), draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    groups = generator.integers(-5, draw(st.integers(1, 200)), n)
    values = generator.normal(size=(n, targets)).round(draw(st.integers(0, 3)))
    values += draw(st.sampled_from([0, 2])) * values[:, :1]
    parts = draw(st.lists(st.integers(1, 20), min_size=2, max_size=6))
    fractions = draw(st.sampled_from([FRACTIONS, [part / sum(parts) for part in parts]]))
    return Case(values, groups, fractions, draw(st.integers(1, 20)), seed)


@given(cases())
def test_no_group_is_parted(case: Case) -> None:
    role = deal(*case)
    for group in np.unique(case.groups):
        assert len(np.unique(role[case.groups == group])) == 1


@given(cases())
def test_fractions_are_met_to_within_one_group(case: Case) -> None:
    counts = np.bincount(deal(*case), minlength=len(case.fractions))
    assert counts.sum() == len(case.values)
    assert (np.abs(counts - np.array(case.fractions) * len(case.values)) <= case.largest + 1e-6).all()


@given(cases())
def test_the_order_of_the_rows_does_not_matter(case: Case) -> None:
    order = np.random.default_rng(case.seed).permutation(len(case.values))
    again = case._replace(values=case.values[order], groups=case.groups[order])
    np.testing.assert_array_equal(deal(*again), deal(*case)[order])


def test_another_seed_is_another_deal() -> None:
    for values in (np.arange(200.0)[:, None], np.random.default_rng(0).normal(size=(200, 2))):
        first, second = (deal(values, np.arange(200), FRACTIONS, 10, seed) for seed in (0, 1))
        assert not np.array_equal(first, second)


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("rare", [0.03, 0.5])
def test_a_class_is_a_stratum_however_rare(targets: int, rare: float) -> None:
    """Each role has its share of the ones to within a lens, as single rows can have; quantiles would see one bin."""
    values = (np.random.default_rng(0).uniform(size=(1000, targets)) < rare).astype(float)
    assert len(np.unique(quantile_bins(values[:, 0], 10))) == 2
    role = deal(values, np.arange(1000), FRACTIONS, 10, 0)
    for column in values.T:
        ones = np.bincount(role, column, len(FRACTIONS))
        assert (np.abs(ones - np.array(FRACTIONS) * column.sum()) <= (1 if targets == 1 else 2)).all()


@pytest.mark.parametrize("targets", [1, 2])
def test_roles_are_alike_in_every_target(targets: int) -> None:
    """Closer than chance: the largest distance between role and whole is that of the strata, not of a random draw."""
    values = np.random.default_rng(0).exponential(size=(2000, targets))
    role = deal(values, np.arange(2000), FRACTIONS, 20, seed=1)
    for member in range(4):
        for column in values.T:
            assert ks_2samp(column[role == member], column).statistic < 1 / 20


def uneven(role: np.ndarray, bins: np.ndarray, fractions: list[float]) -> float:
    """Root mean square of what the roles have too many or too few rows of, over all bins of all targets."""
    off = [
        np.sum((role == i) & (column == b)) - fraction * np.sum(column == b)
        for i, fraction in enumerate(fractions)
        for column in bins.T
        for b in np.unique(column)
    ]
    return float(np.sqrt(np.mean(np.square(off))))


def by_the_paper(bins: np.ndarray, groups: np.ndarray, fractions: list[float], seed: int) -> np.ndarray:
    """Algorithm 1 of Sechidis, Tsoumakas & Vlahavas (2011), word for word, on groups."""
    generator = np.random.default_rng(seed)
    names, member = np.unique(groups, return_inverse=True)
    labels = [(t, b) for t, column in enumerate(bins.T) for b in np.unique(column)]
    has = np.array([[np.sum((member == g) & (bins[:, t] == b)) for t, b in labels] for g in range(len(names))])
    sizes = np.bincount(member)
    desired, desired_rows = np.outer(fractions, has.sum(axis=0)), np.array(fractions) * len(bins)
    taker = np.full(len(names), -1)
    while (taker < 0).any():
        left = (has[taker < 0] > 0).sum(axis=0)
        label = min((count, i) for i, count in enumerate(left) if count)[1]
        for g in generator.permutation(np.flatnonzero((taker < 0) & (has[:, label] > 0))):
            best = np.flatnonzero(desired[:, label] == desired[:, label].max())
            best = best[desired_rows[best] == desired_rows[best].max()]
            taker[g] = generator.choice(best)
            desired[taker[g]] -= has[g]
            desired_rows[taker[g]] -= sizes[g]
    return taker[member]


@pytest.mark.parametrize("correlation", [0.0, 0.9])
@pytest.mark.parametrize(("n", "count", "targets"), [(600, 600, 2), (600, 600, 3), (800, 100, 2), (800, 100, 4)])
def test_several_targets_come_out_more_even_than_by_chance_and_no_less_than_by_the_paper(
    n: int, count: int, targets: int, correlation: float
) -> None:
    """Single rows and groups of eight; no less, to a quarter of a row."""
    generator = np.random.default_rng(n + targets)
    shared = generator.normal(size=(n, 1))
    values = correlation * shared + np.sqrt(1 - correlation**2) * generator.normal(size=(n, targets))
    groups = np.arange(n) if count == n else generator.integers(0, count, n)
    bins = np.stack([quantile_bins(column, 10) for column in values.T], axis=1)
    role_of_group = generator.choice(4, count, p=FRACTIONS)
    ours, papers = [], []
    for seed in range(3):
        ours.append(uneven(deal(values, groups, FRACTIONS, 10, seed), bins, FRACTIONS))
        papers.append(uneven(by_the_paper(bins, groups, FRACTIONS, seed), bins, FRACTIONS))
    assert np.mean(ours) < 0.5 * uneven(role_of_group[groups], bins, FRACTIONS)
    assert np.mean(ours) < np.mean(papers) + 0.25


def test_groups_are_moved_until_every_share_is_met() -> None:
    """From the worst start: all to one. No more moves than needed, and nobody further off than the largest group."""
    sizes = np.random.default_rng(0).integers(1, 9, 300)
    shares, counts = np.array(FRACTIONS), csr_array(sizes[:, None].astype(float))
    taker = settled(np.zeros(300, dtype=np.int64), sizes, counts, shares, np.arange(300))
    assert (np.abs(np.bincount(taker, sizes) - shares * sizes.sum()) <= sizes.max()).all()
    again = settled(taker, sizes, counts, shares, np.arange(300))
    np.testing.assert_array_equal(again, taker, err_msg="who is content is left alone")


@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("groups", [200_000, 5_000])
def test_two_hundred_thousand_rows_take_seconds(targets: int, groups: int) -> None:
    generator = np.random.default_rng(0)
    values, member = generator.normal(size=(200_000, targets)), generator.permutation(200_000) % groups
    start = time.process_time()
    role = deal(values, member, FRACTIONS, 10, 0)
    assert time.process_time() - start < 20
    assert (np.abs(np.bincount(role) - np.array(FRACTIONS) * 200_000) <= 200_000 / groups).all()


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=60), st.integers(0, 99))
def test_joining_is_the_smallest_partition_that_no_pair_parts(n: int, ends: list[tuple[int, int]], seed: int) -> None:
    """Against sets that are merged one pair at a time."""
    pairs = np.array(ends, dtype=np.int64).reshape(-1, 2) % n
    groups = np.random.default_rng(seed).integers(-20, 20, n)
    sets = {name: {name} for name in groups.tolist()}
    for a, b in groups[pairs].tolist():
        both = sets[a] | sets[b]
        sets.update(dict.fromkeys(both, both))
    assert joined(groups, pairs).tolist() == [min(sets[name]) for name in groups.tolist()]


@given(cases(), st.integers(2, 7))
def test_over_all_folds_every_row_is_in_the_test_once(case: Case, folds: int) -> None:
    """And no fold is larger or smaller than the others by more than one group."""
    roles = [schemes.kfold(case.values, case.groups, asked(case, folds=folds, fold=fold)) for fold in range(folds)]
    in_test = np.array([role == TEST for role in roles])
    assert (in_test.sum(axis=0) == 1).all()
    assert np.ptp(in_test.sum(axis=1)) <= 2 * case.largest
    assert all(whole(role, case.groups) for role in roles)


@given(cases(), st.integers(2, 7))
def test_around_a_fold_the_other_roles_keep_their_proportions(case: Case, folds: int) -> None:
    role = schemes.kfold(case.values, case.groups, asked(case, folds=folds, fold=1))
    rest = np.sum(role != TEST)
    expected = np.array(FRACTIONS[:3]) / sum(FRACTIONS[:3]) * rest
    assert (np.abs(np.bincount(role[role != TEST], minlength=3) - expected) <= case.largest + 1e-6).all()


@given(cases(), st.floats(0, 0.5))
def test_what_is_held_out_is_the_test_with_its_groups_and_nothing_else(case: Case, part: float) -> None:
    held = np.random.default_rng(case.seed).random(len(case.groups)) < part
    role = schemes.group_out(case.values, case.groups, held, asked(case))
    touched = set(case.groups[held].tolist())
    assert [name in touched for name in case.groups.tolist()] == (role == TEST).tolist()
    assert whole(role, case.groups)


@pytest.mark.parametrize("scheme", ["kfold", "group_out"])
@given(case=cases())
def test_no_scheme_minds_the_order_of_the_rows(scheme: str, case: Case) -> None:
    held = case.values[:, 0] > 1
    order = np.random.default_rng(case.seed).permutation(len(case.groups))

    def role(rows: np.ndarray) -> np.ndarray:
        more = (held[rows],) if scheme == "group_out" else ()
        return getattr(schemes, scheme)(case.values[rows], case.groups[rows], *more, asked(case))

    np.testing.assert_array_equal(role(order), role(np.arange(len(order)))[order])


def asked(case: Case, **more: Any) -> Split:
    """The parameters of a split; what it calls a scheme is the test's affair."""
    fractions = dict(zip(schemes.ROLES, FRACTIONS, strict=True))
    common = {"targets": ["t"], "scheme": "kfold", "folds": 5, "fold": 0, "held_out": [], "fractions": fractions}
    return Split.model_validate({**common, "strata": case.strata, "seed": case.seed, **more})


def whole(role: np.ndarray, groups: np.ndarray) -> bool:
    return len(np.unique(np.stack([role, groups]), axis=1).T) == len(np.unique(groups))


@given(st.integers(2, 200), st.integers(0, 2**32 - 1))
def test_the_distance_is_that_of_kolmogorov_and_smirnov(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    values, inside = generator.normal(size=n).round(1), generator.random(n) < 0.3
    inside[:2] = True, False
    expected = ks_2samp(values[inside], values[~inside]).statistic
    assert balance.distance(values, inside) == pytest.approx(expected, abs=1e-12)


def test_bins_are_counted_by_role_and_those_that_cannot_hold_a_row_are_not() -> None:
    """Two values in four quantile bins: two bins."""
    role = np.array([0, 0, 1, 1, 1, 0])
    counts = balance.bin_counts(np.array([1.0, 2, 2, 2, 1, 1]), role, 3, 4)
    assert counts.tolist() == [[2, 1], [1, 2], [0, 0]]


def test_the_digest_tells_which_rows_and_not_their_order() -> None:
    assert balance.digest(np.array(["b", "a"])) == hashlib.sha256(b"a\nb").hexdigest()
    assert balance.digest(np.array(["b", "a"])) == balance.digest(np.array(["a", "b"]))
    assert balance.digest(np.array(["ab"])) != balance.digest(np.array(["a", "b"]))
