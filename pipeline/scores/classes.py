"""Metrics of a target that is 0 or 1, whose predictions are probabilities of its being 1.

Predictions are taken as they are; nothing keeps a network's answer within [0, 1], so that `outside` counts those that
are no probability, and the logarithmic score alone moves them in. Squares are a proper score (Brier 1950, Mon. Weather
Rev. 78, 1; Gneiting & Raftery 2007, JASA 102, 359): whoever lessens them answers with the probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit
from scipy.stats import rankdata

from pipeline.scores import bins
from pipeline.scores.intervals import Interval, clopper_pearson, of_hits, of_score
from pipeline.scores.score import Metric, Score, centred

THRESHOLD = 0.5  # from which on a prediction says 1
CLIP = 1e-3  # how near to 0 and 1 the logarithmic score lets a prediction be: none costs more than 6.9
BINS = 10  # equally filled, of a reliability diagram
RATES = np.linspace(0, 1, 51)  # false-positive rates at which a ROC curve is given

Truth = Float[np.ndarray, " n"]
Prediction = Float[np.ndarray, "s n"]
Groups = Int[np.ndarray, " n"]


def auc(truth: Truth, prediction: Prediction) -> Score:
    """The probability that a 1 is put above a 0, ties by half: Mann and Whitney's, the area under the ROC curve.

    The influence of a lens is that of its placement among those of the other class, the structural component of
    DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44, 837). NaN where one class is not there.
    """
    ones = truth == 1
    many, few = int(ones.sum()), int((~ones).sum())
    placed = np.full(prediction.shape, np.nan)
    if many and few:
        ranks = rankdata(prediction, axis=1)
        placed[:, ones] = (ranks[:, ones] - rankdata(prediction[:, ones], axis=1)) / few
        placed[:, ~ones] = 1 - (ranks[:, ~ones] - rankdata(prediction[:, ~ones], axis=1)) / many
    value = placed[:, ones].mean(axis=1) if many else np.full(len(prediction), np.nan)
    share = np.where(ones, many, few) / len(truth)
    return Score(value, (placed - value[:, None]) / share)


def accuracy(truth: Truth, prediction: Prediction) -> Score:
    """The fraction of lenses on the right side of one half."""
    return _mean(((prediction >= THRESHOLD) == (truth == 1)).astype(float))


def brier(truth: Truth, prediction: Prediction) -> Score:
    """Mean square of the errors: the square of the rmse."""
    return _mean((prediction - truth) ** 2)


def log_loss(truth: Truth, prediction: Prediction) -> Score:
    """Minus the mean logarithm of the probability that was given to what is true, predictions moved into
    [`CLIP`, 1 − `CLIP`]."""
    given = np.clip(prediction, CLIP, 1 - CLIP)
    return _mean(-np.log(np.where(truth == 1, given, 1 - given)))


def outside(truth: Truth, prediction: Prediction) -> Score:
    """The fraction of predictions that are no probability."""
    return _mean(((prediction < 0) | (prediction > 1)).astype(float))


METRICS = {
    "auc": Metric("AUC", auc, in_unit=False),
    "accuracy": Metric("accuracy", accuracy, in_unit=False, fraction=True),
    "brier": Metric("Brier score", brier, in_unit=False),
    "log_loss": Metric("log loss", log_loss, in_unit=False),
    "outside": Metric("outside of 0 to 1", outside, in_unit=False, fraction=True),
}


def measured(truth: Truth, prediction: Prediction, groups: Groups, confidence: float = 0.95) -> dict[str, Interval]:
    """Each of `METRICS` with its interval over seeds and groups. Raises `ValueError` for a truth beside 0 and 1."""
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"truth: {truth[~np.isin(truth, (0, 1))][0]:g}; of classes it is 0 or 1")
    scores = {name: metric(truth, prediction) for name, metric in METRICS.items()}
    found = {name: of_score(one, groups, confidence, METRICS[name].fraction) for name, one in scores.items()}
    return found | {"auc": within(found["auc"], truth, groups, confidence)}


def within(plain: Interval, truth: Truth, groups: Groups, confidence: float) -> Interval:
    """An interval of an area that stays between 0 and 1: the plain one on the scale of the logit (Qin & Hotilovac 2008,
    Stat. Methods Med. Res. 17, 207).

    Of classes wholly apart, which have no variance: Clopper–Pearson, each group of the smaller class one trial.
    """
    reach = plain.high - plain.value
    if not np.isfinite(reach):
        return plain
    if plain.value in (0, 1):
        trials = min(len(np.unique(groups[truth == one])) for one in (0, 1))
        low, high = clopper_pearson(plain.value * trials, trials, confidence)
    else:
        steep = plain.value * (1 - plain.value)
        low, high = expit(logit(plain.value) + np.array([-reach, reach]) / steep)
    return replace(plain, low=float(low), high=float(high))


def reliability(
    truth: Truth, prediction: Prediction, groups: Groups, count: int = BINS, confidence: float = 0.95
) -> list[dict[str, float]]:
    """What was true where so much was answered: of all seeds' answers, in equally filled bins (fewer where answers are
    equal), the mean `prediction`, the fraction `observed` that is 1, its interval for other lenses, and the answers.

    An answer of each seed for a lens is no new lens: the interval counts groups of lenses.
    """
    seeds = len(prediction)
    answers, ones, members = prediction.ravel(), np.tile(truth == 1, seeds), np.tile(groups, seeds)
    found = []
    for _, inside in bins.members(answers, count):
        share = of_hits(ones[None, inside], members[inside], confidence)
        one = {"prediction": float(answers[inside].mean()), "observed": share.value}
        found.append(one | {"low": share.low, "high": share.high, "answers": int(inside.sum())})
    return found


def calibration_error(diagram: Sequence[Mapping[str, float]]) -> float:
    """The mean distance of a reliability diagram from its diagonal, each answer counting alike (Naeini et al. 2015,
    AAAI). Chance leaves the calibrated about 0.8 of a bin's standard error."""
    weights = np.array([one["answers"] for one in diagram])
    off = np.array([abs(one["prediction"] - one["observed"]) for one in diagram])
    return float(weights @ off / weights.sum())


