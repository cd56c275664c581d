"""Schedules: torch's own beside ours at every step, the formulas where torch has none, and faults by name."""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from models.training.schedules import KINDS, build
from models.training.schedules.schedule import Schedule

PEAK = 0.03
Torch = Callable[[Optimizer, int], LRScheduler]

# kind, our options, torch's for n steps after the warm-up
ORACLES: dict[str, tuple[str, dict[str, Any], Torch]] = {
    "constant": ("constant", {}, lambda o, n: LambdaLR(o, lambda s: 1.0)),
    "step": ("step", {"every": 0.25, "factor": 0.3}, lambda o, n: StepLR(o, n // 4, 0.3)),
    "step by default": ("step", {}, lambda o, n: StepLR(o, round(n / 3), 0.1)),
    "exponential": ("exponential", {"final": 0.01}, lambda o, n: ExponentialLR(o, 0.01 ** (1 / n))),
    "polynomial": ("polynomial", {"power": 2.5}, lambda o, n: PolynomialLR(o, n, 2.5)),
    "linear": ("polynomial", {}, lambda o, n: PolynomialLR(o, n, 1.0)),
    "cosine": ("cosine", {}, lambda o, n: CosineAnnealingLR(o, n)),
    "cosine to a tenth": ("cosine", {"final": 0.1}, lambda o, n: CosineAnnealingLR(o, n, 0.1 * PEAK)),
    "warm restarts": ("warm_restarts", {}, lambda o, n: CosineAnnealingWarmRestarts(o, n // 7, 2)),
    "even restarts": (
        "warm_restarts",
        {"growth": 1, "cycles": 4, "final": 0.01},
        lambda o, n: CosineAnnealingWarmRestarts(o, n // 4, 1, 0.01 * PEAK),
    ),
    "triangular": (
        "cyclical",
        {"low": 0.2, "cycles": 3},
        lambda o, n: CyclicLR(o, 0.2 * PEAK, PEAK, n / 6, cycle_momentum=False),
    ),
    "triangular2": (
        "cyclical",
        {"mode": "triangular2"},
        lambda o, n: CyclicLR(o, 0.1 * PEAK, PEAK, n / 8, mode="triangular2", cycle_momentum=False),
    ),
}


def parameter() -> SGD:
    return SGD([nn.Parameter(torch.zeros(1))], lr=PEAK, momentum=0.9)


def trace(optimiser: SGD, schedule: LRScheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(float(schedule.get_last_lr()[0]))
        optimiser.step()
        schedule.step()
    return rates


def rates(schedule: Schedule) -> list[float]:
    return [schedule.rate(step) for step in range(schedule.steps)]


@pytest.mark.parametrize("name", ORACLES)
def test_is_torch_s_at_every_step(name: str) -> None:
    kind, options, of = ORACLES[name]
    optimiser = parameter()
    expected = trace(optimiser, of(optimiser, 168), 168)
    np.testing.assert_allclose(rates(build(kind, PEAK, 168, **options)), expected, rtol=1e-10, atol=1e-12 * PEAK)


@pytest.mark.parametrize("name", [name for name in ORACLES if not name.startswith("triangular")])
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # torch's SequentialLR calls its own deprecated
def test_a_warm_up_is_linear_and_the_rest_follows_after_it(name: str) -> None:
    kind, options, of = ORACLES[name]
    optimiser = parameter()
    parts = [LinearLR(optimiser, 1 / 57, total_iters=56), of(optimiser, 168)]
    expected = trace(optimiser, SequentialLR(optimiser, parts, milestones=[56]), 224)
    found = rates(build(kind, PEAK, 224, warmup=0.25, **options))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * PEAK)


@pytest.mark.parametrize("cycle_momentum", [True, False])
@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.3), (977, 0.05), (50, 0.0), (2, 0.3), (3, 0.5), (40, 1.0)])
def test_one_cycle_is_torch_s_to_the_bit(steps: int, warmup: float, cycle_momentum: bool) -> None:
    optimiser = parameter()
    pct_start = max(warmup, 1.001 / steps)
    theirs = OneCycleLR(optimiser, PEAK, total_steps=steps, pct_start=pct_start, cycle_momentum=cycle_momentum)
    ours = build("one_cycle", PEAK, steps, warmup=warmup, cycle_momentum=cycle_momentum)
    for step in range(steps):
        assert ours.rate(step) == theirs.get_last_lr()[0]
        assert ours.momentum(step) == (optimiser.param_groups[0]["momentum"] if cycle_momentum else None)
        optimiser.step()
        if step < steps - 1:
            theirs.step()


def test_one_cycle_s_options_are_torch_s() -> None:
    optimiser = parameter()
    theirs = OneCycleLR(optimiser, PEAK, total_steps=60, pct_start=0.3, div_factor=5.0, final_div_factor=20.0)
    np.testing.assert_allclose(
        rates(build("one_cycle", PEAK, 60, div=5, final_div=20)), trace(optimiser, theirs, 60), rtol=1e-12
    )


def test_restarts_end_with_the_run_whatever_its_length() -> None:
    """Cycles 4/19, 6/19, 9/19 of 100 steps long: their ends are the nearest whole steps, each with the peak anew."""
    found = np.array(rates(build("warm_restarts", 1.0, 100, growth=1.5)))
    assert [step for step in range(100) if found[step] == 1.0] == [0, 21, 53]
    assert found[[20, 52, 99]].max() < 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
def test_rates_are_positive_and_never_above_the_peak(kind: str, steps: int) -> None:
    found = np.array(rates(build(kind, PEAK, steps)))
    assert (found > 0).all()
    assert (found <= PEAK * (1 + 1e-12)).all()
    assert np.allclose(rates(build(kind, 2 * PEAK, steps)), 2 * found, rtol=1e-12)


# plateau

OPTIONS = {"factor": 0.4, "patience": 2, "threshold": 0.02, "cooldown": 3, "lowest": 0.01}


def losses(seed: int, epochs: int = 80) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(np.exp(-np.arange(epochs) / 8) + 0.2 + 0.05 * rng.standard_normal(epochs))


@pytest.mark.parametrize("seed", range(5))
def test_plateau_is_torch_s_after_every_epoch_also_when_resumed(seed: int) -> None:
    optimiser = parameter()
    theirs = ReduceLROnPlateau(
        optimiser, factor=0.4, patience=2, threshold=0.02, cooldown=3, min_lr=0.01 * PEAK, eps=0.0
    )
    ours = build("plateau", PEAK, 80, **OPTIONS)
    stop = int(np.random.default_rng(seed).integers(80))
    seen = set()
    for epoch, loss in enumerate(losses(seed)):
        assert ours.rate(epoch) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        theirs.step(loss)
        ours.validated(loss)
        seen.add(ours.rate(epoch))
        if epoch == stop:
            ours = resumed(ours, "plateau", **OPTIONS)
    assert len(seen) > 2
    assert min(seen) == pytest.approx(0.01 * PEAK)


def resumed(schedule: Schedule, kind: str, **options: Any) -> Schedule:
    """A new schedule with the state of another, by way of a file as a checkpoint is."""
    file = io.BytesIO()
    torch.save(schedule.state_dict(), file)
    file.seek(0)
    fresh = build(kind, PEAK, schedule.steps, **options)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


def test_a_negative_loss_that_rises_is_no_better_to_plateau() -> None:
    schedule = build("plateau", PEAK, 10, patience=0, threshold=0.1)
    schedule.validated(-1.0)
    schedule.validated(-0.95)
    assert schedule.rate(0) == pytest.approx(0.1 * PEAK)


def test_a_loss_that_is_not_a_number_is_a_bad_epoch_to_plateau() -> None:
    schedule = build("plateau", PEAK, 10, patience=1)
    for loss in (1.0, math.nan, math.nan):
        schedule.validated(loss)
    assert schedule.rate(0) == pytest.approx(0.1 * PEAK)
    assert schedule.state_dict()["best"] == 1.0


# faults


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("onecycle", {}, r"^schedule\.kind: no 'onecycle'; there are constant, step, .*one_cycle"),
        ("cosine", {"fnal": 0.1}, r"^schedule: no option 'fnal' for cosine; there are warmup, final"),
        ("cosine", {"final": "low"}, r"^schedule\.final: 'low' is not a number; the default is 0\.0"),
        ("cosine", {"final": True}, r"^schedule\.final: True is not a number"),
        ("one_cycle", {"cycle_momentum": 1}, r"^schedule\.cycle_momentum: 1 is not true or false"),
        ("warm_restarts", {"cycles": 2.5}, r"^schedule\.cycles: 2\.5 is not a whole number"),
        ("warm_restarts", {"cycles": 0}, r"^schedule\.cycles: 0 is not a whole number of at least 1"),
        ("cyclical", {"mode": "square"}, r"^schedule\.mode: no 'square'; there are triangular, triangular2"),
        ("one_cycle", {"warmup": 1.5}, r"^schedule\.warmup: 1\.5 is not between 0 and 1"),
        ("one_cycle", {"low": 0.99}, r"^schedule\.low: 0\.99 is not between 0 and 0\.95"),
        ("step", {"every": 0.0}, r"^schedule\.every: 0\.0 is not a finite number above 0"),
        ("exponential", {"final": math.nan}, r"^schedule\.final: nan is not"),
        ("plateau", {"patience": -1}, r"^schedule\.patience: -1 is not"),
    ],
)
def test_a_wrong_option_is_named(kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(kind, PEAK, 10, **options)


@pytest.mark.parametrize("peak", [0.0, -1e-3, math.nan, math.inf])
def test_a_rate_that_is_not_positive_is_refused(peak: float) -> None:
    with pytest.raises(ValueError, match=r"^learning_rate: .* is not a finite number above 0"):
        build("constant", peak, 10)


@pytest.mark.parametrize("step", [-1, 10])
def test_there_are_no_steps_beyond_the_run(step: int) -> None:
    with pytest.raises(ValueError, match=rf"^schedule: no step {step}; this run's are 0 to 9"):
        build("polynomial", PEAK, 10, power=0.5).rate(step)
