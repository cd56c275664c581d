"""The two-way bootstrap and what is read off it: closed forms, SciPy, and what must not matter."""

import numpy as np
import pytest
from scipy import stats

from pipeline.contrasts import intervals, resampling
from pipeline.contrasts.intervals import Estimate, How, bca, estimates
from pipeline.contrasts.resampling import resampled
from pipeline.contrasts.samples import sample
from pipeline.errors import InputError

DIFFERENCE = {"d": (("a", 1.0), ("b", -1.0))}


def arms(generator: np.random.Generator, seeds: int = 7, lenses: int = 60) -> dict[str, np.ndarray]:
    hard = generator.standard_t(5, lenses)
    return {name: hard + generator.normal(size=(seeds, lenses)) for name in ("a", "b", "c")}


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_the_metric_is_formed_within_each_seed(metric: str, generator: np.random.Generator) -> None:
    many, groups = arms(generator), generator.integers(0, 20, 60)
    by_seed = sample(many, groups, metric).by_seed
    for row, errors in zip(by_seed, many.values(), strict=True):
        expected = np.sqrt((errors**2).mean(axis=1)) if metric == "rmse" else np.abs(errors).mean(axis=1)
        np.testing.assert_allclose(row, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_influence_is_the_jackknife(metric: str, generator: np.random.Generator) -> None:
    """Against deleting each group's lenses for real; groups of one to seven lenses."""
    many, groups = arms(generator), generator.integers(0, 20, 60)
    measured = sample(many, groups, metric)
    labels = np.unique(groups)
    without = [
        sample({name: e[:, groups != label] for name, e in many.items()}, groups[groups != label], metric).by_seed
        for label in labels
    ]
    jackknife = (len(labels) - 1) * (np.mean(without, axis=0) - np.array(without))  # (g, a, s)
    np.testing.assert_allclose(measured.influence, np.moveaxis(jackknife, 0, -1), atol=1e-10)


def test_draws_are_draws_of_seeds_and_groups(monkeypatch: pytest.MonkeyPatch, generator: np.random.Generator) -> None:
    """Every draw written out with loops: the same seeds and lenses for each arm, groups whole, seeds averaged last."""
    many, groups = arms(generator, 3, 20), np.repeat(np.arange(5), [1, 2, 3, 6, 8])
    counts = []

    def told(of: np.random.Generator, draws: int, size: int) -> np.ndarray:
        counts.append(count(of, draws, size))
        return counts[-1]

    count = resampling._counts
    monkeypatch.setattr(resampling, "_counts", told)
    monkeypatch.setattr(resampling, "PIECE", 35)  # seven draws at a time
    found = resampled(sample(many, groups, "rmse"), 50, seed=4)
    of_groups = np.vstack(counts)
    of_seeds = np.random.default_rng(np.random.SeedSequence(4).spawn(2)[0]).multinomial(3, np.full(3, 1 / 3), 50)
    assert (of_groups.sum(axis=1) == 5).all()
    for draw in range(50):
        lenses = np.concatenate([np.flatnonzero(groups == g) for g in range(5) for _ in range(int(of_groups[draw, g]))])
        for column, errors in enumerate(many.values()):
            drawn = np.repeat(errors, of_seeds[draw], axis=0)[:, lenses]
            expected = np.sqrt((drawn**2).mean(axis=1)).mean()
            assert found[draw, column] == pytest.approx(expected, rel=1e-12)


def test_groups_are_drawn_evenly() -> None:
    """Multinomial counts of one in four: variances and covariances of NumPy's own."""
    counts = resampling._counts(np.random.default_rng(0), 200_000, 4)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.01)
    np.testing.assert_allclose(np.cov(counts.T), 4 * (np.eye(4) / 4 - 1 / 16), atol=0.01)


def test_the_variance_of_the_draws_is_the_closed_form(generator: np.random.Generator) -> None:
    """Of a mean |error| over s x n, with V of seed means, lens means and residuals about both (divisors s, n, s n):

    Var* = V_seeds / s + V_lenses / n + V_residual / (s n), as the two ways are drawn independently (cf. Owen 2007).
    """
    errors = np.abs(generator.normal(size=(6, 1)) + generator.normal(size=30) + generator.normal(size=(6, 30)))
    of_seeds, of_lenses = errors.mean(axis=1), errors.mean(axis=0)
    rest = errors - of_seeds[:, None] - of_lenses + errors.mean()
    expected = of_seeds.var() / 6 + of_lenses.var() / 30 + (rest**2).sum() / (6 * 30) ** 2
    found = resampled(sample({"a": errors}, np.arange(30), "mae"), 40_000, 0).var()
    assert found == pytest.approx(expected, rel=0.03)  # four standard errors of a variance of 40,000 draws


