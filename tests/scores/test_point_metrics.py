"""Point metrics: scikit-learn's and scipy's values, and influences that are the derivative they claim to be."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, median_absolute_error, r2_score, root_mean_squared_error

from pipeline.scores import point

SIZES = [2, 3, 17, 1000]
METRICS = point.METRICS | point.DEX_METRICS
SMOOTH = ["bias", "mae", "rmse", "scatter", "r2", "slope_truth", "slope_prediction"]

ORACLES = {
    "bias": lambda t, p: np.mean(p) - np.mean(t),
    "median_error": lambda t, p: stats.scoreatpercentile(p - t, 50),
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "scatter": lambda t, p: stats.tstd(p - t) * np.sqrt((len(t) - 1) / len(t)),
    "nmad": lambda t, p: 1.4826 * stats.median_abs_deviation(p - t),
    "outliers": lambda t, p: _share(p - t, 3 * 1.4826 * stats.median_abs_deviation(p - t)),
    "outliers_dex": lambda t, p: _share(p - t, 0.3),
    "r2": r2_score,
    "slope_truth": lambda t, p: stats.linregress(p, t).slope,
    "slope_prediction": lambda t, p: stats.linregress(t, p).slope,
}


def _share(errors: np.ndarray, limit: float) -> float:
    return sum(abs(e - np.median(errors)) > limit for e in errors) / len(errors)


def sample(lenses: int, generator: np.random.Generator, seeds: int = 3) -> tuple[np.ndarray, np.ndarray]:
    truth = -23 + generator.normal(size=lenses)
    return truth, -23 + 0.6 * (truth + 23) + 0.4 * generator.standard_t(4, size=(seeds, lenses))


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("lenses", SIZES)
def test_values_are_the_libraries(name: str, lenses: int, generator: np.random.Generator) -> None:
    truth, prediction = sample(lenses, generator)
    expected = [ORACLES[name](truth, one) for one in prediction]
    np.testing.assert_allclose(METRICS[name](truth, prediction).value, expected, rtol=1e-10, atol=1e-10)


def test_a_median_of_no_bias_is_scikit_learn_s(generator: np.random.Generator) -> None:
    """Errors that are mirrored about zero: there NMAD is the scaled median absolute error."""
    errors = generator.normal(size=50)
    errors = np.concatenate([errors, -errors])
    found = METRICS["nmad"](np.zeros(100), errors[None]).value[0]
    assert found == pytest.approx(1.4826 * median_absolute_error(np.zeros(100), errors), rel=1e-10)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("lenses", SIZES)
def test_influences_have_no_mean(name: str, lenses: int, generator: np.random.Generator) -> None:
    score = METRICS[name](*sample(lenses, generator))
    assert score.influence.shape == (3, lenses)
    np.testing.assert_allclose(score.influence.mean(axis=1), 0, atol=1e-10)


@pytest.mark.parametrize("name", [*SMOOTH, "skill"])
def test_influences_are_derivatives(name: str, generator: np.random.Generator) -> None:
    """A lens more among a thousand copies of the sample moves the value by its influence times its weight."""
    truth, prediction = sample(17, generator, seeds=2)
    reference = truth + generator.normal(size=17)
    copies = 1000

    def value(*more: int) -> np.ndarray:
        rows = np.concatenate([np.tile(np.arange(17), copies), np.array(more, dtype=int)])
        metric = point.against(reference[rows]) if name == "skill" else METRICS[name]
        return metric(truth[rows], prediction[:, rows]).value

    metric = point.against(reference) if name == "skill" else METRICS[name]
    influence = metric(truth, prediction).influence
    moved = np.stack([value(row) - value() for row in range(17)], axis=1) * (17 * copies + 1)
    np.testing.assert_allclose(moved, influence, atol=2e-3 * np.abs(influence).max())


@pytest.mark.parametrize("name", SMOOTH)
def test_influences_give_the_jackknife_s_standard_error(name: str, generator: np.random.Generator) -> None:
    truth, prediction = sample(400, generator, seeds=1)
    score = METRICS[name](truth, prediction)
    left = np.array([METRICS[name](np.delete(truth, i), np.delete(prediction, i, 1)).value[0] for i in range(400)])
    jackknife = np.sqrt(399 / 400 * ((left - left.mean()) ** 2).sum())
    assert score.influence.std() / 20 == pytest.approx(jackknife, rel=0.05)


def test_rmse_is_bias_and_scatter(generator: np.random.Generator) -> None:
    truth, prediction = sample(100, generator)
    bias, scatter, rmse = (METRICS[name](truth, prediction).value for name in ("bias", "scatter", "rmse"))
    np.testing.assert_allclose(np.hypot(bias, scatter), rmse, rtol=1e-12)


def test_skill_against_the_test_mean_is_r2(generator: np.random.Generator) -> None:
    truth, prediction = sample(100, generator)
    mean = np.full(100, truth.mean())
    np.testing.assert_allclose(point.skill(truth, prediction, mean), METRICS["r2"](truth, prediction).value)
    assert np.array_equal(point.skill(truth, prediction, prediction), np.zeros(3))
    assert (point.skill(truth, np.tile(truth, (3, 1)), mean) == 1).all()


def test_skill_pairs_a_reference_with_seeds_seed_by_seed(generator: np.random.Generator) -> None:
    truth, prediction = sample(30, generator)
    reference = truth + generator.normal(size=(3, 30))
    expected = [
        1 - ((p - truth) ** 2).sum() / ((r - truth) ** 2).sum() for p, r in zip(prediction, reference, strict=True)
    ]
    np.testing.assert_allclose(point.skill(truth, prediction, reference), expected, rtol=1e-12)


def test_slopes_tell_shrinkage_from_overconfidence(generator: np.random.Generator) -> None:
    """A posterior mean is calibrated and attenuated; prediction = truth + noise is the other way round."""
    truth = generator.normal(size=100_000)
    shrunk = 0.5 * (truth + generator.normal(size=(1, 100_000)))
    noisy = 2 * shrunk
    for prediction, calibrated, attenuated in ((shrunk, 1.0, 0.5), (noisy, 0.5, 1.0)):
        assert METRICS["slope_truth"](truth, prediction).value[0] == pytest.approx(calibrated, abs=0.02)
        assert METRICS["slope_prediction"](truth, prediction).value[0] == pytest.approx(attenuated, abs=0.02)


@pytest.mark.parametrize("constant", [0.1, -23.7])
def test_what_is_undefined_is_nan(constant: float, generator: np.random.Generator) -> None:
    """0.1 a hundred times has a mean that is not 0.1: rounding is no spread."""
    truth, prediction = generator.normal(size=100), np.full((2, 100), constant)
    assert np.isnan(METRICS["slope_truth"](truth, prediction).value).all()
    np.testing.assert_allclose(METRICS["slope_prediction"](truth, prediction).value, 0, atol=1e-14)
    same, spread = prediction[0], truth[None]
    assert np.isnan(METRICS["r2"](same, spread).value).all()
    assert np.isnan(METRICS["slope_prediction"](same, spread).influence).all()


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_is_measured(name: str, generator: np.random.Generator) -> None:
    truth = generator.normal(size=20)
    score = METRICS[name](truth, truth[None])
    best = 1.0 if name in ("r2", "slope_truth", "slope_prediction") else 0.0
    assert score.value == pytest.approx(best, abs=1e-12)
    np.testing.assert_allclose(score.influence, 0, atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_gaps_are_refused_and_counted(name: str) -> None:
    prediction = np.zeros((2, 5))
    prediction[0, 1], prediction[1, 1], prediction[1, 3] = np.nan, np.inf, np.nan
    with pytest.raises(ValueError, match=r"^prediction: 3 of 10 values are NaN or infinite"):
        METRICS[name](np.arange(5.0), prediction)
    with pytest.raises(ValueError, match=r"^truth: 1 of 5 values"):
        METRICS[name](np.array([0, 1, np.nan, 2, 3]), np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"^truth: no lens"):
        METRICS[name](np.zeros(0), np.zeros((2, 0)))
