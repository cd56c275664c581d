"""Bins of a covariate: every lens in one, each figure that of its lenses."""

import numpy as np
import pandas as pd
import pytest

from pipeline.scores import bins, intervals
from pipeline.scores.point import METRICS


@pytest.mark.parametrize(("lenses", "count"), [(100, 5), (103, 5), (7, 7), (3, 5), (20, 1)])
def test_bins_share_out_the_lenses(lenses: int, count: int, generator: np.random.Generator) -> None:
    truth, prediction = generator.normal(size=lenses), generator.normal(size=(3, lenses))
    found = bins.by_bin(truth, prediction, np.arange(lenses), truth, count)
    assert found["lenses"].sum() == lenses
    assert len(found) == min(lenses, count)
    assert np.ptp(found["lenses"]) <= 1
    assert found["centre"].is_monotonic_increasing
    assert (found["low"].to_numpy()[1:] > found["high"].to_numpy()[:-1]).all()
    mae = METRICS["mae"](truth, prediction).value.mean()
    assert np.average(found["mae"], weights=found["lenses"]) == pytest.approx(mae, rel=1e-10)


def test_bins_of_a_hundred_are_pandas_own(generator: np.random.Generator) -> None:
    covariate = generator.normal(size=100)
    expected = pd.qcut(covariate, 4, labels=False)
    for name, member in bins.members(covariate, 4):
        assert np.array_equal(member, expected == int(name))


def test_a_line_is_that_of_its_lenses(generator: np.random.Generator) -> None:
    truth, prediction = generator.normal(size=60), generator.normal(size=(4, 60))
    covariate, groups = generator.normal(size=60), generator.integers(0, 40, 60)
    found = bins.by_bin(truth, prediction, groups, covariate, 3, confidence=0.9)
    rank = np.argsort(np.argsort(covariate))
    for k in range(3):
        inside = (rank >= 20 * k) & (rank < 20 * (k + 1))
        line = found.iloc[k]
        assert (line["low"], line["high"]) == (covariate[inside].min(), covariate[inside].max())
        assert line["centre"] == np.median(covariate[inside])
        for name in bins.MEASURED:
            one = intervals.interval(METRICS[name], truth[inside], prediction[:, inside], groups[inside], 0.9)
            assert (line[name], line[f"{name}_low"], line[f"{name}_high"]) == (one.value, one.low, one.high)


def test_unknown_covariates_are_a_bin_of_their_own(generator: np.random.Generator) -> None:
    truth = np.zeros(50)
    covariate, prediction = generator.normal(size=50), np.ones((2, 50))
    covariate[::5] = np.nan
    prediction[:, ::5] = 7.0
    found = bins.by_bin(truth, prediction, np.arange(50), covariate, 4)
    assert list(found["bin"]) == ["0", "1", "2", "3", bins.UNKNOWN]
    assert list(found["lenses"]) == [10] * 5
    assert list(found["bias"]) == [1, 1, 1, 1, 7]
    assert found.iloc[-1][["low", "high", "centre"]].isna().all()
    assert found.iloc[:-1].notna().all(axis=None)


def test_where_nothing_is_known_there_is_one_bin() -> None:
    found = bins.by_bin(np.zeros(5), np.ones((2, 5)), np.arange(5), np.full(5, np.nan))
    assert list(found["bin"]) == [bins.UNKNOWN]
    assert list(found["lenses"]) == [5]


@pytest.mark.parametrize("values", [[5.0], [1.0, 2.0], [1.0, 1.0, 1.0, 9.0], [0.0, np.inf]])
def test_equal_covariates_share_a_bin(values: list[float]) -> None:
    covariate = np.tile(values, 10)
    shared = [set(covariate[member]) for _, member in bins.members(covariate, 5)]
    assert sorted(value for each in shared for value in each) == sorted(set(values))


def test_a_bin_of_one_lens_says_nothing_of_others() -> None:
    found = bins.by_bin(np.zeros(3), np.ones((2, 3)), np.arange(3), np.arange(3.0), 3)
    assert (found["bias"] == 1).all()
    assert np.isneginf(found["bias_low"]).all()
    assert np.isposinf(found["bias_high"]).all()
