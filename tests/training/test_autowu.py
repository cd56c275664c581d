"""AutoWU: its Gaussian process is scikit-learn's, it finds a turn where there is one, and can be stopped anywhere."""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

from models.training.schedules import build
from models.training.schedules.autowu import AutoWU
from models.training.schedules.turn import past_minimum, posterior

Curve = Callable[[float], float]  # of log10(rate / maximum), from -3 to 0


def autowu(steps: int, peak: float = 1.0, **options: Any) -> AutoWU:
    schedule = build("autowu", peak, steps, **options)
    assert isinstance(schedule, AutoWU)
    return schedule


def warm_up(schedule: AutoWU, curve: Curve, noise: float, seed: int) -> list[tuple[int, str]]:
    """Losses along a curve until the decay begins; the answers."""
    rng = np.random.default_rng(seed)
    answers = []
    for step in range(schedule.steps):
        if not schedule.watches:
            break
        loss = curve(math.log10(schedule.rate(step) / schedule.maximum)) + noise * rng.standard_normal()
        if answer := schedule.observe(step, loss):
            answers.append((step, answer))
    return answers


def vee(turn: float, fall: float = 1.0, rise: float = 1.0) -> Curve:
    """Loss per decade on either side of the turn, as a normalised regression's: 2 at the start, .3 at best."""
    return lambda x: 0.3 + (fall * (turn - x) if x < turn else rise * (x - turn))


def steep(turn: float) -> Curve:
    """With the outputs' scale to be learnt first."""
    return lambda x: vee(turn)(x) + 3 * math.exp(-6 * (x + 3))


def explosive(turn: float) -> Curve:
    """By e every fortieth of a decade, up to 1e13, soon after the turn."""
    return lambda x: vee(turn)(x) + (math.exp(min(30.0, 40 * (x - turn - 0.2))) if x > turn else 0.0)


# the acceptance of issue 7


@pytest.mark.parametrize(
    ("shape", "noise"),
    [(vee, 0.02), (vee, 0.1), (steep, 0.02), (steep, 0.05), (explosive, 0.02), (explosive, 0.1)],
)
def test_a_turn_is_found_within_patience_and_one_tests_at_a_rate_within_twice_the_best(
    shape: Callable[[float], Curve], noise: float
) -> None:
    """Noise is of each step, against a rise of 1 per decade; a batch of 64 with a mean square of .3 has .05."""
    for seed in range(10):
        turn = -1.5 + 0.1 * seed
        schedule = autowu(2000)
        answers = warm_up(schedule, shape(turn), noise, seed)
        record = schedule.record()
        assert record["found"]
        assert answers[-1] == (record["switch"] - 1, "restore")
        turned = schedule.warm * (1 + turn / 3)
        after = [step for step, _ in record["tests"] if step + 1 > turned]
        assert schedule.patience <= len(after) <= schedule.patience + 1
        assert 0.5 < record["rate"] / 10**turn < 2
        kept = max(step for step, answer in answers if answer == "keep")
        assert abs(kept - turned) < schedule.every  # the weights that come back are those of the turn


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize(
    "curve",
    [
        lambda x: 0.3 - 0.3 * x,
        lambda x: 0.3 + math.exp(-2 * (x + 3)),
        lambda x: 0.3 + 10 * math.exp(-8 * (x + 3)),
        lambda x: 0.5 + 0.5 / (1 + math.exp(4 * (x + 1.5))),
        lambda x: -2 - x,
    ],
    ids=["straight", "saturating", "steep, then flat", "flat, falling, flat", "through zero"],
)
def test_a_curve_that_only_falls_is_warmed_up_to_the_end(curve: Curve, noise: float) -> None:
    for seed in range(20 if noise else 1):
        schedule = autowu(800)
        answers = warm_up(schedule, curve, noise, seed)
        assert schedule.record()["switch"] == 400
        assert not schedule.record()["found"]
        assert {answer for _, answer in answers} == {"keep"}
        assert schedule.rate(400) == 1.0


