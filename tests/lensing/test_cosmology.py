"""Cosmology against astropy, and against the mistake that the published labels were made with."""

import numpy as np
import pytest
import torch
from astropy import constants, units
from astropy.cosmology import FlatLambdaCDM

from pipeline.lensing.cosmology import Cosmology

PAIRS = [(0.1, 0.3), (0.5, 1.0), (0.5, 2.5), (0.9, 1.0), (2.0, 6.0)]
OURS = [Cosmology(), Cosmology(67.4, 0.315)]


def z(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize(("lens", "source"), PAIRS)
def test_distances_are_astropys(ours: Cosmology, lens: float, source: float) -> None:
    theirs = FlatLambdaCDM(H0=ours.hubble, Om0=ours.matter, Tcmb0=0)
    assert float(ours.distance(z(lens))) == pytest.approx(
        theirs.angular_diameter_distance(lens).to_value("kpc"), rel=1e-9
    )
    between = theirs.angular_diameter_distance(lens, source).to_value("kpc")
    assert float(ours.distance_between(z(lens), z(source))) == pytest.approx(between, rel=1e-9)
    density = theirs.critical_density(lens).to_value("solMass / kpc3")
    assert float(ours.mass_density(z(lens))) == pytest.approx(density, rel=1e-6)


@pytest.mark.parametrize(("lens", "source"), PAIRS)
def test_einstein_radii_are_astropys(lens: float, source: float) -> None:
    ours, theirs, mass = Cosmology(), FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0), 1e12
    one, both = theirs.angular_diameter_distance(lens), theirs.angular_diameter_distance(source)
    between = theirs.angular_diameter_distance(lens, source)
    square = 4 * constants.G * mass * units.solMass / constants.c**2 * between / (one * both)
    radius = (square**0.5).to_value(units.dimensionless_unscaled) * units.rad.to("arcsec")
    found = ours.einstein_radius(z(mass), z(lens), z(source))
    assert float(found) == pytest.approx(radius, rel=1e-6)
    assert float(ours.mass_within(found, z(lens), z(source))) == pytest.approx(mass, rel=1e-12)


def test_the_labels_of_deeplense_were_made_with_other_distances() -> None:
    """Luminosity distances, and D_ls as a difference, give 1.2815 arcsec for 1e12 solar masses; right is 1.6645."""
    ours, mass = Cosmology(), z(1e12)
    assert float(ours.einstein_radius(mass, z(0.5), z(1.0))) == pytest.approx(1.6645, abs=2e-4)
    near, far = (ours.distance(z(at)) * (1 + at) ** 2 for at in (0.5, 1.0))
    theirs = (4 * 4.30091727e-6 * mass / 299792.458**2 * (far - near) / (near * far)) ** 0.5 / np.pi * 180 * 3600
    assert float(theirs) == pytest.approx(1.2815, abs=2e-4)


def test_an_isothermal_sphere_of_250_km_per_s() -> None:
    assert float(Cosmology().isothermal_radius(z(250.0), z(0.5), z(1.0))) == pytest.approx(0.772, abs=1e-3)


def test_the_virial_mass_is_200_times_the_mean_density() -> None:
    ours, mass = Cosmology(), z(1e13)
    radius = ours.virial_radius(mass, z(0.5))
    assert float(mass / (4 / 3 * np.pi * radius**3)) == pytest.approx(200 * float(ours.mass_density(z(0.5))), rel=1e-12)
    assert float(2 * ours.virial_dispersion(mass, z(0.5)) ** 2 * radius / 4.30091727003628e-6) == pytest.approx(1e13)


def test_it_is_differentiable_in_redshifts_and_in_the_cosmology() -> None:
    def radius(numbers: torch.Tensor) -> torch.Tensor:
        lens, source, hubble, matter = numbers
        return Cosmology(hubble, matter).einstein_radius(z(1e12), lens, source)

    assert torch.autograd.gradcheck(
        radius, torch.tensor([0.5, 1.5, 70.0, 0.3], dtype=torch.float64, requires_grad=True)
    )
