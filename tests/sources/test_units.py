"""A unit is declared once and must agree with the name of its target and of its column."""

import pytest

from pipeline.errors import InputError
from pipeline.params import TargetSource
from pipeline.sources.units import check, unit_of


@pytest.mark.parametrize(
    ("name", "how", "unit"),
    [
        ("log10_axion_mass", {"column": "mass", "unit": "eV", "transform": "log10"}, "dex(eV)"),
        ("log10_axion_mass", {"column": "lg_m", "unit": "dex(eV)"}, "dex(eV)"),
        ("log10_axion_mass", {"column": "lg_m", "unit": "log10(eV)"}, "log10(eV)"),
        ("log10_fraction", {"column": "f", "transform": "log10"}, "dex"),
        ("log10_fraction", {"column": "f", "unit": "dex"}, "dex"),
        ("einstein_radius", {"column": "theta_arcsec", "unit": "arcsec"}, "arcsec"),
        ("radius_kpc", {"column": "r", "unit": "kpc"}, "kpc"),
        ("halo_mass", {"column": "m_msun", "unit": "Msun"}, "Msun"),
        ("halo_mass", {"column": "m_msun", "unit": "solMass"}, "solMass"),
        ("substructure_fraction", {"column": "f"}, ""),
        ("the_end", {"column": "t", "unit": "s"}, "s"),
    ],
)
def test_a_unit_that_agrees_is_carried_through_the_transform(name: str, how: dict[str, str], unit: str) -> None:
    check(name, TargetSource(**how))
    assert unit_of(TargetSource(**how)) == unit


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("log10_mass", {"column": "m", "unit": "eV"}, r"log10_mass\.unit: eV contradicts the name; transform: log10"),
        ("log10_mass", {"column": "m"}, r"log10_mass\.unit: no unit contradicts the name"),
        ("mass", {"column": "m", "unit": "eV", "transform": "log10"}, r"mass: a logarithm .* call it log10_mass"),
        ("mass", {"column": "m", "unit": "dex(eV)"}, r"mass: a logarithm .* call it log10_mass"),
        ("log10_m", {"column": "m", "unit": "dex(eV)", "transform": "log10"}, r"is logarithmic already; transform"),
        ("radius_kpc", {"column": "r", "unit": "arcsec"}, r"arcsec contradicts the name 'radius_kpc', which says kpc"),
        ("radius", {"column": "r_arcsec", "unit": "kpc"}, r"kpc contradicts the name 'r_arcsec', which says arcsec"),
        ("log10_m", {"column": "m_msun", "unit": "dex(eV)"}, r"contradicts the name 'm_msun', which says solMass"),
        ("mass", {"column": "m", "unit": "solarmasses"}, r"mass\.unit: 'solarmasses' is no unit that astropy knows"),
    ],
)
def test_a_unit_that_contradicts_is_refused_with_both_sides(name: str, how: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check(name, TargetSource(**how))
    assert str(caught.value).startswith(f"ingest.targets.{name}")
