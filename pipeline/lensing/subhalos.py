"""Subhalos: how many, how heavy, where, and how each bends light.

Masses are in solar masses, positions in arcsec. The expected mass in subhalos, in place of the smooth halo, is a
fraction of the halo's mass in a disc about its centre; of an isothermal halo the mean convergence inside the Einstein
radius is one, half of it at the radius itself, so that subhalos of fraction f have convergence f / 2 there.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import cumulative_trapezoid

PIVOT_WDM = (4.2, 2.5, -0.2)  # alpha, beta, gamma of Lovell 2020, MNRAS 493, L11, eq. 4 (subhalos)
PIVOT_FDM = (1.1, -2.2)  # Schive et al. 2016, ApJ 818, 89, eq. 7
FDM_MASS = 1.6e10  # solar masses at 1e-22 eV, eq. 6; goes with mass^(-4/3)
FINE = 2048  # masses, in equal steps of the logarithm, at which the mass function is tabulated


@dataclass(frozen=True)
class MassFunction:
    """dN / dm proportional to m^slope between two masses, times what keeps small halos from forming."""

    slope: float
    least: float
    most: float
    half_mode_mass: float = 0.0  # of warm dark matter, solar masses; 0: cold
    axion_mass: float = math.inf  # of fuzzy dark matter, eV; infinite: cold

    def suppression(self, mass: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Number of subhalos over that of cold dark matter."""
        alpha, beta, gamma = PIVOT_WDM
        warm = (1 + (alpha * self.half_mode_mass / mass) ** beta) ** gamma
        characteristic = FDM_MASS * (self.axion_mass / 1e-22) ** (-4 / 3)
        exponent, gamma = PIVOT_FDM
        return warm * (1 + (characteristic / mass) ** exponent) ** gamma

    def mean_mass(self) -> float:
        """Mean of a cold subhalo's mass, in closed form; slopes of -1 and -2 are the logarithm's."""
        return self._moment(1) / self._moment(0)

    def survivors(self) -> float:
        """Fraction of the cold number that is left."""
        mass, density = self._table()
        return float(np.trapezoid(density * self.suppression(mass), mass) / np.trapezoid(density, mass))

    def mean_survivor(self) -> float:
        """Mean mass of those that are left."""
        mass, density = self._table()
        left = density * self.suppression(mass)
        return float(np.trapezoid(left * mass, mass) / np.trapezoid(left, mass))

    def draw(self, unit: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Masses from numbers uniform in [0, 1)."""
        if self.half_mode_mass == 0 and math.isinf(self.axion_mass):
            n = self.slope + 1
            if abs(n) < 1e-9:
                return self.least * (self.most / self.least) ** unit
            low, high = self.least**n, self.most**n
            return (low + (high - low) * unit) ** (1 / n)
        mass, density = self._table()
        below = cumulative_trapezoid(density * self.suppression(mass) * mass, np.log(mass), initial=0)
        return np.exp(np.interp(unit * below[-1], below, np.log(mass)))

    def _moment(self, order: int) -> float:
        n = self.slope + 1 + order
        return math.log(self.most / self.least) if abs(n) < 1e-9 else (self.most**n - self.least**n) / n

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        mass = np.geomspace(self.least, self.most, FINE)
        return mass, (mass / self.least) ** self.slope


def expected_number(function: MassFunction, fraction: float, disc_mass: float) -> float:
    """Mean number in a disc whose smooth mass is `disc_mass`: cold subhalos would hold `fraction` of it."""
    return fraction * disc_mass / function.mean_mass() * function.survivors()


def in_disc(unit: Float[np.ndarray, "k 2"], radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions uniform in the area of a disc."""
    r, phi = radius * np.sqrt(unit[:, 0]), 2 * math.pi * unit[:, 1]
    return r * np.cos(phi), r * np.sin(phi)


def uniform_in_radius(unit: Float[np.ndarray, "k 2"], least: float, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions uniform in radius, as crowded about the centre as DeepLense's."""
    r, phi = least + (most - least) * unit[:, 0], 2 * math.pi * unit[:, 1]
    return r * np.cos(phi), r * np.sin(phi)


def like_host(unit: Float[np.ndarray, "k 2"], radius: float, core: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions that follow a host of surface density 1 / (r + core), out to `radius`."""
    low, high = 0.0, radius - core * math.log1p(radius / core)  # of r - core ln(1 + r / core), the mass inside r
    at = np.linspace(0, radius, FINE)
    r = np.interp(low + (high - low) * unit[:, 0], at - core * np.log1p(at / core), at)
    phi = 2 * math.pi * unit[:, 1]
    return r * np.cos(phi), r * np.sin(phi)


def concentration(mass: Float[np.ndarray, " k"], z: float) -> Float[np.ndarray, " k"]:
    """Mean concentration r_200 / r_s of an NFW halo: Duffy et al. 2008, MNRAS 390, L64, table 1 (full sample, 200)."""
    return 5.71 * (mass / (2e12 / 0.7)) ** -0.084 * (1 + z) ** -0.47
