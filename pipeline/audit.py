"""Stage `audit`: what is wrong with the images and labels, before anything is learnt from them.

    python -m pipeline.audit data/images.zarr data/lenses.parquet data/audit.json data/audit

It writes what it found and succeeds, whatever it found; `split` is what refuses. Into the folder go the data card
(`card.md`, `croissant.json`), the pairs of rows that show one lens (`pairs.csv`, which split keeps together), the
findings as a table, and figures. `pipeline/checks` says what is looked for, `pipeline/findings.py` how grave it is;
flux and ring radius are those that `describe` measured.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from pipeline import atomic, card, checks, findings, lenses, params
from pipeline.checks import duplicates, photons, shortcuts
from pipeline.checks.measured import Measured
from pipeline.command import run
from pipeline.findings import Finding
from pipeline.places import place
from pipeline.store import Store

PAIRS = ["row_a", "row_b", "similarity", "symmetry"]  # the columns of pairs.csv
DIGITS = 4  # of the numbers written: more would change with the number of threads


def audit(source: str, described: str, metrics: str, folder: str, overrides: Iterable[str] = ()) -> None:
    """Look for faults in the store `source`, whose table of lenses is `described`.

    They are written to the JSON file `metrics`, and all about them to `folder`.
    """
    params.read(overrides)
    store = Store(source)
    seen = checks.measure(store, lenses.read(described, store.rows))
    found, pairs, skills = look(seen)
    statistics = _rounded(_statistics(seen, pairs, skills))
    _write(seen, found, statistics, pairs, skills, folder)
    told = {"rows": seen.rows, "findings": findings.plain(found), "statistics": statistics}
    atomic.write(metrics, json.dumps(told, indent=1, allow_nan=False) + "\n")
    _say(seen, found)


def look(seen: Measured) -> tuple[list[Finding], pd.DataFrame, list[shortcuts.Skill]]:
    """What was found, the gravest first; the pairs of rows that show one lens; what shortcuts tell of the labels."""
    pairs = duplicates.pairs(seen)
    skills = shortcuts.skills(seen)
    found = [one for check in checks.CHECKS for one in check(seen)]
    found += [*duplicates.check(seen, pairs), *shortcuts.check(skills)]
    return _rounded_all(findings.in_order(found)), pairs, skills


def _write(
    seen: Measured,
    found: list[Finding],
    statistics: dict[str, Any],
    pairs: pd.DataFrame,
    skills: list[shortcuts.Skill],
    folder: str,
) -> None:
    from pipeline.checks.figures import figures  # matplotlib is slow to import

    where = place(folder)
    table = pd.DataFrame(findings.plain(found), columns=["code", "severity", "summary", "remedy"])
    atomic.write(where / "card.md", card.markdown(seen.store, found, statistics))
    atomic.write(where / "croissant.json", card.croissant(seen.store, where, found))
    atomic.write(where / "pairs.csv", pairs[PAIRS].to_csv(index=False, float_format="%.6f"))
    atomic.write(where / "findings.csv", table.to_csv(index=False))
    for name, drawing in figures(seen, found, skills).items():
        atomic.write(where / "figures" / f"{name}.png", drawing)


def _statistics(seen: Measured, pairs: pd.DataFrame, skills: list[shortcuts.Skill]) -> dict[str, Any]:
    """Numbers that a new version of the set would change."""
    _, bands, height, width = seen.store.shape("images")
    noisy = ~seen["noise_free"] & (seen["rms"] > 0)
    slope = photons.slope(seen)
    numbers: dict[str, Any] = {
        "images": seen.rows,
        "bands": bands,
        "height": height,
        "width": width,
        "sky_rms_median": _median(seen["rms"]),
        "sky_level_over_rms_median": _median((seen["level"] / seen["rms"].clip(np.finfo(float).tiny))[noisy]),
        "sky_skewness_median": _median(seen["skewness"]),
        "peak_over_rms_median": _median(
            ((seen["top"] - seen["level"]) / seen["rms"].clip(np.finfo(float).tiny))[noisy]
        ),
        "flux_median": _median(seen["flux"]),
        **_rings(seen),
        "exact_zeros_fraction": float(seen["zeros"].mean()),
        "noise_free_fraction": float(seen["noise_free"].mean()),
        "variance_per_mean": slope.value,
        "grey_levels_median": _median(seen["levels"]),
        "exact_pairs": int(pairs["exact"].sum()),
        "near_pairs": int((~pairs["exact"].astype(bool)).sum()),
    }
    for name in seen.store.attributes.get("target_names", []) if "targets" in seen else []:
        values = seen.target(name)
        known = values[np.isfinite(values)]
        numbers |= {f"{name}_known": len(known)}
        if len(known):
            ends = {"min": known.min(), "median": np.median(known), "max": known.max()}
            numbers |= {f"{name}_{end}": float(value) for end, value in ends.items()}
    return numbers | {f"{skill.label}_from_{skill.source}": skill.value for skill in skills}


def _rings(seen: Measured) -> dict[str, float]:
    """In how many images a ring was found, and how large they are, in each unit that there is."""
    radius, unit = seen["ring_radius"], seen["ring_unit"]
    known = np.isfinite(radius)
    medians = {f"ring_radius_median_{name}": _median(radius[known & (unit == name)]) for name in np.unique(unit[known])}
    return {"ring_found_fraction": float(known.mean()), **medians}


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _rounded_all(found: list[Finding]) -> list[Finding]:
    return [Finding(one.code, one.severity, one.summary, _rounded(one.evidence), one.remedy) for one in found]


def _rounded(value: Any) -> Any:
    """Plain JSON: numbers to a few digits, None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _say(seen: Measured, found: list[Finding]) -> None:
    counts = ", ".join(f"{sum(one.severity == kind for one in found)} {kind}s" for kind in findings.SEVERITIES)
    print(f"audit: {seen.rows} images, {counts}")
    for one in found:
        print(f"  {one.severity} {one.code}: {one.summary}")


if __name__ == "__main__":
    run(audit, "STORE LENSES METRICS FOLDER")
