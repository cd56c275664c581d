"""Damaged files of every kind: read, or refused with a reason; never a crash, a hang, foreign code or much memory.

A failure names its subject and seed: `fuzz({source: subjects[source]}, [seed])` does it again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np
import pandas as pd
import pytest
import zarr
from astropy.io import fits

from pipeline import params, store
from pipeline.params import Ingest
from pipeline.sources import OBSERVED
from pipeline.store import Array
from tests.conftest import TINY
from tests.sources import mutations
from tests.sources.fuzzing import FACTOR, LEAST, Subject, Tally, fuzz, intact

ROWS, SIDE = 12, 16
QUICK, FULL = range(200), range(2000)
UNIT = "dex(eV)"  # of the target that params take the logarithm of


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(ROWS, SIDE, SIDE)).astype("f4")


@pytest.fixture(scope="module")
def masses() -> np.ndarray:
    return np.random.default_rng(2).uniform(1e-24, 1e-22, size=ROWS)


def pair(image: np.ndarray, mass: float) -> np.ndarray:
    both = np.empty(2, dtype=object)
    both[:] = image, mass
    return both


def plain_and_pairs(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    for i in range(3):
        np.save(folder / f"p{i}.npy", pair(pixels[i].astype("f8"), masses[i]), allow_pickle=True)
    np.save(folder / "q.npy", (1000 * pixels[3]).astype("i8"))


def colours_and_classes(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    for i, kind in enumerate(("axion", "cdm", "no_sub")):
        (folder / kind).mkdir()
        np.save(folder / kind / f"{i}.npy", pixels[i].astype(("f4", ">f8", "f2")[i]))


def fits_images(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    header = fits.Header({"EXPTIME": 100.0, "GAIN": 2.0, "BUNIT": "adu", "CDELT1": -1e-5, "CDELT2": 1e-5})
    for i in range(2):
        fits.PrimaryHDU(pixels[i], header=header).writeto(folder / f"{i}.fits")
    labels(folder / "labels.csv", ["0.fits", "1.fits"], masses)


def fits_extensions(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    scaled = fits.ImageHDU((1000 * pixels[1]).astype("i2"), name="SCI")
    scaled.header["BZERO"], scaled.header["BSCALE"] = 3.0, 0.001
    fits.HDUList([fits.PrimaryHDU(), scaled]).writeto(folder / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels[2], name="SCI")]).writeto(folder / "b.fits")
    labels(folder / "labels.csv", ["a.fits", "b.fits"], masses)


def labels(path: Path, names: list[str], masses: np.ndarray, **more: list[Any]) -> None:
    table = pd.DataFrame({"id": names, "mass": masses[: len(names)], **more})
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)


def columns(place: Any, masses: np.ndarray) -> None:
    place["mass"], place["id"] = masses, [f"lens{i}" for i in range(ROWS)]


def h5(folder: Path, pixels: np.ndarray, masses: np.ndarray, libver: str = "earliest", **how: Any) -> None:
    with h5py.File(folder / "lenses.h5", "w", libver=libver) as file:
        file.create_dataset("images", data=pixels, **how)
        columns(file, masses)
        file.create_group("more")["seeing"] = masses


def contiguous(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    h5(folder, pixels, masses)


def chunked(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    h5(folder, pixels, masses, chunks=(4, SIDE, SIDE), compression="gzip", shuffle=True)


def latest(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    h5(folder, pixels, masses, libver="latest", chunks=(1, SIDE, SIDE), compression="lzf")


def checksummed(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    h5(folder, pixels, masses, chunks=(4, SIDE, SIDE), fletcher32=True)


def archive(path: Path, save: Callable[..., None], pixels: np.ndarray, masses: np.ndarray) -> None:
    held: dict[str, Any] = {"images": pixels}
    columns(held, masses)
    save(path, **held)


def stored(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    archive(folder / "a.npz", np.savez, pixels, masses)


def deflated(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    archive(folder / "a.npz", np.savez_compressed, pixels, masses)


def group(folder: Path, version: int, pixels: np.ndarray, masses: np.ndarray, **how: Any) -> None:
    made = zarr.open_group(folder / "lenses.zarr", mode="w", zarr_format=version)
    made.create_array("images", data=pixels, chunks=(4, SIDE, SIDE), **how)
    made.create_array("mass", data=masses)
    made.create_array("id", shape=ROWS, dtype=str)[:] = np.array([f"lens{i}" for i in range(ROWS)], dtype=object)


def version_2(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    group(folder, 2, pixels, masses, compressors=numcodecs.Blosc())


def version_3(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    group(folder, 3, pixels, masses)


def sharded(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    group(folder, 3, pixels, masses, shards=(8, SIDE, SIDE), compressors=zarr.codecs.GzipCodec())


def our_store(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    arrays = [
        Array("images", "float32", (1, SIDE, SIDE), ("b", "h", "w")),
        Array("targets", "float64", (1,), ("t",)),
        Array("id", "str"),
        Array("kind", "str"),
        Array("group", "int64"),
        Array("noise", "float32"),
        Array("noise_known", "bool"),
        Array("peak", "float32"),
        Array("observed", "float64", (len(OBSERVED),), ("o",)),
    ]
    held = {
        "images": pixels[:, None],
        "targets": np.log10(masses)[:, None],
        "id": np.array([f"lens{i}" for i in range(ROWS)]),
        "kind": np.array(["axion"] * ROWS),
        "group": np.arange(ROWS),
        "noise": np.ones(ROWS, "f4"),
        "noise_known": np.ones(ROWS, bool),
        "peak": pixels.max(axis=(1, 2)),
        "observed": np.full((ROWS, len(OBSERVED)), np.nan),
    }
    store.write(
        folder / "images.zarr",
        ROWS,
        arrays,
        lambda a, b: {name: values[a:b] for name, values in held.items()},
        target_names=["log10_axion_mass"],
        target_units={"log10_axion_mass": UNIT},
        pixel_scale=0.1,
        psf_fwhm=None,
        units="electron / s",
        identities=[],
        observed=list(OBSERVED),
        provenance={},
        quarantined=0,
    )


def cutouts(folder: Path, pixels: np.ndarray) -> list[str]:
    (folder / "cut").mkdir()
    for i in range(3):
        np.save(folder / "cut" / f"{i}.npy", pixels[i])
    fits.PrimaryHDU(pixels[3]).writeto(folder / "cut" / "3.fits")
    return [f"cut/{i}.npy" for i in range(3)] + ["cut/3.fits"]


def parquet_table(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    files = cutouts(folder, pixels)
    labels(folder / "labels.parquet", ["a", "b", "c", "d"], masses, file=files)


def csv_table(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    files = cutouts(folder, pixels)
    labels(folder / "labels.csv", ["a", "b", "c", "d"], masses, file=files)


def npys(folder: Path, pixels: np.ndarray) -> list[str]:
    for i in range(3):
        np.save(folder / f"{i}.npy", pixels[i])
    return [f"{i}.npy" for i in range(3)]


def npy_and_csv(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    labels(folder / "labels.csv", npys(folder, pixels), masses)


def npy_and_parquet(folder: Path, pixels: np.ndarray, masses: np.ndarray) -> None:
    labels(folder / "labels.parquet", npys(folder, pixels), masses)


MAKERS = {
    "deeplense": (plain_and_pairs, colours_and_classes),
    "fits": (fits_images, fits_extensions),
    "hdf5": (contiguous, chunked, latest, checksummed),
    "npz": (stored, deflated),
    "zarr": (version_2, version_3, sharded),
    "ours": (our_store,),
    "table": (parquet_table, csv_table),
    "labels": (npy_and_csv, npy_and_parquet),
}
MODULES = {"ours": "zarr", "labels": "npz"}


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, masses: np.ndarray) -> dict[str, list[Any]]:
    """Valid folders of every source, each in the variants that its format has."""
    found: dict[str, list[Any]] = {}
    for source, makers in MAKERS.items():
        for make in makers:
            folder = tmp_path_factory.mktemp("subject")
            make(folder, pixels, masses)
            table = next((file.name for file in folder.glob("labels.*")), "")
            chosen = (f"ingest.source={MODULES.get(source, source)}", f"ingest.labels={table!r}")
            ingest: Ingest = params.read(chosen, "ingest", path=TINY)
            found.setdefault(source, []).append(Subject(f"{source} {make.__name__}", mutations.read(folder), ingest))
    return found


def report(tallies: dict[str, Tally]) -> str:
    return "\n".join(
        f"{source:10} {sum(t.outcomes.values()):5} cases: {dict(t.outcomes)}, "
        f"memory + {t.growth / 2**20:.0f} MiB at most, {t.seconds:.0f} s"
        for source, t in tallies.items()
    )


@pytest.mark.parametrize("source", MAKERS)
def test_the_folders_are_valid_before_they_are_damaged(
    source: str, subjects: dict[str, list[Any]], tmp_path: Path
) -> None:
    for subject in subjects[source]:
        assert intact(subject, tmp_path / "intact") == ("read", "")


@pytest.mark.parametrize("source", MAKERS)
def test_a_damaged_file_is_read_or_refused(source: str, subjects: dict[str, list[Any]]) -> None:
    tally = fuzz({source: subjects[source]}, QUICK)[source]
    assert tally.failures == []
    assert tally.outcomes["refused"] + tally.outcomes["rows refused"] > len(QUICK) / 20, "the damage does something"
    assert tally.growth <= max(LEAST, FACTOR * max(len(d) for s in subjects[source] for d in s.tree.values()))


@pytest.mark.proof
@pytest.mark.parametrize("source", MAKERS)
def test_thousands_of_damaged_files_are_read_or_refused(source: str, subjects: dict[str, list[Any]]) -> None:
    tallies = fuzz({source: subjects[source]}, FULL)
    print(report(tallies))
    assert tallies[source].failures == []
    assert sum(tallies[source].outcomes.values()) >= 2000
