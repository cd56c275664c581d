"""Measures: scikit-learn and direct counts agree, of every seed and of all."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import kstest, sem, t
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from pipeline import tables
from pipeline.verdict import measures
from pipeline.verdict.cells import Cell
from tests.verdict.fabricated import cell

SKLEARN: dict[str, Callable[..., float]] = {
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "r2": r2_score,
}


def normal(generator: np.random.Generator, lenses: int, sigma: float, stated: float) -> Cell:
    """Three seeds with errors of `sigma`, and normal posteriors that say `stated`."""
    errors = sigma * generator.normal(size=(3, lenses))
    one = cell(errors)
    nll = (errors / stated) ** 2 / 2 + np.log(stated * np.sqrt(2 * np.pi))
    quantiles = one.prediction[..., None] + stated * ndtri(np.array(tables.LEVELS) / 100)
    return cell(errors, quantiles=quantiles, nll=nll, tarp=ndtr(errors / stated))


# metrics


def test_metrics_are_scikit_learns_mean_over_seeds(generator: np.random.Generator) -> None:
    one = cell(generator.normal(size=(4, 50)) * np.array([[1.0], [2.0], [3.0], [4.0]]))
    reference = one.truth + generator.normal(size=50)
    measured = measures.metrics(one, np.arange(50), {"flux": reference}, 0.95)
    found = measures.summary(one, measured)
    for name, oracle in SKLEARN.items():
        values = [oracle(one.truth, seed) for seed in one.prediction]
        assert found[name] == pytest.approx(np.mean(values), rel=1e-12)
        assert found[f"{name}_std"] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
        np.testing.assert_allclose(measures.by_seed(one, (name,))[name], values, rtol=1e-12)
        assert measures.ensemble(one)[name] == pytest.approx(oracle(one.truth, one.prediction.mean(axis=0)), rel=1e-12)
        assert measured[name].low < measured[name].value < measured[name].high
    skill = [1 - ((seed - one.truth) ** 2).sum() / ((reference - one.truth) ** 2).sum() for seed in one.prediction]
    assert found["skill_flux"] == pytest.approx(np.mean(skill), rel=1e-12)


def test_one_seed_has_no_spread(generator: np.random.Generator) -> None:
    one = cell(generator.normal(size=(1, 9)))
    found = measures.summary(one, measures.metrics(one, np.arange(9), {}, 0.95))
    assert not [name for name in found if name.endswith("_std")]


def test_lenses_that_share_a_halo_count_as_one(generator: np.random.Generator) -> None:
    """Every lens twice: the same figures, and the intervals of half as many."""
    once = generator.normal(size=30) + 0.1 * generator.normal(size=(4, 30))  # hard lenses are hard for every seed
    single, double = cell(once), cell(np.repeat(once, 2, axis=1))
    alone = measures.metrics(single, np.arange(30), {}, 0.9)["mae"]
    together = measures.metrics(double, np.repeat(np.arange(30), 2), {}, 0.9)["mae"]
    assert (together.value, together.low, together.high) == pytest.approx((alone.value, alone.low, alone.high))
    apart = measures.metrics(double, np.arange(60), {}, 0.9)["mae"]
    assert apart.high - apart.low < 0.8 * (together.high - together.low)


# spreads


def test_conformal_intervals_hold_what_a_count_says(generator: np.random.Generator) -> None:
    residuals = generator.normal(size=(3, 99))
    one = cell(1.2 * generator.normal(size=(3, 500)), residuals=residuals)
    found = measures.spreads(one, np.arange(500), 0.95)["conformal"]
    assert set(found) == {"0.5", "0.68", "0.9", "0.95"}
    for level, figures in found.items():
        half = np.sort(np.abs(residuals))[:, int(np.ceil(100 * float(level))) - 1]
        assert figures["width"] == pytest.approx(2 * half.mean(), rel=1e-12)
        held = (np.abs(one.errors) <= half[:, None]).mean()
        assert figures["value"] == pytest.approx(held, rel=1e-12)
        assert figures["low"] < held < figures["high"]
        assert held < float(level), "the test errors are larger"


@pytest.mark.parametrize(("rows", "levels"), [(0, []), (1, ["0.5"]), (8, ["0.5", "0.68"]), (19, None)])
def test_too_few_calibration_rows_promise_less(
    rows: int, levels: list[str] | None, generator: np.random.Generator
) -> None:
    one = cell(generator.normal(size=(2, 20)), residuals=generator.normal(size=(2, rows)))
    found = measures.spreads(one, np.arange(20), 0.95)
    assert list(found["conformal"]) == (["0.5", "0.68", "0.9", "0.95"] if levels is None else levels)
    assert set(found) == {"conformal"}, "a number alone has no distribution"


@pytest.mark.parametrize("stated", [0.5, 0.25, 1.0])
def test_a_stated_normal_is_scored_as_scipy_does(stated: float, generator: np.random.Generator) -> None:
    one = normal(generator, 400, 0.5, stated)
    found = measures.spreads(one, np.arange(400), 0.95)
    for level, figures in found["own"].items():
        reach = stated * ndtri((1 + float(level)) / 2)
        assert figures["width"] == pytest.approx(2 * reach, rel=1e-9)
        assert figures["value"] == pytest.approx((np.abs(one.errors) <= reach).mean(), abs=2e-3)
        assert figures["low"] < figures["value"] <= figures["high"]
    z = one.errors / stated
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    crps = stated * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    assert found["crps"]["value"] == pytest.approx(crps.mean(), rel=0.02)
    assert one.nll is not None
    assert found["nll"]["value"] == pytest.approx(one.nll.mean(), rel=1e-12)
    level = ndtr(-z)  # of the truth in the posterior about the prediction
    counted = np.histogram(level, 10, (0, 1))[0]
    assert sum(found["pit"]) == z.size
    assert np.abs(np.array(found["pit"]) - counted).sum() < 0.02 * z.size
    distance = np.mean([kstest(seed, "uniform").statistic for seed in level])
    assert found["pit_distance"] == pytest.approx(distance, abs=0.005)
    shares = np.array([(level <= at / 100).mean(axis=1) for at in tables.LEVELS])  # (q, s)
    assert found["calibration_error"] == pytest.approx(
        np.abs(shares - np.array(tables.LEVELS)[:, None] / 100).mean(), abs=1e-9
    )
    assert one.tarp is not None
    np.testing.assert_allclose(found["tarp"]["covered"], [(one.tarp < at).mean() for at in found["tarp"]["levels"]])


def test_a_joint_density_is_averaged_with_an_interval(generator: np.random.Generator) -> None:
    """Of lenses that every seed finds alike it is the t interval of the lenses' means, by SciPy."""
    one = normal(generator, 40, 0.5, 0.5)
    joint = np.tile(generator.normal(size=40), (3, 1))
    found = measures.spreads(replace(one, nll=None, nll_joint=joint), np.arange(40), 0.95)
    assert "nll" not in found
    figures = found["nll_joint"]
    assert figures["value"] == pytest.approx(joint.mean(), rel=1e-12)
    reach = t.ppf(0.975, 2) * sem(joint[0])  # three seeds: two degrees of freedom
    assert [figures["low"], figures["high"]] == pytest.approx([joint.mean() - reach, joint.mean() + reach], rel=1e-9)


