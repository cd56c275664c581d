"""Scores of predictive distributions: numerical integrals, brute force and what calibration means."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.metrics import mean_pinball_loss

from pipeline.scores import distribution, intervals

FINE = np.array([0.005, 0.025, 0.05, 0.1, 0.16, 0.25, 0.5, 0.75, 0.84, 0.9, 0.95, 0.975, 0.995])
TWENTIETHS = np.arange(1, 20) / 20
DECILES = np.arange(1, 10) / 10
SIZES = [2, 3, 17, 1000]


def normal_quantiles(mean: np.ndarray, std: np.ndarray | float, levels: np.ndarray) -> np.ndarray:
    """(s, n, q) of normal predictions."""
    return mean[..., None] + np.broadcast_to(std, mean.shape)[..., None] * stats.norm.ppf(levels)


def quantile_function(tau: float, levels: np.ndarray, quantiles: np.ndarray) -> float:
    """Piecewise linear, flat outside: numpy's own interpolation."""
    return float(np.interp(tau, levels, quantiles))


# CRPS


@pytest.mark.parametrize("levels", [DECILES, FINE, np.array([0.5]), np.array([0.1, 0.9])])
def test_crps_of_quantiles_is_the_integral_of_the_pinball_loss(
    levels: np.ndarray, generator: np.random.Generator
) -> None:
    quantiles = np.sort(generator.normal(size=(2, 3, len(levels))), axis=-1)
    truth = np.array([-4.0, 0.3, 0.9])
    found = distribution.crps_quantiles(quantiles, levels, truth)

    def loss(tau: float, rows: np.ndarray, y: float) -> float:
        return mean_pinball_loss([y], [quantile_function(tau, levels, rows)], alpha=tau)

    for s, i in np.ndindex(2, 3):
        rows = quantiles[s, i]
        kink = np.interp(truth[i], rows, levels) if len(levels) > 1 else 0.5
        edges = np.unique([0, *levels, kink, 1])
        parts = [
            integrate.quad(partial(loss, rows=rows, y=truth[i]), a, b, epsabs=1e-13)[0] for a, b in pairwise(edges)
        ]
        assert found[s, i] == pytest.approx(2 * sum(parts), abs=1e-10)


@pytest.mark.parametrize("lenses", SIZES)
def test_crps_of_a_point_is_its_absolute_error(lenses: int, generator: np.random.Generator) -> None:
    truth, point = generator.normal(size=lenses), generator.normal(size=(3, lenses))
    found = distribution.crps_quantiles(np.repeat(point[..., None], 9, axis=-1), DECILES, truth)
    np.testing.assert_allclose(found, np.abs(point - truth), atol=1e-12)


@pytest.mark.parametrize(("levels", "excess"), [(DECILES, 0.0091), (TWENTIETHS, 0.0020), (FINE, 0.00011)])
def test_the_stated_error_of_quantiles_of_a_normal(levels: np.ndarray, excess: float) -> None:
    """What the module says of calibrated normals; truths are evenly spread over the normal's probabilities."""
    truth = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    mean = np.zeros((1, 20_000))
    quantiles = distribution.crps_quantiles(normal_quantiles(mean, 1.0, levels), levels, truth)
    exact = distribution.crps_normal(mean, np.ones_like(mean), truth)
    assert quantiles.mean() / exact.mean() - 1 == pytest.approx(excess, rel=0.02)


@pytest.mark.parametrize("lenses", SIZES)
def test_crps_of_a_normal_is_the_integral_of_its_definition(lenses: int, generator: np.random.Generator) -> None:
    truth, mean = -23 + generator.normal(size=lenses), -23 + generator.normal(size=(1, lenses))
    std = generator.uniform(0.05, 2, size=(1, lenses))
    found = distribution.crps_normal(mean, std, truth)
    for i in range(min(lenses, 17)):
        cdf = partial(stats.norm.cdf, loc=mean[0, i], scale=std[0, i])
        left = integrate.quad(lambda x, f=cdf: f(x) ** 2, truth[i] - 30, truth[i], epsabs=1e-12, limit=500)[0]
        right = integrate.quad(lambda x, f=cdf: (1 - f(x)) ** 2, truth[i], truth[i] + 30, epsabs=1e-12, limit=500)[0]
        assert found[0, i] == pytest.approx(left + right, abs=1e-10)


