"""Units of targets: declared once, held against the names, and carried to the last table."""

import re

from astropy import units

from pipeline.errors import InputError
from pipeline.params import TargetSource

LOGARITHMIC = re.compile(r"(?:dex|log10)(?:\((.*)\))?")  # dex, dex(eV), log10(eV)
SUFFIXES = {  # the ends of names that say a unit
    "ev": "eV",
    "kev": "keV",
    "gev": "GeV",
    "msun": "solMass",
    "kg": "kg",
    "arcsec": "arcsec",
    "arcmin": "arcmin",
    "deg": "deg",
    "rad": "rad",
    "kpc": "kpc",
    "mpc": "Mpc",
    "percent": "percent",
}


def unit_of(how: TargetSource) -> str:
    """The unit of a target after its transform: of log10 of something in eV, dex(eV)."""
    if how.transform == "none":
        return how.unit
    return f"dex({how.unit})" if how.unit else "dex"


def check(name: str, how: TargetSource) -> None:
    """Raise `InputError` if a target's unit is none, or says something else than its name or its column's."""
    logarithmic = LOGARITHMIC.fullmatch(how.unit)
    linear = logarithmic[1] or "" if logarithmic else how.unit
    unit = _parsed(name, linear)
    if logarithmic and how.transform == "log10":
        raise InputError(f"ingest.targets.{name}.unit: {how.unit} is logarithmic already; transform must be none")
    is_log = bool(logarithmic) or how.transform == "log10"
    if name.startswith("log10_") and not is_log:
        raise InputError(
            f"ingest.targets.{name}.unit: {how.unit or 'no unit'} contradicts the name; transform: log10 takes the "
            "logarithm, and a column that is one already has a unit like dex(eV)"
        )
    if is_log and not name.startswith("log10_"):
        raise InputError(f"ingest.targets.{name}: a logarithm is named so: call it log10_{name}")
    for word in (name, how.column):
        says = SUFFIXES.get(word.lower().rpartition("_")[2]) if "_" in word else None
        if says and unit is not None and unit != units.Unit(says):
            raise InputError(f"ingest.targets.{name}.unit: {how.unit} contradicts the name {word!r}, which says {says}")


def _parsed(name: str, text: str) -> units.UnitBase | None:
    if not text:
        return None
    try:
        return units.Unit("solMass" if text == "Msun" else text)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"ingest.targets.{name}.unit: {text!r} is no unit that astropy knows; write for instance eV, solMass, "
            "arcsec or kpc, or nothing"
        ) from error
