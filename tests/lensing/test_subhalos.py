"""Subhalos: their masses, numbers and places are those of the distributions they are drawn from."""

import numpy as np
import pytest
from scipy import stats

from pipeline.lensing import subhalos
from pipeline.lensing.subhalos import MassFunction

UNIT = np.random.default_rng(1).random((20_000, 2))


def power_law(mass: np.ndarray, function: MassFunction) -> np.ndarray:
    """The distribution function of dN / dm ~ m^slope, by its own integral."""
    n = function.slope + 1
    if n == 0:
        return np.log(mass / function.least) / np.log(function.most / function.least)
    return (mass**n - function.least**n) / (function.most**n - function.least**n)


@pytest.mark.parametrize("slope", [-0.9, -1.0, -1.9, -2.0, -2.7])
def test_masses_follow_the_mass_function(slope: float) -> None:
    """By Kolmogorov and Smirnov; slopes of -1 and -2 are no special case that fails."""
    function = MassFunction(slope, 1e6, 1e10)
    mass = function.draw(UNIT[:, 0])
    assert stats.kstest(mass, lambda m: power_law(m, function)).pvalue > 0.01
    expected = 5 * mass.std() / len(mass) ** 0.5
    assert function.mean_mass() == pytest.approx(mass.mean(), abs=expected)


@pytest.mark.parametrize(
    "function", [MassFunction(-1.9, 1e6, 1e10, half_mode_mass=1e8), MassFunction(-1.9, 1e6, 1e10, axion_mass=1e-21)]
)
def test_what_keeps_small_halos_from_forming_is_drawn_from(function: MassFunction) -> None:
    """Cold masses of which each is kept with the suppression's probability: the same distribution, and as many."""
    cold = MassFunction(-1.9, 1e6, 1e10).draw(np.random.default_rng(2).random(200_000))
    kept = cold[np.random.default_rng(3).random(len(cold)) < function.suppression(cold)]
    assert stats.ks_2samp(function.draw(UNIT[:, 0]), kept).pvalue > 0.01
    error = 5 * (function.survivors() / len(cold)) ** 0.5
    assert len(kept) / len(cold) == pytest.approx(function.survivors(), abs=error)
    assert function.mean_survivor() == pytest.approx(kept.mean(), abs=5 * kept.std() / len(kept) ** 0.5)


def test_at_the_half_mode_mass_half_is_left_and_far_above_it_all() -> None:
    """Lovell 2020: (1 + 4.2^2.5)^-0.2 = 0.485 at the half-mode mass."""
    function = MassFunction(-1.9, 1e6, 1e10, half_mode_mass=1e8)
    assert function.suppression(np.array([1e8]))[0] == pytest.approx(0.4853, abs=1e-4)
    assert function.suppression(np.array([1e13]))[0] == pytest.approx(1, abs=1e-6)


def test_a_fraction_of_the_mass_is_in_subhalos() -> None:
    function = MassFunction(-1.9, 1e8, 1e10)
    number = subhalos.expected_number(function, 0.01, 1e12)
    assert number * function.mean_mass() == pytest.approx(1e10)


def test_places_are_uniform_in_the_area_of_the_disc() -> None:
    x, y = subhalos.in_disc(UNIT, 2.4)
    assert stats.kstest(np.hypot(x, y), lambda r: (r / 2.4) ** 2).pvalue > 0.01
    assert stats.kstest(np.arctan2(y, x), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


def test_places_follow_a_host_with_a_core() -> None:
    x, y = subhalos.like_host(UNIT, 2.4, 1.2)
    mass = lambda r: r - 1.2 * np.log1p(r / 1.2)  # noqa: E731
    assert stats.kstest(np.hypot(x, y), lambda r: mass(r) / mass(2.4)).pvalue > 0.01


def test_concentrations_are_duffys() -> None:
    """Table 1 of Duffy et al. 2008 at the pivot mass, 2e12 / h solar masses, and ten times less."""
    found = subhalos.concentration(np.array([2e12 / 0.7, 2e11 / 0.7]), 0.0)
    np.testing.assert_allclose(found, [5.71, 5.71 * 10**0.084])