@pytest.mark.parametrize("lenses", SIZES)
@pytest.mark.parametrize("many", [2, 3, 10])
def test_crps_of_samples_is_the_sum_over_pairs(lenses: int, many: int, generator: np.random.Generator) -> None:
    samples, truth = generator.normal(size=(many, lenses)), generator.normal(size=lenses)
    apart = np.zeros(lenses)
    for i in range(many):
        for j in range(many):
            apart += np.abs(samples[i] - samples[j]) / (2 * many * (many - 1))
    expected = np.abs(samples - truth).mean(axis=0) - apart
    np.testing.assert_allclose(distribution.crps_samples(samples, truth), expected, atol=1e-10)


def test_crps_of_two_samples_is_fair(generator: np.random.Generator) -> None:
    """Its mean over draws is the CRPS of the distribution; the unfair one is 0.28 above it."""
    draws = 200_000
    samples, truth = generator.normal(size=(2, draws)), np.full(draws, 0.7)
    found = distribution.crps_samples(samples, truth)
    expected = distribution.crps_normal(np.zeros(1), np.ones(1), np.array([0.7]))[0]
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(draws)


@pytest.mark.parametrize("wrong", [0.5, 1.5])
def test_crps_prefers_the_right_width(wrong: float, generator: np.random.Generator) -> None:
    truth, mean = generator.normal(size=5000), np.zeros((1, 5000))
    for scored in (
        lambda std: distribution.crps_quantiles(normal_quantiles(mean, std, FINE), FINE, truth).mean(),
        lambda std: distribution.crps_normal(mean, np.full_like(mean, std), truth).mean(),
        lambda std: distribution.nll_normal(mean, np.full_like(mean, std), truth).mean(),
    ):
        assert scored(1.0) < scored(wrong)


@pytest.mark.parametrize("lenses", SIZES)
def test_nll_is_scipy_s(lenses: int, generator: np.random.Generator) -> None:
    truth, mean = generator.normal(size=lenses), generator.normal(size=(2, lenses))
    std = generator.uniform(0.1, 3, size=(2, lenses))
    expected = -stats.norm.logpdf(truth, mean, std)
    np.testing.assert_allclose(distribution.nll_normal(mean, std, truth), expected, rtol=1e-10)


# PIT


def test_pit_is_the_inverse_of_the_quantile_function(generator: np.random.Generator) -> None:
    quantiles = np.sort(generator.normal(size=(1, 50, 9)), axis=-1)
    level = generator.uniform(0.1, 0.9, size=50)
    truth = np.array([quantile_function(tau, DECILES, rows) for tau, rows in zip(level, quantiles[0], strict=True)])
    np.testing.assert_allclose(distribution.pit(quantiles, DECILES, truth)[0], level, atol=1e-10)


def test_pit_at_the_levels_and_beyond_them() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    quantiles = np.broadcast_to([1.0, 2.0, 4.0], (1, 6, 3))
    truth = np.array([-9.0, 1.0, 2.0, 3.0, 4.0, 99.0])
    np.testing.assert_allclose(distribution.pit(quantiles, levels, truth)[0], [0.05, 0.1, 0.5, 0.7, 0.9, 0.95])


def test_pit_on_equal_quantiles_is_in_their_middle() -> None:
    quantiles = np.broadcast_to([1.0, 2.0, 2.0, 2.0, 3.0], (1, 2, 5))
    found = distribution.pit(quantiles, np.array([0.1, 0.2, 0.4, 0.8, 0.9]), np.array([2.0, 2.5]))
    np.testing.assert_allclose(found[0], [0.5, 0.85])
    point = np.full((1, 3, 3), 2.0)
    np.testing.assert_allclose(
        distribution.pit(point, np.array([0.1, 0.5, 0.9]), np.array([1.0, 2.0, 3.0]))[0], [0.05, 0.5, 0.95]
    )


def test_pit_tells_calibrated_from_not(generator: np.random.Generator) -> None:
    truth, mean = generator.normal(size=4000), np.zeros((1, 4000))
    p = {
        name: distribution.ks_uniform(distribution.pit(normal_quantiles(mean + shift, std, FINE), FINE, truth)[0])[1]
        for name, shift, std in (("right", 0.0, 1.0), ("shifted", 0.1, 1.0), ("narrow", 0.0, 0.85), ("wide", 0.0, 1.2))
    }
    assert p["right"] > 0.05
    assert max(p["shifted"], p["narrow"], p["wide"]) < 1e-4


