"""Cosmology: distances in a flat universe of matter and a cosmological constant, and what masses bend.

Every function broadcasts over tensors and is differentiable in the redshifts, in H0 and in Omega_m. Angles are in
arcsec, lengths in kpc, masses in solar masses. Radiation is left out, as in astropy's FlatLambdaCDM with Tcmb0 = 0.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

LIGHT = 299792.458  # speed of light, km / s
GRAVITY = 4.30091727003628e-6  # constant of gravity, kpc (km / s)^2 / solar mass (astropy 8's G and M_sun)
ARCSEC = math.pi / 180 / 3600  # rad
NODES, WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(32))  # exact to 1e-14 below z = 10

Redshift = Float[Tensor, "..."]


@dataclass(frozen=True)
class Cosmology:
    """Flat LCDM."""

    hubble: float | Tensor = 70.0  # km / s / Mpc
    matter: float | Tensor = 0.3  # Omega_m

    def expansion(self, z: Redshift) -> Redshift:
        """H(z) / H0."""
        return (self.matter * (1 + z) ** 3 + 1 - self.matter) ** 0.5

    def comoving(self, z: Redshift) -> Redshift:
        """Comoving distance [kpc], by Gauss-Legendre quadrature."""
        nodes, weights = NODES.to(z), WEIGHTS.to(z)
        at = z[..., None] * (nodes + 1) / 2
        return 1000 * LIGHT / self.hubble * z / 2 * (weights / self.expansion(at)).sum(-1)

    def distance(self, z: Redshift) -> Redshift:
        """Angular diameter distance [kpc]."""
        return self.comoving(z) / (1 + z)

    def distance_between(self, lens: Redshift, source: Redshift) -> Redshift:
        """Angular diameter distance [kpc] from one redshift to a higher one: not the difference of their distances."""
        return (self.comoving(source) - self.comoving(lens)) / (1 + source)

    def critical_density(self, lens: Redshift, source: Redshift) -> Redshift:
        """Surface density that bends light to a focus, solar masses / kpc^2: c^2 D_s / (4 pi G D_l D_ls)."""
        ratio = self.distance(source) / (self.distance(lens) * self.distance_between(lens, source))
        return LIGHT**2 / (4 * math.pi * GRAVITY) * ratio

    def mass_density(self, z: Redshift) -> Redshift:
        """Critical density of the universe at a redshift, solar masses / kpc^3: 3 H^2 / (8 pi G)."""
        return 3 * (self.hubble / 1000 * self.expansion(z)) ** 2 / (8 * math.pi * GRAVITY)

    def arcsec(self, z: Redshift) -> Redshift:
        """Length [kpc] that an arcsec covers."""
        return self.distance(z) * ARCSEC

    def critical_mass(self, lens: Redshift, source: Redshift) -> Redshift:
        """Mass of a square arcsec of critical density [solar masses]."""
        return self.critical_density(lens, source) * self.arcsec(lens) ** 2

    def einstein_radius(self, mass: Float[Tensor, "..."], lens: Redshift, source: Redshift) -> Float[Tensor, "..."]:
        """Einstein radius [arcsec] of a point of that mass, or of any round mass inside it:
        theta_E^2 = 4 G M D_ls / (c^2 D_l D_s)."""
        return (mass / (math.pi * self.critical_mass(lens, source))) ** 0.5

    def mass_within(self, radius: Float[Tensor, "..."], lens: Redshift, source: Redshift) -> Float[Tensor, "..."]:
        """Mass [solar masses] inside an Einstein radius [arcsec]; no profile is assumed."""
        return math.pi * radius**2 * self.critical_mass(lens, source)

    def isothermal_radius(self, dispersion: Float[Tensor, "..."], lens: Redshift, source: Redshift) -> Redshift:
        """Einstein radius [arcsec] of a singular isothermal sphere of that velocity dispersion [km / s]."""
        ratio = self.distance_between(lens, source) / self.distance(source)
        return 4 * math.pi * (dispersion / LIGHT) ** 2 * ratio / ARCSEC

    def virial_dispersion(self, mass: Float[Tensor, "..."], z: Redshift) -> Float[Tensor, "..."]:
        """Velocity dispersion [km / s] of the isothermal sphere that has mean density 200 times critical within the
        radius that holds `mass` [solar masses]: sigma^2 = G M_200 / (2 r_200)."""
        return (GRAVITY * mass / (2 * self.virial_radius(mass, z))) ** 0.5

    def virial_radius(self, mass: Float[Tensor, "..."], z: Redshift) -> Float[Tensor, "..."]:
        """r_200 [kpc]."""
        return (3 * mass / (800 * math.pi * self.mass_density(z))) ** (1 / 3)


STANDARD = Cosmology()
