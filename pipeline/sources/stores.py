"""A store of ours as a source: every row with all that is known of it."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.errors import InputError
from pipeline.fingerprint import digest
from pipeline.params import Ingest, TargetSource
from pipeline.sources import Source
from pipeline.sources.cubes import BLOCK_BYTES, grouped
from pipeline.sources.frame import Frame
from pipeline.sources.labels import Labels, join
from pipeline.sources.rows import open_rows
from pipeline.sources.units import unit_of
from pipeline.store import Store

GROUP = "group"
COLUMNS = ("targets", "kind", "noise", "noise_known", "observed")


def open_store(ingest: Ingest, folder: Path) -> Source:
    """The rows of a store. Its groups hold; where params name identities too, rows that share either are a group."""
    store = Store(folder)
    said = store.attributes
    ids = store.read("id").tolist()
    labels = join(ingest, ids) if ingest.labels else None
    names, identities = _identities(ingest, store, labels)
    known = {
        "pixel_scale": said["pixel_scale"] or ingest.pixel_scale,
        "psf_fwhm": said["psf_fwhm"] or ingest.psf_fwhm,
        "identities": names,
        "targets": ingest.targets if ingest.labels else _targets(ingest, folder, said),
    }
    rows = Rows(
        str(folder),
        units=said["units"],
        version=digest(said),
        many=max(1, BLOCK_BYTES // (4 * math.prod(store.shape("images")[1:]))),
        columns={name: store.read(name) for name in COLUMNS if name in store},
        targets=said["target_names"],
        observed=said["observed"],
    )
    source = open_rows(ingest.model_copy(update=known), ids, rows.load, rows.version, identities, labels)
    return source if ingest.identities else grouped(source, store.read(GROUP))


def _identities(
    ingest: Ingest, store: Store, labels: Labels | None
) -> tuple[list[str], Shaped[np.ndarray, "n i"] | None]:
    """Names of the identities, and these: the store's own, or those that params name and the store's groups."""
    own = store.attributes["identities"]
    held = store.read("identities") if own else None
    if not ingest.identities:
        return own, held
    found = []
    for name in ingest.identities:
        if labels:
            found.append([str(labels.lines.get(row, {}).get(name, "")) for row in range(store.rows)])
        elif name in own and held is not None:
            found.append(held[:, own.index(name)].tolist())
        else:
            raise InputError(f"ingest.identities: no {name!r} in {store.path}; there are {', '.join(own) or 'none'}")
    groups = [str(group) for group in store.read(GROUP)]
    return [*ingest.identities, GROUP], np.array([*found, groups], dtype=str).T


def _targets(ingest: Ingest, folder: Path, said: dict[str, Any]) -> dict[str, TargetSource]:
    """Targets of the store under their own names: they are transformed already."""
    made = {}
    for name, how in ingest.targets.items():
        units = said["target_units"]
        if name not in units:
            raise InputError(f"{folder}: no target {name!r} (ingest.targets); there are {', '.join(units)}")
        if units[name] != unit_of(how):
            raise InputError(
                f"ingest.targets.{name}: would be in {unit_of(how) or 'no unit'}; in {folder} it is in "
                f"{units[name] or 'no unit'}"
            )
        made[name] = TargetSource(column=name, unit=units[name])
    return made


@dataclass(frozen=True)
class Rows:
    """The rows of a store: its columns, and where its pixels are."""

    path: str
    units: str  # of the pixels
    version: str  # a digest: what was read of another version is forgotten
    many: int  # rows read at once
    columns: dict[str, np.ndarray]
    targets: list[str]
    observed: list[str]

    def load(self, row: int) -> Frame:
        block, at = _block(self.path, self.version, row - row % self.many, self.many), row % self.many
        column = {name: values[row].tolist() for name, values in self.columns.items()}
        return Frame(
            image=block["images"][at],
            mask=block["mask"][at] if "mask" in block else None,
            noise=column["noise"] if column["noise_known"] else np.nan,
            observed=dict(zip(self.observed, column["observed"], strict=True)),
            labels=dict(zip(self.targets, column["targets"], strict=True)),
            kind=column["kind"],
            units=self.units,
        )


@lru_cache(maxsize=2)
def _block(path: str, version: str, start: int, many: int) -> dict[str, Shaped[np.ndarray, "n b h w"]]:
    store = Store(path)
    return {name: store.read(name, start, start + many) for name in ("images", "mask") if name in store}
