"""Conformal widths: sorted by hand, and the guarantee measured, exact as it is for exchangeable rows."""

import numpy as np
import pytest
from scipy import stats

from pipeline.scores import conformal


@pytest.mark.parametrize("lenses", [2, 3, 17, 1000])
@pytest.mark.parametrize("level", [0.5, 0.68, 0.9, 0.95])
def test_half_width_is_an_order_statistic(lenses: int, level: float, generator: np.random.Generator) -> None:
    residuals = generator.normal(size=(3, lenses))
    found = conformal.half_width(residuals, level)
    for width, row in zip(found, residuals, strict=True):
        enough = [w for w in sorted(abs(row)) if sum(abs(row) <= w) >= (lenses + 1) * level - 1e-9]
        assert width == (enough[0] if enough else np.inf)


def test_a_level_in_decimals_takes_the_rank_it_means() -> None:
    """(99 + 1) × 0.55 is 55.00000000000001 in binary, and × 0.29 28.999999999999996; the ranks are 55 and 29."""
    residuals = np.arange(1.0, 100.0)
    for level, rank in ((0.07, 7), (0.29, 29), (0.55, 55), (0.57, 57), (0.9, 90), (0.99, 99)):
        assert conformal.half_width(residuals, level) == rank


def test_too_few_rows_promise_nothing() -> None:
    assert conformal.half_width(np.ones(18), 0.95) == np.inf
    assert conformal.half_width(np.ones(19), 0.95) == 1
    assert conformal.margin(np.zeros(3), np.ones(3), np.ones(3), 0.9) == np.inf


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("kind", ["half_width", "margin"])
def test_the_guarantee_holds_on_average(kind: str, level: float, generator: np.random.Generator) -> None:
    """2000 calibrations of 37 rows: the coverage of new rows is beta-distributed, its mean ceil(38 level) / 38.

    The predicted intervals are far too narrow, the errors skewed: neither matters.
    """
    rank = int(np.ceil(38 * level - 1e-9))
    truth, new = stats.gamma(2).rvs(size=(2, 2000, 37), random_state=generator)
    if kind == "half_width":
        inside = np.abs(new - 1) <= conformal.half_width(truth - 1, level)[:, None]
    else:
        ends = [np.full((2000, 37), end) for end in (0.9, 1.1)]
        margins = np.array([conformal.margin(ends[0][0], ends[1][0], row, level) for row in truth])[:, None]
        inside = (ends[0] - margins <= new) & (new <= ends[1] + margins)
    found = inside.mean(axis=1)
    assert abs(found.mean() - rank / 38) < 4 * found.std() / np.sqrt(2000)


def test_a_margin_keeps_the_network_s_own_widths(generator: np.random.Generator) -> None:
    """Errors of two sizes, intervals right but for 0.2 a side: that is what is added to each, wide or narrow."""
    scale = np.repeat([1.0, 3.0], 50_000)
    truth = scale * stats.norm.ppf(generator.uniform(size=100_000))
    half = stats.norm.ppf(0.95) * scale
    assert conformal.margin(-half + 0.2, half - 0.2, truth, 0.9) == pytest.approx(0.2, abs=0.03)


def test_intervals_that_are_too_wide_shrink(generator: np.random.Generator) -> None:
    truth = generator.normal(size=10_000)
    end = np.full(10_000, 3.0)
    assert conformal.margin(-end, end, truth, 0.9) == pytest.approx(stats.norm.ppf(0.95) - 3, abs=0.05)


def test_a_point_s_margin_is_its_half_width(generator: np.random.Generator) -> None:
    truth, point = generator.normal(size=(2, 57))
    assert conformal.margin(point, point, truth, 0.8) == conformal.half_width(truth - point, 0.8)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^residuals: 1 of 3 values"):
        conformal.half_width(np.array([0.0, np.nan, 1.0]), 0.9)
    for level in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match=r"^level: "):
            conformal.half_width(np.ones(3), level)
