"""Stage `ingest`: any supported source into one store of images.

    python -m pipeline.ingest data/images.zarr data/quarantine.csv

A row of the source that cannot be used goes to the quarantine table with its file and the reason; the others become
the rows of the store, in the order of the source. Beside images, targets, ids and groups the store holds the sky rms
of each image (estimated where the source does not know it, and marked so), its peak, and what is known of how it was
taken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from pipeline import atomic, fingerprint, params, sky, store
from pipeline.command import run
from pipeline.errors import InputError, Refused
from pipeline.places import place
from pipeline.sources import OBSERVED, Lenses, Source, classes
from pipeline.store import Array

Reasons = dict[int, tuple[str, str]]


def ingest(target: str, quarantine: str, overrides: Iterable[str] = ()) -> None:
    """Read the source that params.yaml names, write its rows to the store `target` and the others to `quarantine`."""
    chosen, simulation, how = params.read(overrides, "ingest", "simulation", "engine")
    source = open_source(chosen, simulation)
    arrays = _arrays(source)
    made_of = fingerprint.digest(source.fingerprint, params.plain(chosen), params.plain(simulation), fingerprint.code())
    refused: Reasons = {}
    while True:
        rows = np.setdiff1d(np.arange(source.rows), list(refused))
        try:
            store.write(
                target,
                len(rows),
                arrays,
                _Rows(source, rows, chosen.noise),
                key=partial(_key, made_of, rows),
                how=how,
                check=partial(_check_classes, chosen.targets),
                **_manifest(source, len(refused)),
            )
            break
        except Refused as error:  # once, mostly: every span has been tried, and those without refusals are kept
            refused |= error.reasons
            _check_quarantine(refused, source.rows, chosen.max_quarantined, target, quarantine)
    atomic.write(quarantine, _table(refused))
    bands, height, width = source.shape
    print(
        f"ingest: {len(rows)} images of {bands} x {height} x {width} from {chosen.source}, {len(refused)} in quarantine"
    )


def _check_classes(targets: classes.Targets, columns: Mapping[str, np.ndarray]) -> None:
    """Every class is known only when all rows are read."""
    classes.check(targets, columns["kind"])


def _key(made_of: str, rows: Int[np.ndarray, " n"], start: int, stop: int) -> str:
    """What decides rows [start, stop) of the store."""
    return fingerprint.digest(made_of, rows[start:stop])


def open_source(chosen: params.Ingest, simulation: params.Simulation) -> Source:
    """The source that params name; its module is imported only now."""
    module = import_module(f"pipeline.sources.{chosen.source}")
    if chosen.source == "simulation":
        return classes.with_classes(module.open_source(simulation, chosen.path), chosen.targets)
    columns = {name: how for name, how in chosen.targets.items() if how.column}
    path = chosen.path if "://" in chosen.path else str(Path(chosen.path).absolute())  # wherever a worker runs
    own = chosen.model_copy(update={"path": path, "targets": columns})
    return classes.with_classes(module.open_source(own), chosen.targets)


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of every array of the store, from those rows of the source that can be used."""

    source: Source
    usable: Int[np.ndarray, " n"]
    noise: str

    def __call__(self, start: int, stop: int) -> dict[str, Any]:
        lenses = self.source.read(self.usable[start:stop])
        return _columns(self.source, lenses, self.noise)


def _columns(source: Source, lenses: Lenses, noise: str) -> dict[str, Any]:
    known = np.isfinite(lenses.noise)
    estimated = lenses.noise if known.all() else sky.ESTIMATORS[noise](lenses.images, lenses.mask)
    unknown = np.full(len(lenses.id), np.nan)
    columns = {
        "images": lenses.images,
        "targets": np.stack([lenses.targets[name] for name in source.target_units], axis=1),
        "id": lenses.id,
        "kind": np.full(len(lenses.id), "") if lenses.kind is None else lenses.kind,
        "group": lenses.group,
        "noise": np.where(known, lenses.noise, estimated).astype(np.float32),
        "noise_known": known,
        "peak": lenses.images.max(axis=(1, 2, 3)),
        "observed": np.stack([lenses.observed.get(name, unknown) for name in OBSERVED], axis=1),
    }
    if source.masked:
        columns["mask"] = lenses.mask
    if source.identities:
        columns["identities"] = lenses.identities
    return columns


def _arrays(source: Source) -> list[Array]:
    pixels, letters = source.shape, ("b", "h", "w")
    arrays = [
        Array("images", "float32", pixels, letters, source.units, "image of the source"),
        Array("targets", "float64", (len(source.target_units),), ("t",), "", "targets; NaN is unknown"),
        Array("id", "str", long_name="name of the row in its source"),
        Array("kind", "str", long_name="class of the lens; empty is unknown"),
        Array("group", "int64", long_name="rows that must not be parted"),
        Array("noise", "float32", (), (), source.units, "sky rms per pixel"),
        Array("noise_known", "bool", long_name="the source knew the sky rms; otherwise it was estimated here"),
        Array("peak", "float32", (), (), source.units, "brightest pixel"),
        Array("observed", "float64", (len(OBSERVED),), ("o",), "", "how the image was taken; NaN is unknown"),
    ]
    if source.masked:
        arrays.append(Array("mask", "bool", pixels, letters, "", "not measured: the value was filled in"))
    if source.identities:
        identities = len(source.identities)
        arrays.append(Array("identities", "str", (identities,), ("i",), "", "names of halo, source galaxy or parent"))
    return arrays


def _manifest(source: Source, quarantined: int) -> dict[str, Any]:
    return {
        "target_names": list(source.target_units),
        "target_units": dict(source.target_units),
        "pixel_scale": source.pixel_scale,
        "psf_fwhm": source.psf_fwhm,
        "units": source.units,
        "identities": list(source.identities),
        "observed": list(OBSERVED),
        "quarantined": quarantined,
        "provenance": source.provenance,
    }


def _check_quarantine(refused: Reasons, rows: int, allowed: float, target: str, quarantine: str) -> None:
    """Go on without the refused rows, or give up and say why; the table of them is written either way."""
    if len(refused) <= allowed * rows and len(refused) < rows:
        return
    atomic.write(quarantine, _table(refused))
    store.discard(target)
    first, reason = refused[min(refused)]
    raise InputError(
        f"{first}: {reason}. {len(refused)} of {rows} images cannot be used, more than ingest.max_quarantined "
        f"({allowed:g}) allows; all are listed in {place(quarantine)}"
    )


def _table(refused: Reasons) -> str:
    lines = [(row, *refused[row]) for row in sorted(refused)]
    return pd.DataFrame(lines, columns=["row", "file", "reason"]).to_csv(index=False)


if __name__ == "__main__":
    run(ingest, "STORE QUARANTINE")