def roc(truth: Truth, prediction: Prediction) -> Float[np.ndarray, " r"]:
    """The fraction of the ones found at each of `RATES`, mean over seeds (Fawcett 2006, Pattern Recogn. Lett. 27, 861).

    Between thresholds the curve is straight, so that equal predictions count by half. NaN where one class is not there.
    """
    return np.mean([_curve(truth == 1, one) for one in prediction], axis=0)


def argmax(
    truth: Float[np.ndarray, "c n"], prediction: Float[np.ndarray, "c s n"], groups: Groups, confidence: float = 0.95
) -> Interval | None:
    """How often the class with the largest prediction is the true one, of several targets of which every lens has
    exactly one; None where that is not so. Of equal predictions the first counts."""
    if len(truth) < 2 or not np.array_equal(truth.sum(axis=0), np.ones(truth.shape[1])):
        return None
    return of_hits(prediction.argmax(axis=0) == truth.argmax(axis=0), groups, confidence)


def _curve(ones: Bool[np.ndarray, " n"], answers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " r"]:
    if ones.all() or not ones.any():
        return np.full(len(RATES), np.nan)
    order = np.argsort(-answers, kind="stable")
    last = np.append(np.diff(answers[order]) != 0, True)  # of lenses that a threshold cannot part
    found, false = np.cumsum(ones[order])[last], np.cumsum(~ones[order])[last]
    return np.interp(RATES, np.append(0, false) / (~ones).sum(), np.append(0, found) / ones.sum())


def _mean(values: Prediction) -> Score:
    return Score(values.mean(axis=1), centred(values))
