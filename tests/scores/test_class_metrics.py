"""Metrics of classes: scikit-learn's values, DeLong's variance, the binormal closed form, and intervals that hold."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score, roc_curve

from pipeline.scores import classes
from pipeline.scores.intervals import interval

SIZES = [2, 3, 17, 400]
ORACLES = {
    "auc": roc_auc_score,
    "accuracy": lambda t, p: accuracy_score(t, p >= 0.5),
    "brier": brier_score_loss,
    "log_loss": lambda t, p: log_loss(t, np.clip(p, 1e-3, 1 - 1e-3)),
    "outside": lambda t, p: np.mean([not 0 <= one <= 1 for one in p]),
}


def sample(lenses: int, generator: np.random.Generator, digits: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Three seeds; with few digits many of their answers are equal, and some are 0, 1 and one half."""
    truth = (generator.uniform(size=lenses) < 0.4).astype(float)
    truth[:2] = 0, 1
    return truth, np.clip(0.5 + 0.2 * (truth - 0.5) + 0.3 * generator.normal(size=(3, lenses)), 0, 1).round(digits)


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(classes.METRICS)


@pytest.mark.parametrize("digits", [1, 12])
@pytest.mark.parametrize("lenses", SIZES)
@pytest.mark.parametrize("name", ORACLES)
def test_values_are_scikit_learns(name: str, lenses: int, digits: int, generator: np.random.Generator) -> None:
    truth, prediction = sample(lenses, generator, digits)
    found = classes.METRICS[name](truth, prediction)
    np.testing.assert_allclose(found.value, [ORACLES[name](truth, one) for one in prediction], atol=1e-10, rtol=1e-10)
    np.testing.assert_allclose(found.influence.mean(axis=1), 0, atol=1e-10)


def test_answers_that_are_no_probability_are_counted() -> None:
    found = classes.METRICS["outside"](np.array([0.0, 1, 1, 0]), np.array([[-0.1, 1.0, 1.1, 0.0]]))
    assert found.value.tolist() == [0.5]
    (loss,) = classes.METRICS["log_loss"](np.array([1.0]), np.array([[-3.0]])).value
    assert loss == pytest.approx(-np.log(1e-3))


@pytest.mark.parametrize("apart", [0.0, 0.7, 2.0])
def test_the_area_of_two_normals_is_known(apart: float, generator: np.random.Generator) -> None:
    """Φ(d′ / √2), to three of its standard errors."""
    truth = np.repeat([0.0, 1.0], [30_000, 20_000])
    prediction = generator.normal(apart * truth, 1.0)[None]
    found = interval(classes.METRICS["auc"], truth, prediction, np.arange(50_000))
    assert abs(found.value - norm.cdf(apart / np.sqrt(2))) < 3 * found.error < 0.01


@pytest.mark.parametrize("digits", [1, 12])
def test_its_error_is_delongs(digits: int, generator: np.random.Generator) -> None:
    """From placements counted pair by pair; DeLong divides by n − 1 in each class, we in all."""
    truth, prediction = sample(200, generator, digits)
    ones, zeros = (prediction[0, truth == one] for one in (1, 0))
    pairs = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    delong = pairs.mean(axis=1).var(ddof=1) / len(ones) + pairs.mean(axis=0).var(ddof=1) / len(zeros)
    found = interval(classes.METRICS["auc"], truth, prediction[:1], np.arange(200))
    assert found.error == pytest.approx(np.sqrt(delong), rel=0.01)


def test_influences_are_derivatives(generator: np.random.Generator) -> None:
    """A lens more among a thousand copies of the sample moves the area by its influence times its weight."""
    truth, prediction = sample(13, generator, 1)
    rows = np.tile(np.arange(13), 1000)

    def value(*more: int) -> np.ndarray:
        taken = np.concatenate([rows, np.array(more, dtype=int)])
        return classes.METRICS["auc"](truth[taken], prediction[:, taken]).value

    moved = np.stack([value(row) - value() for row in range(13)], axis=1) * (len(rows) + 1)
    influence = classes.METRICS["auc"](truth, prediction).influence
    np.testing.assert_allclose(moved, influence, atol=2e-3 * np.abs(influence).max())


def test_intervals_of_the_area_hold_it_and_stay_in_bounds(generator: np.random.Generator) -> None:
    """400 samples of 60 lenses, 40 of them two to a halo: about 95 % of intervals hold Φ(d′ / √2), near 1 too."""
    apart, held = 2.5, 0
    groups = np.concatenate([np.repeat(np.arange(20), 2), np.arange(20, 40)])
    for _ in range(400):
        truth = (np.arange(60) % 5 < 2).astype(float)
        found = classes.measured(truth, generator.normal(apart * truth, 1.0)[None], groups)["auc"]
        assert 0 <= found.low <= found.value <= found.high <= 1
        held += found.low <= norm.cdf(apart / np.sqrt(2)) <= found.high
    assert binomtest(held, 400, 0.95).pvalue > 1e-3


