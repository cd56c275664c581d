"""Metrics that are order statistics: their influences give the spread that fresh samples show."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pipeline.scores import order
from pipeline.scores.score import Score

SHAPES = {
    "normal": stats.norm(),
    "skewed": stats.gamma(1.5),
    "heavy": stats.t(3),
}
MEASURES = {
    "median": order.median,
    "nmad": order.nmad,
    "outliers": order.outliers,
    "beyond": lambda errors: order.beyond(errors, 1.2),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MEASURES)
def test_influences_give_the_spread_of_fresh_samples(name: str, shape: str, generator: np.random.Generator) -> None:
    """Fifteen hundred samples of 1600 lenses, one a seed: the standard error each claims is the one they have."""
    measure: Callable[[np.ndarray], Score] = MEASURES[name]
    score = measure(SHAPES[shape].rvs(size=(1500, 1600), random_state=generator))
    claimed = np.sqrt((score.influence**2).mean() / 1600)
    assert claimed == pytest.approx(score.value.std(), rel=0.08)


@pytest.mark.parametrize("name", ["median", "nmad"])
def test_a_normal_s_standard_errors_are_the_textbook_s(name: str, generator: np.random.Generator) -> None:
    """Asymptotic variances over n: π/2 of the median, 1.4826² / (16 φ(q)²) of the NMAD."""
    score = MEASURES[name](generator.normal(size=(40, 20_000)))
    quartile = stats.norm.ppf(0.75)
    expected = {"median": np.pi / 2, "nmad": (1.4826 / (4 * stats.norm.pdf(quartile))) ** 2}[name]
    assert (score.influence**2).mean() == pytest.approx(expected, rel=0.03)


def test_the_limit_s_own_scatter_counts(generator: np.random.Generator) -> None:
    """Outliers beyond 3 NMAD of skewed errors: the binomial formula alone misses a part that fresh samples have."""
    score = order.outliers(SHAPES["skewed"].rvs(size=(4000, 400), random_state=generator))
    binomial = np.sqrt((score.value * (1 - score.value)).mean() / 400)
    assert binomial < 0.9 * score.value.std() or binomial > 1.1 * score.value.std()


@pytest.mark.parametrize("name", ["median", "nmad"])
def test_shift_and_scale(name: str, generator: np.random.Generator) -> None:
    errors = generator.normal(size=(2, 31))
    one, other = MEASURES[name](errors), MEASURES[name](5 + 3 * errors)
    np.testing.assert_allclose(other.value, 3 * one.value + 5 * (name == "median"))
    np.testing.assert_allclose(other.influence, 3 * one.influence, atol=1e-12)


def test_outliers_do_not_know_the_unit(generator: np.random.Generator) -> None:
    errors = generator.standard_t(2, size=(2, 101))
    one, other = order.outliers(errors), order.outliers(1000 * errors - 7)
    np.testing.assert_array_equal(one.value, other.value)
    np.testing.assert_allclose(one.influence, other.influence, atol=1e-12)


def test_planted_outliers_are_counted(generator: np.random.Generator) -> None:
    errors = np.clip(generator.normal(size=(1, 1000)), -2, 2)
    errors[0, :37] = np.where(np.arange(37) % 2, 50.0, -50.0)
    assert order.outliers(errors).value == pytest.approx(0.037)
    assert order.beyond(errors, 40.0).value == pytest.approx(0.037)


def test_errors_all_alike_have_no_spread() -> None:
    for name, measure in MEASURES.items():
        score = measure(np.full((2, 9), 0.25))
        assert score.value == pytest.approx(0.25 if name == "median" else 0.0)
        assert not score.influence.any()