@pytest.mark.parametrize("metric", ["rmse", "mae"])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_bca_is_scipy_s_for_one_seed(metric: str, confidence: float, generator: np.random.Generator) -> None:
    """Skewed losses of few lenses, where the correction moves the interval by more than the tolerance."""
    losses = generator.lognormal(0, 1.2, 40)
    measured = sample({"a": losses[None]}, np.arange(40), metric)
    one = intervals.estimate(measured, resampled(measured, 100_000, 0), np.ones(1))

    def statistic(x: np.ndarray, axis: int) -> np.ndarray:
        return np.sqrt((x**2).mean(axis=axis)) if metric == "rmse" else x.mean(axis=axis)

    peer = stats.bootstrap(
        (losses,),
        statistic,
        n_resamples=100_000,
        batch=5_000,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    low, high = bca(one.draws, one.value, one.acceleration, confidence)
    width = peer.high - peer.low
    assert low == pytest.approx(peer.low, abs=0.02 * width)
    assert high == pytest.approx(peer.high, abs=0.03 * width)  # the far tail: fewer draws a unit
    plain = np.quantile(one.draws, (1 + confidence) / 2)
    assert abs(plain - high) > 0.06 * width


def test_the_standard_error_holds_each_variance_once(generator: np.random.Generator) -> None:
    """Seeds, lenses and single predictions contribute A, B and E: the mean over experiments is A + B + E.

    The pigeonhole bootstrap alone would give about A + B + 3 E, here 2.6 times that.
    """
    seeds, lenses = 6, 50
    a, b, e = 0.02, 0.1, 0.6
    truth = a**2 / seeds + b**2 / lenses + e**2 / (seeds * lenses)
    found = []
    for _ in range(3000):
        table = a * generator.normal(size=(seeds, 1)) + b * generator.normal(size=lenses)
        table = 1 + table + e * generator.normal(size=(seeds, lenses))
        by_seed, pulls = table.mean(axis=1), table - table.mean(axis=1, keepdims=True)
        of_seeds, of_lenses = by_seed.var(ddof=1) / seeds, pulls.mean(axis=0).var(ddof=1) / lenses
        found.append((intervals.standard_error(by_seed, pulls)[0] ** 2, of_seeds, of_lenses))
    error, of_seeds, of_lenses = np.array(found).T
    assert truth < error.mean() < 1.35 * truth  # more, as no part is let fall below zero
    assert (error >= np.maximum(of_seeds, of_lenses) * (1 - 1e-12)).all()


def test_large_parts_are_estimated_without_bias(generator: np.random.Generator) -> None:
    seeds, lenses = 6, 40
    truth = 0.5**2 / seeds + 1 / lenses + 0.6**2 / (seeds * lenses)
    found = []
    for _ in range(4000):
        table = 0.5 * generator.normal(size=(seeds, 1)) + generator.normal(size=lenses)
        table = table + 0.6 * generator.normal(size=(seeds, lenses))
        pulls = table - table.mean(axis=1, keepdims=True)
        found.append(intervals.standard_error(table.mean(axis=1), pulls)[0] ** 2)
    assert np.mean(found) == pytest.approx(truth, rel=0.03)


@pytest.mark.parametrize("seeds", [2, 3, 5, 6, 10])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_seeds_alone_give_the_t_interval(seeds: int, confidence: float) -> None:
    """Errors that are alike for all lenses, and symmetric over seeds: Student's interval of the seeds' differences."""
    gains = np.linspace(-1, 1, seeds)
    many = {"a": np.repeat(5 + gains[:, None], 9, axis=1), "b": np.full((seeds, 9), 4.0)}
    found = estimates(many, DIFFERENCE, np.arange(9), How(draws=50_000))["d"]
    expected = stats.t.interval(confidence, seeds - 1, loc=1, scale=gains.std(ddof=1) / np.sqrt(seeds))
    low, high = found.interval(confidence)
    assert high - low == pytest.approx(expected[1] - expected[0], rel=0.06)
    if seeds > 3:  # of two seeds' three possible means, the bias correction can pick a neighbour
        assert (low, high) == pytest.approx(expected, abs=0.06 * (expected[1] - expected[0]))


# what must not matter


def read(many: dict[str, np.ndarray], groups: np.ndarray, **how: object) -> Estimate:
    return estimates(many, DIFFERENCE, groups, How(draws=4000, **how))["d"]  # type: ignore[arg-type]


def test_swapped_arms_mirror_the_interval(generator: np.random.Generator) -> None:
    many = arms(generator)
    there, back = read(many, np.arange(60)), read({"a": many["b"], "b": many["a"]}, np.arange(60))
    assert there.value == -back.value
    assert there.interval(0.95) == pytest.approx(tuple(-end for end in back.interval(0.95)[::-1]), rel=1e-9)


def test_units_do_not_matter(generator: np.random.Generator) -> None:
    many = arms(generator)
    there = read(many, np.arange(60))
    back = read({name: 1e-3 * errors for name, errors in many.items()}, np.arange(60))
    assert back.interval(0.95) == pytest.approx(tuple(1e-3 * end for end in there.interval(0.95)), rel=1e-9)


def test_the_order_of_lenses_does_not_matter(generator: np.random.Generator) -> None:
    many, groups, order = arms(generator), generator.integers(0, 15, 60), generator.permutation(60)
    there = read(many, groups)
    back = read({name: errors[:, order] for name, errors in many.items()}, 7 * groups[order] - 3)  # and new labels
    assert back.interval(0.95) == pytest.approx(there.interval(0.95), rel=1e-9)


def test_the_order_of_seeds_matters_no_more_than_the_draws(generator: np.random.Generator) -> None:
    many, order = arms(generator), generator.permutation(7)
    there = read(many, np.arange(60))
    back = read({name: errors[order] for name, errors in many.items()}, np.arange(60))
    assert back.error == pytest.approx(there.error, rel=1e-9)
    assert back.interval(0.95) == pytest.approx(there.interval(0.95), abs=0.06 * np.ptp(there.interval(0.95)))


def test_a_third_arm_changes_nothing(generator: np.random.Generator) -> None:
    many = arms(generator)
    two = {name: many[name] for name in ("a", "b")}
    assert read(two, np.arange(60)).interval(0.95) == pytest.approx(read(many, np.arange(60)).interval(0.95), rel=1e-12)


def test_copies_of_a_lens_in_a_group_are_no_evidence(generator: np.random.Generator) -> None:
    """Each lens ten times over: one interval if the copies are one group, and a far narrower one if they are not."""
    many = arms(generator, seeds=1)
    copies = {name: np.repeat(errors, 10, axis=1) for name, errors in many.items()}
    once, grouped = read(many, np.arange(60)), read(copies, np.repeat(np.arange(60), 10))
    assert grouped.interval(0.95) == pytest.approx(once.interval(0.95), rel=1e-9)
    assert read(copies, np.arange(600)).error < 0.5 * once.error


def test_equal_arms_do_not_differ(generator: np.random.Generator) -> None:
    one = arms(generator)["a"]
    found = read({"a": one, "b": one.copy()}, np.arange(60))
    assert (found.value, *found.interval(0.99)) == (0, 0, 0)


def test_the_seed_decides_the_draws(generator: np.random.Generator) -> None:
    many = arms(generator)
    first, again, other = (read(many, np.arange(60), seed=seed).interval(0.95) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda many: many.update(b=many["b"][:3]), r"^b: errors of 3 seeds on 60 lenses; paired with a"),
        (lambda many: many.update(b=many["b"][:, :9]), r"^b: errors of 7 seeds on 9 lenses; paired with a"),
        (lambda many: many["b"].__setitem__((2, 5), np.nan), r"^b: no finite error for lens 5 of its seed 2"),
    ],
)
def test_arms_that_cannot_be_paired_are_refused(spoil: object, message: str, generator: np.random.Generator) -> None:
    many = arms(generator)
    spoil(many)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        read(many, np.arange(60))


def test_lenses_of_one_group_are_refused(generator: np.random.Generator) -> None:
    with pytest.raises(InputError, match="of one group"):
        read(arms(generator), np.zeros(60, int))


def test_an_unknown_metric_names_the_known_ones(generator: np.random.Generator) -> None:
    with pytest.raises(InputError, match="no metric 'r2'; there are rmse, mae"):
        read(arms(generator), np.arange(60), metric="r2")