def test_classes_wholly_apart_are_not_certain() -> None:
    """Ten trials that all succeed, of the smaller class; the other's thousand do not make the interval narrow."""
    truth = np.repeat([0.0, 1.0], [1000, 10])
    found = classes.measured(truth, truth[None], np.arange(1010))["auc"]
    low = binomtest(10, 10).proportion_ci(0.95, "exact").low
    assert (found.value, found.low, found.high) == pytest.approx((1, low, 1))


def test_accuracy_has_clopper_and_pearsons_interval(generator: np.random.Generator) -> None:
    truth, prediction = sample(57, generator)
    found = classes.measured(truth, prediction[:1], np.arange(57))["accuracy"]
    exact = binomtest(round(57 * found.value), 57).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), rel=1e-9)


def test_one_class_alone_has_no_area() -> None:
    found = classes.measured(np.ones(5), np.full((2, 5), 0.4), np.arange(5))
    assert np.isnan(found["auc"].value)
    assert np.isinf(found["auc"].high)
    assert found["accuracy"].value == 0
    assert np.isnan(classes.roc(np.ones(5), np.full((2, 5), 0.4))).all()


def test_a_truth_between_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"truth: 0\.5; of classes it is 0 or 1"):
        classes.measured(np.array([0.0, 0.5]), np.zeros((1, 2)), np.arange(2))


# diagrams


def test_the_reliability_diagram_is_scikit_learns(generator: np.random.Generator) -> None:
    truth, prediction = sample(400, generator)
    prediction = prediction[:1] + 1e-9 * generator.uniform(size=(1, 400))  # no two alike
    shown = np.clip(prediction, 0, 1 - 1e-12)
    diagram = classes.reliability(truth, shown, np.arange(400), 8)
    observed, said = calibration_curve(truth, shown[0], n_bins=8, strategy="quantile")
    np.testing.assert_allclose([one["observed"] for one in diagram], observed, atol=1e-10)
    np.testing.assert_allclose([one["prediction"] for one in diagram], said, atol=1e-10)
    assert classes.calibration_error(diagram) == pytest.approx(np.abs(observed - said).mean(), rel=1e-10)


def test_seeds_that_say_the_same_do_not_make_a_band_narrower(generator: np.random.Generator) -> None:
    truth, prediction = sample(200, generator, 1)
    once, thrice = (classes.reliability(truth, np.repeat(prediction[:1], s, axis=0), np.arange(200)) for s in (1, 3))
    for one, other in zip(once, thrice, strict=True):
        assert other["answers"] == 3 * one["answers"]
        for key in ("prediction", "observed", "low", "high"):
            assert other[key] == pytest.approx(one[key], rel=1e-9)


def test_bands_of_the_calibrated_hold_the_diagonal(generator: np.random.Generator) -> None:
    held = []
    for _ in range(100):
        said = generator.uniform(size=200)
        diagram = classes.reliability((generator.uniform(size=200) < said).astype(float), said[None], np.arange(200), 5)
        held += [one["low"] <= one["prediction"] <= one["high"] for one in diagram]
    assert binomtest(sum(held), len(held), 0.97).pvalue > 1e-3  # Clopper–Pearson's 95 % are never less, mostly more


@pytest.mark.parametrize("digits", [1, 12])
def test_the_roc_curve_is_scikit_learns(digits: int, generator: np.random.Generator) -> None:
    truth, prediction = sample(400, generator, digits)
    curves = [roc_curve(truth, one, drop_intermediate=False)[:2] for one in prediction]
    expected = np.mean([np.interp(classes.RATES, *curve) for curve in curves], axis=0)
    np.testing.assert_allclose(classes.roc(truth, prediction), expected, atol=1e-10)


def test_the_largest_of_all_classes_decides(generator: np.random.Generator) -> None:
    which, prediction = generator.integers(0, 3, 50), generator.uniform(size=(3, 2, 50))
    truth = (which == np.arange(3)[:, None]).astype(float)
    found = classes.argmax(truth, prediction, np.arange(50))
    assert found is not None
    expected = np.mean([accuracy_score(which, prediction[:, seed].argmax(axis=0)) for seed in range(2)])
    assert found.value == pytest.approx(expected)
    assert classes.argmax(truth[:2], prediction[:2], np.arange(50)) is None
