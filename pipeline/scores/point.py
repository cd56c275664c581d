"""Metrics of point predictions: one function each, and the table of all.

Each is formed within a seed; `intervals` averages over seeds. Smooth functions of means stand here, with their exact
influence values; medians and what hangs on them in `order`.
"""

import numpy as np
from jaxtyping import Float

from pipeline.scores import order
from pipeline.scores.gaps import refuse
from pipeline.scores.score import Metric, Score, centred, over

Truth = Float[np.ndarray, " n"]
Prediction = Float[np.ndarray, "s n"]


def bias(truth: Truth, prediction: Prediction) -> Score:
    """Mean error: above zero where predictions are too high."""
    return _mean(prediction - truth)


def mae(truth: Truth, prediction: Prediction) -> Score:
    """Mean absolute error."""
    return _mean(np.abs(prediction - truth))


def rmse(truth: Truth, prediction: Prediction) -> Score:
    """Root mean square error; rmse² = bias² + scatter²."""
    return _root(_mean((prediction - truth) ** 2))


def scatter(truth: Truth, prediction: Prediction) -> Score:
    """Root mean square of the errors about their own mean: what is left of the rmse without the bias."""
    return _root(_mean(centred(prediction - truth) ** 2))


def r2(truth: Truth, prediction: Prediction) -> Score:
    """1 − SSE / SST about the mean of these truths: 0 for a constant at it, 1 for no error, no lower bound."""
    spread = np.broadcast_to(_deviations(truth[None]) ** 2, prediction.shape)
    return _skill((prediction - truth) ** 2, spread)


def skill(truth: Truth, prediction: Prediction, reference: Truth | Prediction) -> Float[np.ndarray, " s"]:
    """1 − SSE / SSE of a reference prediction of the same lenses: (n,), or (s, n) for a reference with seeds.

    Against the mean of the training truths it is an R² that a shift of the test truths cannot flatter; against a
    baseline that reads the ring's radius or the total flux it says what was learnt beyond that.
    """
    return against(reference)(truth, prediction).value


def against(reference: Truth | Prediction, title: str = "skill") -> Metric:
    """`skill` against this reference, as a metric with an interval."""

    def measure(truth: Truth, prediction: Prediction) -> Score:
        refuse(reference=reference)
        errors = np.broadcast_to(reference - truth, prediction.shape)
        return _skill((prediction - truth) ** 2, errors**2)

    return Metric(title, measure, in_unit=False)


def slope_truth(truth: Truth, prediction: Prediction) -> Score:
    """Least-squares slope of truth on prediction: 1 where predictions are calibrated, below 1 where overconfident."""
    return _slope(prediction, np.broadcast_to(truth, prediction.shape))


def slope_prediction(truth: Truth, prediction: Prediction) -> Score:
    """Least-squares slope of prediction on truth: attenuation; 0 on a plateau, where the answer is a constant.

    A posterior mean has R² here, and not 1, however good its network is: what cannot be known is not predicted.
    """
    return _slope(np.broadcast_to(truth, prediction.shape), prediction)


def outliers_beyond(limit: float, unit: str = "") -> Metric:
    """Fraction of lenses with an error further than `limit` (in the target's unit) from the median error."""
    title = f"outliers beyond {limit:g} {unit}".rstrip()
    return Metric(title, lambda truth, prediction: order.beyond(prediction - truth, limit), False, True)


def _mean(values: Prediction) -> Score:
    return Score(values.mean(axis=1), centred(values))


def _root(square: Score) -> Score:
    """The root of a metric, by the chain rule; at zero, where there is none, no lens has an influence."""
    root = np.sqrt(square.value)
    twice = 2 * root[:, None]
    return Score(root, np.divide(square.influence, twice, out=np.zeros_like(square.influence), where=twice > 0))


def _skill(losses: Prediction, reference: Prediction) -> Score:
    """1 − mean loss / mean loss of the reference."""
    base = reference.mean(axis=1)
    ratio = over(losses.mean(axis=1), base)
    return Score(1 - ratio, over(ratio[:, None] * reference - losses, base[:, None]))


def _slope(x: Prediction, y: Prediction) -> Score:
    """cov(x, y) / var(x); the residual times the leverage is its influence."""
    dx, dy = _deviations(x), centred(y)
    spread = (dx**2).mean(axis=1)
    slope = over((dx * dy).mean(axis=1), spread)
    return Score(slope, over(dx * (dy - slope[:, None] * dx), spread[:, None]))


def _deviations(values: Prediction) -> Prediction:
    """Minus each seed's mean; exactly zero for a constant, whose mean may be rounded: that is no spread."""
    return np.where(np.ptp(values, axis=1, keepdims=True) == 0, 0.0, centred(values))


METRICS = {
    "bias": Metric("bias", bias),
    "median_error": Metric("median error", lambda truth, prediction: order.median(prediction - truth)),
    "mae": Metric("MAE", mae),
    "rmse": Metric("RMSE", rmse),
    "scatter": Metric("scatter", scatter),
    "nmad": Metric("NMAD", lambda truth, prediction: order.nmad(prediction - truth)),
    "outliers": Metric(
        "outliers", lambda truth, prediction: order.outliers(prediction - truth), in_unit=False, fraction=True
    ),
    "r2": Metric("R²", r2, in_unit=False),
    "slope_truth": Metric("slope of truth on prediction", slope_truth, in_unit=False),
    "slope_prediction": Metric("slope of prediction on truth", slope_prediction, in_unit=False),
}

# Of targets in dex besides: a factor of two, the usual limit of a catastrophic error in a log mass. In another unit no
# limit is anybody's usual one; there the outliers are those by NMAD alone.
DEX_METRICS = {"outliers_dex": outliers_beyond(0.3, "dex")}
