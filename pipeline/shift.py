"""Stage `shift`: the test lenses once more, under other conditions.

    python -m pipeline.shift psf_wide data/images.zarr data/split.json data/shifted/psf_wide/images.zarr

Writes a store like that of `ingest` with the test rows alone: the same ids, groups and targets, and other images, with
the `row` of the image store that each is.
Simulated lenses are rendered anew, and every shift can be made of them that makes a difference to them
(`pipeline/lensing/shifts.py`). Of other images there is only what was recorded: noise can be added (noise_high) where
their sky rms is known, and the PSF widened (psf_wide) where its width is; sky noise is blurred with the rest then.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline import degraded, fingerprint, params, store
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.lensing import shifts
from pipeline.places import place
from pipeline.sources import OBSERVED, Lenses, simulation
from pipeline.store import Array, Store

Columns = Mapping[str, np.ndarray]  # arrays of an image store, some rows of them
Again = Callable[[Columns, Int[np.ndarray, " n"]], dict[str, np.ndarray]]  # what is different in these rows
SAID = ("target_names", "target_units", "pixel_scale", "psf_fwhm", "units", "identities", "observed", "quarantined")


def shift(name: str, source: str, split: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Write the test rows of the store `source` under the shift `name` to the store `target`."""
    ingest, simulated, how = params.read(overrides, "ingest", "simulation", "engine")
    shifts.known(name)
    images, decided = Store(source), json.loads(place(split).read_text())
    if decided["rows"] != images.rows:
        raise InputError(f"{split}: made for {decided['rows']} rows; {source} has {images.rows}")
    rows = np.array(decided["roles"]["test"])
    if ingest.source == "simulation":
        again: Again = _Rendered(str(images.path), simulation.shifted(simulated, ingest.path, name))
    else:
        again = _of_any_source(name, images, rows)
    said = {key: images.attributes[key] for key in SAID}
    said["provenance"] = images.attributes["provenance"] | {"shift": name}
    if said["psf_fwhm"]:
        said["psf_fwhm"] *= shifts.PSF.get(name, 1.0)
    made_of = fingerprint.digest(
        images.attributes["shards"], name, rows, params.plain(ingest), params.plain(simulated), fingerprint.code()
    )
    arrays = [*images.arrays, Array("row", "int64", long_name="row of the image store")]
    store.write(target, len(rows), arrays, _Rows(images, rows, again), key=made_of, how=how, **said)
    print(f"shift: {len(rows)} test images under {name} in {target}")


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of every array of the shifted store."""

    images: Store
    rows: Int[np.ndarray, " m"]  # of the image store, in the order of this one
    again: Again

    def __call__(self, start: int, stop: int) -> dict[str, Any]:
        rows = self.rows[start:stop]
        kept = {array.name: self.images.take(array.name, rows) for array in self.images.arrays}
        made = kept | self.again(kept, rows)
        return made | {"peak": made["images"].max(axis=(1, 2, 3)), "row": rows}


@dataclass(frozen=True)
class _Rendered:
    """Simulated lenses, rendered anew; they must be those of the store."""

    path: str
    read: Callable[[Int[np.ndarray, " n"]], Lenses]

    def __call__(self, kept: Columns, rows: Int[np.ndarray, " n"]) -> dict[str, np.ndarray]:
        lenses = self.read(rows)
        targets = np.stack(list(lenses.targets.values()), axis=1)
        known = kept["targets"][:, : targets.shape[1]]  # after these come those of classes
        if lenses.id.tolist() != kept["id"].tolist() or not np.array_equal(targets, known, equal_nan=True):
            raise InputError(f"{self.path}: its lenses are not those that simulation describes; run ingest (dvc repro)")
        observed = np.stack([lenses.observed[name] for name in OBSERVED], axis=1)
        return {"images": lenses.images, "noise": lenses.noise, "observed": observed}


def _of_any_source(name: str, images: Store, rows: Int[np.ndarray, " m"]) -> Again:
    """How a shift is made of images as they are. Raises `InputError` where it cannot be."""
    if name not in POSSIBLE:
        raise InputError(
            f"shift.kinds: {name}: only the simulation's lenses can be made anew; of the images of "
            f"{images.path} there can be {', '.join(POSSIBLE)}"
        )
    return POSSIBLE[name](name, images, rows)


def _identity(name: str, images: Store, rows: Int[np.ndarray, " m"]) -> Again:
    return _as_they_are


def _as_they_are(kept: Columns, rows: Int[np.ndarray, " n"]) -> dict[str, np.ndarray]:
    return {}


def _noisier(name: str, images: Store, rows: Int[np.ndarray, " m"]) -> Again:
    rms, known = images.read("noise")[rows], images.read("noise_known")[rows]
    if images.shape("images")[1] > 1:
        raise InputError(f"shift.kinds: {name}: {images.path} knows the noise of the first of its bands only")
    silent = rows[~(rms > 0)]
    if len(silent):
        raise InputError(f"shift.kinds: {name}: {images.path}: row {silent[0]} has no sky noise to be a multiple of")
    if not known.all():
        print(f"shift: {name}: the sky rms of {int((~known).sum())} images is as it was estimated, not as declared")
    return partial(_with_noise, factor=shifts.NOISE[name])


def _with_noise(kept: Columns, rows: Int[np.ndarray, " n"], factor: float) -> dict[str, np.ndarray]:
    made = degraded.noisier(kept["images"], kept["noise"], factor, rows.tolist(), kept.get("mask"))
    return {"images": made, "noise": (factor * kept["noise"]).astype(np.float32)}


def _wider(name: str, images: Store, rows: Int[np.ndarray, " m"]) -> Again:
    there = {key: _each(images, images.read("observed"), key) for key in ("psf_fwhm", "pixel_scale")}
    for key, values in there.items():
        unknown = rows[~np.isfinite(values[rows])]
        if len(unknown):
            raise InputError(f"shift.kinds: {name}: {images.path}: row {unknown[0]} has no {key}; ingest.{key} is it")
    print(f"shift: {name}: the sky noise is blurred with the light, and thereby correlated between pixels")
    return partial(_with_psf, width=there["psf_fwhm"] / there["pixel_scale"], factor=shifts.PSF[name])


def _with_psf(
    kept: Columns, rows: Int[np.ndarray, " n"], width: Float[np.ndarray, " m"], factor: float
) -> dict[str, np.ndarray]:
    made, left = degraded.wider(kept["images"], width[rows], factor)
    observed = kept["observed"].copy()
    observed[:, list(OBSERVED).index("psf_fwhm")] *= factor
    return {"images": made, "noise": (kept["noise"] * left).astype(np.float32), "observed": observed}


def _each(images: Store, observed: Float[np.ndarray, "n o"], name: str) -> Float[np.ndarray, " n"]:
    """What each row says of its observation, or else the store of all."""
    own = observed[:, images.attributes["observed"].index(name)]
    of_all = images.attributes[name]
    return np.where(np.isfinite(own), own, np.nan if of_all is None else of_all)


POSSIBLE = {"identity": _identity, "psf_wide": _wider, "noise_high": _noisier}


if __name__ == "__main__":
    run(shift, "SHIFT IMAGES SPLIT STORE")
