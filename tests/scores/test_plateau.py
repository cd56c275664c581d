"""Plateaus: planted ones are found, to a window; and neither skill nor a small sample passes for one."""

import numpy as np
import pytest
from scipy import stats

from pipeline.scores import plateau

LOW, EDGE, HIGH = -24.0, -23.3, -22.0
SEEDS, LENSES = 6, 3000


@pytest.fixture
def truth(generator: np.random.Generator) -> np.ndarray:
    """Log axion masses, evenly spread."""
    return generator.uniform(LOW, HIGH, LENSES)


def noise(generator: np.random.Generator, lenses: int = LENSES, size: float = 0.1) -> np.ndarray:
    """Errors that seeds share, and their own: what a lens does to every network, and to one."""
    return size * (generator.normal(size=lenses) + generator.normal(size=(SEEDS, lenses))) / np.sqrt(2)


def found(truth: np.ndarray, prediction: np.ndarray) -> list[plateau.Plateau]:
    return plateau.plateaus(truth, prediction, np.arange(len(truth)))


def width(truth: np.ndarray) -> float:
    """Of a window, in the label."""
    return np.ptp(truth) * 2 / 21


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_planted_plateau_is_found_to_a_window(side: str, truth: np.ndarray, generator: np.random.Generator) -> None:
    """On one side of −23.3 a constant and noise, on the other the truth and noise, as published for DeepLense."""
    answer = np.maximum(truth, EDGE) if side == "low" else np.minimum(truth, EDGE)
    (only,) = found(truth, answer + noise(generator))
    inner, outer = (only.high, only.low) if side == "low" else (only.low, only.high)
    assert abs(inner - EDGE) < width(truth)
    assert outer == pytest.approx(truth.min() if side == "low" else truth.max())
    assert (only.lowest, only.highest) == (side == "low", side == "high")


def test_a_plateau_in_the_middle_reaches_no_end(truth: np.ndarray, generator: np.random.Generator) -> None:
    answer = np.where(truth < -23.3, truth, np.maximum(truth - 0.6, -23.3))
    (only,) = found(truth, answer + noise(generator, size=0.05))
    assert (only.lowest, only.highest) == (False, False)
    assert only.low == pytest.approx(-23.3, abs=width(truth))
    assert only.high == pytest.approx(-22.7, abs=width(truth))


def test_two_plateaus_are_two(truth: np.ndarray, generator: np.random.Generator) -> None:
    first, second = found(truth, np.clip(truth, -23.5, -22.5) + noise(generator, size=0.05))
    assert (first.lowest, second.highest) == (True, True)
    assert first.high < -23.2 < -22.8 < second.low


@pytest.mark.parametrize("size", [0.0, 0.1])
def test_skill_is_no_plateau(size: float, truth: np.ndarray, generator: np.random.Generator) -> None:
    prediction = truth + noise(generator, size=size)
    table = plateau.windows(truth, prediction, np.arange(LENSES))
    assert set(table["word"]) == {"rising"}
    assert found(truth, prediction) == []
    assert (table["slope_low"] <= 1 + 1e-9).all()
    assert (table["slope_high"] >= 1 - 1e-9).all()


@pytest.mark.parametrize("size", [0.0, 0.05])
def test_a_constant_is_all_plateau(size: float, truth: np.ndarray, generator: np.random.Generator) -> None:
    (only,) = found(truth, -22.65 + noise(generator, size=size))
    assert (only.low, only.high, only.windows) == (truth.min(), truth.max(), 20)
    assert only.lowest
    assert only.highest


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_a_small_sample_is_undecided(slope: float, generator: np.random.Generator) -> None:
    """Large errors and few lenses: zero is not excluded, but nor is everything else."""
    truth = generator.uniform(LOW, HIGH, 200)
    table = plateau.windows(truth, slope * truth + noise(generator, 200, size=1.0), np.arange(200))
    assert "flat" not in set(table["word"])
    assert (table["word"] == "undecided").sum() >= 18
    assert (table["detectable"] > 1).mean() > 0.9