def test_what_was_not_said_is_not_scored(generator: np.random.Generator) -> None:
    one = normal(generator, 30, 0.5, 0.5)
    silent = cell(one.errors, quantiles=one.quantiles)
    assert set(measures.spreads(one, np.arange(30), 0.95)) - set(measures.spreads(silent, np.arange(30), 0.95)) == {
        "nll",
        "tarp",
    }


# by bin, and plateaus


def test_the_bins_of_every_covariate_share_out_the_lenses(generator: np.random.Generator) -> None:
    one = cell(generator.normal(size=(3, 61)))
    noisy = np.where(np.arange(61) < 7, np.nan, generator.lognormal(size=61))
    found = measures.by_bin(one, np.arange(61), {"truth": one.truth, "signal_to_noise": noisy}, 4, 0.95)
    mae = mean_absolute_error(np.tile(one.truth, 3), one.prediction.ravel())
    for covariate, lines in found.groupby("covariate"):
        assert lines["lenses"].sum() == 61
        assert np.average(lines["mae"], weights=lines["lenses"]) == pytest.approx(mae, rel=1e-12), covariate
    assert found.groupby("covariate")["bin"].agg(list).to_dict() == {
        "truth": ["0", "1", "2", "3"],
        "signal_to_noise": ["0", "1", "2", "3", "unknown"],
    }
    assert set(found["run"]) == {"engineered-cnn-all"}
    assert set(found["target"]) == {"mass"}


def test_an_error_by_bin_is_that_of_its_lenses(generator: np.random.Generator) -> None:
    """The planted error grows with the truth: pandas' own quantile bins find the same."""
    truth = generator.permutation(np.arange(60.0))
    errors = np.array([[1.0], [3.0]]) * truth
    one = Cell("raw", "cnn", "all", "mass", (0, 1), truth.astype(str), truth, truth + errors, errors)
    found = measures.by_bin(one, np.arange(60), {"truth": truth}, 4, 0.95)
    expected = pd.Series(truth).groupby(pd.qcut(truth, 4), observed=True).mean().to_numpy()
    np.testing.assert_allclose(found["centre"], expected)
    np.testing.assert_allclose(found["mae"], 2 * expected)
    np.testing.assert_allclose(found["mae_std"], np.sqrt(2) * expected)


def test_a_single_seed_has_no_spread_in_any_bin(generator: np.random.Generator) -> None:
    one = cell(generator.normal(size=(1, 20)))
    assert measures.by_bin(one, np.arange(20), {"truth": one.truth}, 2, 0.95)["mae_std"].isna().all()


def test_a_constant_answer_is_a_plateau_and_a_right_one_is_not(generator: np.random.Generator) -> None:
    """Above the median truth this network answers the median."""
    right = cell(0.05 * generator.normal(size=(8, 600)))
    middle = np.median(right.truth)
    half = cell(np.minimum(right.truth, middle) - right.truth + right.errors)
    assert measures.flat(right, np.arange(600), 0.95) == []
    (found,) = measures.flat(half, np.arange(600), 0.95)
    assert found["low"] == pytest.approx(middle, abs=0.3)
    assert found["high"] == pytest.approx(right.truth.max())
    assert abs(found["slope"]) < 0.1


@pytest.mark.parametrize(("lenses", "looked"), [(59, False), (60, True)])
def test_too_few_lenses_are_not_searched_for_plateaus(
    lenses: int, looked: bool, generator: np.random.Generator
) -> None:
    truth = np.arange(float(lenses))
    prediction = 1e-3 * generator.normal(size=(3, lenses))
    constant = Cell("raw", "cnn", "all", "mass", (0, 1, 2), truth.astype(str), truth, prediction, prediction)
    assert bool(measures.flat(constant, np.arange(lenses), 0.95)) == looked
