"""The range test: the edge is where theory has it, a planted fall is found under noise, and nothing learnt is said."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from models.training.range_test import RULES, Curve, choose, range_test, smoothed


def descent(limit: float, noise: float, seed: int) -> Callable[[float], float]:
    """Gradient descent on a quadratic of 20 curvatures, unstable above a rate of `limit`, its gradients noisy."""
    rng = np.random.default_rng(seed)
    curvature = np.geomspace(0.01, 1, 20) * 2 / limit
    weights = np.full(20, 3.0) * np.sqrt(limit / 2)

    def step(rate: float) -> float:
        nonlocal weights
        loss = float((curvature * weights**2).sum() / 2)
        weights = weights - rate * np.sqrt(curvature) * (np.sqrt(curvature) * weights + noise * rng.standard_normal(20))
        return loss * (1 + noise * rng.standard_normal())

    return step


def planted(noise: float, seed: int = 0, ruin: float = 10**-1.5) -> Callable[[float], float]:
    """Half of the fall from 1 to .3 is done at a rate of 10^-3.5; from `ruin` on the loss rises past all bounds."""
    rng = np.random.default_rng(seed)

    def step(rate: float) -> float:
        place = math.log10(rate)
        risen = 9 * max(0.0, place - math.log10(ruin)) ** 2
        return 0.3 + 0.7 / (1 + math.exp(4 * (place + 3.5))) + risen + noise * rng.standard_normal()

    return step


@pytest.mark.parametrize("limit", [2.0, 0.003])
@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_the_edge_of_descent_is_its_stability_limit(limit: float, noise: float) -> None:
    for seed in range(10):
        curve = range_test(descent(limit, noise, seed), 1e-4 * limit, 100 * limit)
        choice = choose(curve)
        assert 0.5 < choice.edge / limit < 2
        assert choice.rate < limit / 4


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.1])
def test_a_planted_fall_and_edge_are_found_under_noise(noise: float) -> None:
    for seed in range(10):
        choice = choose(range_test(planted(noise, seed)))
        assert 0.5 < choice.rate / 10**-3.5 < 2
        assert 0.5 < choice.edge / 10**-1.5 < 2


def test_on_a_long_plateau_noise_is_no_edge() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        losses = iter(1 - 0.07 * min(step, 10) + 0.1 * rng.standard_normal() for step in range(200))
        curve = range_test(lambda rate, losses=losses: next(losses), steps=200)
        assert choose(curve).edge > 0.3 * curve.rates[-1]


def test_half_the_fall_is_moved_less_by_noise_than_the_steepest_point() -> None:
    """Why it is the default: in decades, over seeds."""
    spread = {}
    for rule in ("fall", "steepest"):
        spread[rule] = np.std([np.log10(choose(range_test(planted(0.1, s)), rule).rate) for s in range(20)])
    assert spread["fall"] < 0.1
    assert spread["steepest"] > 3 * spread["fall"]


@pytest.mark.parametrize("rule", RULES)
def test_without_noise_every_rule_finds_the_steepest_point(rule: str) -> None:
    """Of a logistic fall: the middle."""
    choice = choose(range_test(planted(0.0)), rule)
    assert choice.rule == rule
    assert abs(math.log10(choice.rate) + 3.5) < 0.13  # two of the rates


@pytest.mark.parametrize("rule", RULES)
def test_rates_in_other_units_are_chosen_in_those(rule: str) -> None:
    again = planted(0.05)
    here, there = range_test(planted(0.05)), range_test(lambda rate: again(rate / 30), 3e-5, 30.0)
    np.testing.assert_allclose(there.rates, 30 * here.rates, rtol=1e-12)
    np.testing.assert_allclose(there.losses, here.losses, rtol=1e-9)
    assert choose(there, rule).rate == pytest.approx(30 * choose(here, rule).rate)
    assert choose(there, rule).edge == pytest.approx(30 * choose(here, rule).edge)


def test_the_choice_does_not_depend_on_the_unit_of_the_loss_nor_on_its_zero() -> None:
    """A likelihood's loss may be negative."""
    curve = range_test(planted(0.05))
    assert choose(Curve(curve.rates, 20 * curve.losses - 15)) == choose(curve)


def test_rates_rise_by_a_constant_factor_and_each_is_trained_with_once() -> None:
    seen: list[float] = []
    curve = range_test(lambda rate: seen.append(rate) or 1.0, 1e-5, 1e-1, 50)  # type: ignore[func-returns-value]
    np.testing.assert_allclose(seen, np.geomspace(1e-5, 1e-1, 50))
    assert list(curve.rates) == seen


def test_it_stops_where_the_smooth_loss_is_four_times_its_minimum() -> None:
    losses = iter([1.0] * 30 + [1.5**k for k in range(70)])
    curve = range_test(lambda rate: next(losses))
    smooth = [
        np.average(curve.losses[: k + 1], weights=0.7 ** np.arange(k, -1, -1.0)) for k in range(len(curve.losses))
    ]
    assert smooth[-1] > 4 * min(smooth)
    assert max(smooth[:-1]) <= 4 * min(smooth)
    assert next(losses) < 20  # it did not run on


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_it_stops_at_a_loss_that_is_not_finite_and_the_curve_is_of_the_others(end: float) -> None:
    learn = planted(0.01)
    curve = range_test(lambda rate: learn(rate) if rate < 1e-2 else end)
    assert curve.rates[-1] < 1e-2 < curve.rates[-1] * 1.2
    assert np.isfinite(curve.losses).all()
    assert choose(curve).edge == curve.rates[-1]


def test_a_loss_that_falls_through_zero_does_not_stop_it() -> None:
    curve = range_test(lambda rate: -math.log10(rate) - 3)
    assert len(curve.rates) == 100


def test_smoothing_leaves_a_level_and_its_places_alone() -> None:
    np.testing.assert_allclose(smoothed(np.full(30, 0.7)), 0.7)
    dip = np.full(31, 1.0)
    dip[15] = 0.0
    smooth = smoothed(dip)
    assert smooth.argmin() == 15
    np.testing.assert_allclose(smooth, smooth[::-1])


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_loss_that_never_falls_is_an_error_that_says_what_to_do(noise: float) -> None:
    for seed in range(20 if noise else 1):
        rng = np.random.default_rng(seed)
        curve = range_test(lambda rate, rng=rng: 1 + noise * rng.standard_normal())
        with pytest.raises(ValueError, match=r"^learning_rate: the loss never fell .* up to a rate of 1; .* raise the"):
            choose(curve)


def test_a_loss_that_only_rises_is_an_error_too() -> None:
    with pytest.raises(ValueError, match=r"^learning_rate: the loss never fell"):
        choose(range_test(lambda rate: 1 + 100 * rate))


@pytest.mark.parametrize("finite", [0, 5])
def test_a_test_that_breaks_at_once_says_so(finite: int) -> None:
    losses = iter([1.0] * finite + [math.nan])
    with pytest.raises(
        ValueError, match=rf"^learning_rate: the range test broke after {finite} steps, at .*start lower"
    ):
        choose(range_test(lambda rate: next(losses)))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"^learning_rate: a range test from 1 to 0\.1 has no rising"):
        range_test(lambda rate: 1.0, 1.0, 0.1)
    with pytest.raises(ValueError, match=r"^learning_rate: a range test takes at least 10 steps, not 3"):
        range_test(lambda rate: 1.0, steps=3)
    with pytest.raises(ValueError, match=r"^learning_rate rule: no 'valley'; there are fall, steepest"):
        choose(range_test(planted(0.0)), "valley")