def test_windows_take_part_equally(truth: np.ndarray) -> None:
    """Each lens is in two neighbouring windows, but for those at the ends."""
    table = plateau.windows(truth, truth[None], np.arange(LENSES), count=20)
    assert len(table) == 20
    assert np.ptp(table["lenses"]) <= 2
    assert table["lenses"].sum() == pytest.approx(LENSES * 40 / 21, abs=20)
    ordered = np.sort(truth)
    assert (table["low"][0], table["high"][19]) == (ordered[0], ordered[-1])
    assert (table["low"].to_numpy()[1:] < table["high"].to_numpy()[:-1]).all()
    assert (table["low"].to_numpy()[2:] > table["high"].to_numpy()[:-2]).all()


def test_a_slope_is_scipy_s(truth: np.ndarray, generator: np.random.Generator) -> None:
    prediction = truth**2 + noise(generator)
    table = plateau.windows(truth, prediction, np.arange(LENSES))
    inside = (truth >= table["low"][4]) & (truth <= table["high"][4])
    expected = np.mean([stats.linregress(truth[inside], one[inside]).slope for one in prediction])
    assert table["slope"][4] == pytest.approx(expected, rel=1e-10)


def test_false_words_are_as_rare_as_stated(generator: np.random.Generator) -> None:
    """Sixty networks that answer noise: a rising window, or no plateau for want of one, in at most 5 %."""
    rising = 0
    for _ in range(60):
        truth = generator.uniform(LOW, HIGH, 600)
        table = plateau.windows(truth, noise(generator, 600), np.arange(600), count=8)
        rising += "rising" in set(table["word"])
    assert rising <= stats.binom.ppf(0.999, 60, 0.05)


def test_a_slope_worth_having_is_no_plateau(generator: np.random.Generator) -> None:
    """Sixty networks with the least slope worth having, hard to see in a window: a plateau in at most 5 %."""
    false = 0
    for _ in range(60):
        truth = generator.uniform(LOW, HIGH, 600)
        false += bool(plateau.plateaus(truth, plateau.LEAST * truth + noise(generator, 600), np.arange(600), count=8))
    assert false <= stats.binom.ppf(0.999, 60, 0.05)


def test_a_detectable_slope_is_detected(generator: np.random.Generator) -> None:
    """Planted in one window at the size it names, it is called rising about four times in five."""
    seen = []
    for _ in range(200):
        truth = generator.uniform(LOW, HIGH, 200)
        own = 0.3 * generator.normal(size=(1, 200))
        flat = plateau.windows(truth, own, np.arange(200), count=1)
        planted = float(flat["detectable"][0])
        fresh = 0.3 * generator.normal(size=(1, 200))
        seen.append(plateau.windows(truth, planted * truth + fresh, np.arange(200), count=1)["word"][0] == "rising")
    assert stats.binom.ppf(0.001, 200, 0.8) <= sum(seen) <= stats.binom.ppf(0.999, 200, 0.8)


def test_a_shared_halo_counts_once(truth: np.ndarray, generator: np.random.Generator) -> None:
    """A slope from twelve halos copied over and over is not known better than from twelve."""
    halos = generator.integers(0, 12, LENSES)
    errors = np.tile(0.5 * generator.normal(size=12)[halos], (SEEDS, 1))
    rows = generator.uniform(LOW, HIGH, 12)[halos]
    spread = rows + 1e-3 * generator.normal(size=LENSES)
    apart = plateau.windows(spread, errors, np.arange(LENSES), count=1)
    together = plateau.windows(spread, errors, halos, count=1)
    assert together["detectable"][0] > 5 * apart["detectable"][0]


def test_too_few_lenses_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^truth: 41 lenses; 20 windows take 42 or more"):
        plateau.windows(np.arange(41.0), np.zeros((1, 41)), np.arange(41))


def test_equal_truths_have_no_slope() -> None:
    table = plateau.windows(np.full(50, -23.0), np.arange(50.0)[None], np.arange(50))
    assert set(table["word"]) == {"undecided"}
    assert (table["detectable"] == np.inf).all()