def test_noisy_descent_with_a_maximum_ten_times_too_high_ends_well() -> None:
    """Gradient descent on 20 curvatures up to 1 is stable below a rate of 2; the ceiling is 20, the noise small."""
    rng = np.random.default_rng(0)
    curvature = np.geomspace(0.05, 1, 20)
    schedule = autowu(1000, peak=20.0)
    weights = kept = np.full(20, 3.0)
    for step in range(1000):
        loss = float((curvature * weights**2).sum() / 2)
        weights = weights - schedule.rate(step) * (curvature * weights + 0.05 * rng.standard_normal(20))
        answer = schedule.observe(step, loss)
        kept = weights if answer == "keep" else kept
        weights = kept if answer == "restore" else weights
    assert schedule.record()["found"]
    assert 0.2 < schedule.record()["rate"] < 2 * 2
    assert (curvature * weights**2).sum() / 2 < 0.01


# the Gaussian process


def valley(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    places = np.sort(rng.uniform(0, 700, count))
    return places, 5 + 2 * np.cos(places / 150) + 0.3 * rng.standard_normal(count)


def test_the_posterior_is_scikit_learn_s() -> None:
    places, losses = valley()
    found = posterior(places, losses)
    progress = places[:, None] / places[-1]
    theirs = GaussianProcessRegressor(ConstantKernel(found.scale) * RBF(0.2), alpha=found.noise, optimizer=None)
    mean, covariance = theirs.fit(progress, losses - losses.mean()).predict(progress, return_cov=True)
    np.testing.assert_allclose(found.mean - losses.mean(), mean, atol=1e-8)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_scale_and_noise_are_the_likeliest_to_the_grid(seed: int) -> None:
    places, losses = valley(seed=seed)
    found = posterior(places, losses)
    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(0.2, "fixed") + WhiteKernel(0.1, (1e-3, 1e3))
    theirs = GaussianProcessRegressor(kernel).fit(places[:, None] / places[-1], losses - losses.mean())
    ours = theirs.log_marginal_likelihood(np.log([found.scale, found.noise]))
    assert theirs.log_marginal_likelihood_value_ - 0.02 < ours <= theirs.log_marginal_likelihood_value_ + 1e-6


def test_the_probability_of_a_difference_counts_the_covariance() -> None:
    """Against draws from scikit-learn's posterior, at the edge of what is certain."""
    places, losses = valley(seed=4)
    places, losses = places[:41], losses[:41]  # just past the minimum
    found = posterior(places, losses)
    draws = np.random.default_rng(0).multivariate_normal(found.mean, found.covariance, 20_000, method="eigh")
    probability, lowest = past_minimum(places, losses)
    assert 0.6 < probability < 0.99
    assert probability == pytest.approx((draws[:, :-1] < draws[:, -1:]).mean(0).max(), abs=0.01)
    assert lowest == found.mean.argmin()


def test_units_of_losses_and_steps_do_not_matter() -> None:
    places, losses = valley(seed=4)
    here = past_minimum(places[:41], losses[:41])
    there = past_minimum(3 * places[:41], 1e-3 * losses[:41] - 7)
    assert there[0] == pytest.approx(here[0], abs=1e-6)
    assert there[1] == here[1]


@pytest.mark.parametrize("explosion", [0.0, 1e3, 1e6])
def test_an_explosion_does_not_hide_the_valley_before_it(explosion: float) -> None:
    places = np.arange(1.0, 71.0)
    losses = 0.3 + abs(places - 40) / 30 + 0.05 * np.random.default_rng(0).standard_normal(70)
    losses[-4:] += explosion
    probability, lowest = past_minimum(places, losses)
    assert probability > 0.999
    assert abs(places[lowest] - 40) <= 2


def test_a_loss_that_never_changes_has_no_minimum_behind_it() -> None:
    assert past_minimum(np.arange(1.0, 9.0), np.full(8, 0.7))[0] == 0


# rates


@pytest.mark.parametrize("turn", [-1.0, 9.0], ids=["found", "never found"])
def test_the_rate_rises_exponentially_and_falls_as_torch_s_cosine(turn: float) -> None:
    schedule = autowu(600, peak=0.5, lowest=1e-2, warmup=0.4, maximum=2.0)
    rates = []
    for step in range(600):
        rates.append(schedule.rate(step))
        schedule.observe(step, vee(turn)(math.log10(rates[-1])))
    start, base = schedule.record()["switch"], schedule.record()["rate"]
    assert (start < 240) == (turn < 0)
    np.testing.assert_allclose(rates[:start], 0.02 * 100 ** (np.arange(start) / 240), rtol=1e-12)
    optimiser = SGD([nn.Parameter(torch.zeros(1))], lr=base)
    cosine = CosineAnnealingLR(optimiser, 600 - start)
    for rate in rates[start:]:
        assert rate == pytest.approx(cosine.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        cosine.step()


def test_a_constant_rate_may_come_before_the_cosine() -> None:
    schedule = autowu(600, cooldown="constant")
    warm_up(schedule, vee(-1.0), 0.02, seed=0)
    start, base = schedule.record()["switch"], schedule.record()["rate"]
    rates = [schedule.rate(step) for step in range(600)]
    assert rates[start:481] == [base] * (481 - start)
    np.testing.assert_allclose(rates[480:], base * (1 + np.cos(np.pi * np.arange(120) / 120)) / 2, rtol=1e-12)


# what is not finite


@pytest.mark.parametrize("ruin", [math.nan, math.inf])
def test_two_losses_in_a_row_that_are_not_finite_switch_at_once(ruin: float) -> None:
    schedule = autowu(400)
    answers = [schedule.observe(step, 1 - step / 200 if step < 133 else ruin) for step in range(135)]
    assert answers[-2:] == ["", "restore"]
    assert not schedule.watches
    assert schedule.record()["switch"] == 135
    assert schedule.record()["rate"] == pytest.approx(10 ** (-3 + 3 * 133 / 200))  # the last window's


def test_a_single_one_counts_as_one_positive_test() -> None:
    """Alone it changes nothing; before each of as many tests in a row as patience allows it is a switch."""
    falling = [1 - step / 200 for step in range(200)]
    once = autowu(400)
    for step, loss in enumerate(falling):
        once.observe(step, math.nan if step == 55 else loss)
    assert not once.record()["found"]
    thrice = autowu(400)
    answers = [thrice.observe(step, math.nan if step in {55, 65, 75} else loss) for step, loss in enumerate(falling)]
    assert answers.index("restore") == 79


def test_losses_that_were_never_finite_leave_nothing_to_restore() -> None:
    schedule = autowu(400)
    assert [schedule.observe(step, math.nan) for step in range(3)] == ["", "", ""]
    assert not schedule.watches  # so that the loop judges the third by itself
    assert schedule.rate(2) == pytest.approx(1e-3)


# stopping and going on


@pytest.mark.parametrize("seed", range(6))
def test_a_run_resumed_anywhere_answers_and_decides_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = [vee(-1.0)(-3 + step / 50) + 0.05 * rng.standard_normal() for step in range(300)]
    losses[90] = math.nan
    stop = int(rng.integers(300))
    whole, parted = autowu(300), autowu(300)
    for step, loss in enumerate(losses):
        if step == stop:
            file = io.BytesIO()
            torch.save(parted.state_dict(), file)
            file.seek(0)
            parted = autowu(300)
            parted.load_state_dict(torch.load(file, weights_only=True))
        assert parted.rate(step) == whole.rate(step)
        assert parted.observe(step, loss) == whole.observe(step, loss)
    assert whole.record()["found"]
    assert parted.record() == whole.record()


def test_a_state_does_not_change_after_it_was_taken() -> None:
    schedule = autowu(300)
    state = schedule.state_dict()
    warm_up(schedule, vee(-1.0), 0.05, seed=0)
    assert state == autowu(300).state_dict()


def test_after_its_watch_it_hears_nothing() -> None:
    schedule = autowu(300)
    warm_up(schedule, vee(-1.0), 0.05, seed=0)
    before = schedule.state_dict()
    assert schedule.observe(299, 0.0) == ""
    assert schedule.state_dict() == before
    assert not build("cosine", 1.0, 300).watches


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"maximum": 0}, r"^schedule\.maximum: 0\.0 is not a finite number above 0"),
        ({"lowest": 2}, r"^schedule\.lowest: 2\.0 is not between 0 and 1"),
        ({"patience": 0}, r"^schedule\.patience: 0 is not a whole number of at least 1"),
        ({"cooldown": "linear"}, r"^schedule\.cooldown: no 'linear'; there are immediate, constant"),
        ({"maximum": "edge"}, r"^schedule\.maximum: 'edge' is not a number or null"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        autowu(100, **options)