@pytest.mark.parametrize("lenses", [5, 17, 1000])
@pytest.mark.parametrize("power", [1.0, 1.3])
def test_ks_is_scipy_s(lenses: int, power: float, generator: np.random.Generator) -> None:
    values = generator.uniform(size=lenses) ** power
    distance, p = distribution.ks_uniform(values)
    expected = stats.kstest(values, "uniform", method="exact")
    assert distance == pytest.approx(expected.statistic, abs=1e-10)
    assert p == pytest.approx(expected.pvalue, abs=0.002 if expected.pvalue < 0.1 else 0.03)


# coverage, sharpness, calibration


@pytest.mark.parametrize("nominal", distribution.CENTRAL)
def test_central_intervals_of_a_normal(nominal: float, generator: np.random.Generator) -> None:
    """Their ends are the normal's where the levels have them, and they hold the truth as often as they say."""
    mean, truth = np.zeros((1, 20_000)), generator.normal(size=20_000)
    quantiles = normal_quantiles(mean, 1.0, FINE)
    low, high = distribution.central(quantiles, FINE, nominal)
    expected = stats.norm.interval(nominal)
    np.testing.assert_allclose([low[0, 0], high[0, 0]], expected, atol=1e-10)
    assert distribution.sharpness(quantiles, FINE, nominal) == pytest.approx(np.ptp(expected), rel=1e-10)
    hits = distribution.covered(quantiles, FINE, truth, nominal)
    assert np.array_equal(hits[0], np.abs(truth) <= expected[1])
    band = intervals.of_hits(hits, np.arange(20_000), 0.999)
    assert band.low < nominal < band.high


def test_central_intervals_are_interpolated_between_levels() -> None:
    low, high = distribution.central(np.arange(1.0, 10.0)[None, None], DECILES, 0.7)
    np.testing.assert_allclose([low[0, 0], high[0, 0]], [1.5, 8.5])


def test_an_interval_wider_than_the_levels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^levels: 0\.1 to 0\.9 have no central 90% interval"):
        distribution.central(np.zeros((1, 1, 9)), DECILES, 0.9)


def test_calibration_error_is_the_mean_over_levels(generator: np.random.Generator) -> None:
    truth = generator.normal(size=17)
    quantiles = np.sort(generator.normal(size=(2, 17, 9)), axis=-1)
    expected = [
        np.mean([abs(np.mean([truth[i] <= rows[i, k] for i in range(17)]) - DECILES[k]) for k in range(9)])
        for rows in quantiles
    ]
    np.testing.assert_allclose(distribution.calibration_error(quantiles, DECILES, truth), expected, atol=1e-12)


def test_calibration_error_of_the_calibrated_is_as_stated(generator: np.random.Generator) -> None:
    truth = generator.normal(size=(300, 100))
    found = [
        distribution.calibration_error(normal_quantiles(np.zeros((1, 100)), 1.0, FINE), FINE, one)[0] for one in truth
    ]
    wide = distribution.calibration_error(normal_quantiles(np.zeros((1, 100)), 3.0, FINE), FINE, truth[0])[0]
    assert np.mean(found) * 10 == pytest.approx(0.3, abs=0.1)
    assert wide > 3 * np.mean(found)


# refusals


def test_bad_predictions_are_refused_and_counted() -> None:
    good, truth = np.broadcast_to(np.arange(9.0), (2, 4, 9)), np.zeros(4)
    crossing, gaps = good.copy(), good.copy()
    crossing[0, 1, 3] = 9.0
    gaps[1, 2, :2] = np.nan
    for score in (distribution.crps_quantiles, distribution.pit, distribution.calibration_error):
        with pytest.raises(ValueError, match=r"^quantiles: 1 of 8 rows fall with the level"):
            score(crossing, DECILES, truth)
        with pytest.raises(ValueError, match=r"^quantiles: 2 of 72 values are NaN"):
            score(gaps, DECILES, truth)
        with pytest.raises(ValueError, match=r"^levels: .* must rise between 0 and 1"):
            score(good, DECILES[::-1], truth)
        with pytest.raises(ValueError, match=r"^levels: .* must rise between 0 and 1"):
            score(good, DECILES * 10, truth)
    for score in (distribution.crps_normal, distribution.nll_normal):
        with pytest.raises(ValueError, match=r"^std: 1 of 4 are not above zero"):
            score(truth, np.array([1.0, 2.0, 0.0, 1.0]), truth)
    with pytest.raises(ValueError, match=r"^samples: 1 a lens"):
        distribution.crps_samples(np.zeros((1, 4)), truth)
