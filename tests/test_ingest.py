"""Stage `ingest`: what a source says arrives in the store, and what it does not know is estimated and marked so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.ingest import ingest
from pipeline.store import Store


def test_the_simulation_arrives_with_all_that_is_known_of_it(tiny: Path) -> None:
    ingest("images.zarr", "q.csv")
    images = Store("images.zarr")
    assert images.shape("images") == (60, 1, 24, 24)
    assert images.attributes["target_names"] == ["log10_axion_mass"]
    assert (images.attributes["pixel_scale"], images.attributes["psf_fwhm"]) == (0.2, 0.3)
    assert images.attributes["units"] == "electron / s"
    assert images.read("noise_known").all()
    np.testing.assert_array_equal(images.read("peak"), images.read("images").max(axis=(1, 2, 3)))


def test_a_users_files_have_their_sky_estimated_and_marked_so(tiny: Path, generator: np.random.Generator) -> None:
    (tiny / "lenses").mkdir()
    for i in range(4):
        np.save(tiny / "lenses" / f"{i}.npy", generator.normal(100, 2.5, (64, 64)))
    ingest("images.zarr", "q.csv", ["ingest.source=deeplense", "ingest.path=lenses", "ingest.pixel_scale=0.05"])
    images = Store("images.zarr")
    assert not images.read("noise_known").any()
    np.testing.assert_allclose(images.read("noise"), 2.5, rtol=0.15)
    assert images.attributes["pixel_scale"] == 0.05
    assert images.attributes["psf_fwhm"] is None
    assert np.isnan(images.read("targets")).all()


def lenses_with_faults(folder: Path, good: int, generator: np.random.Generator) -> None:
    """So many good frames, a blank one, one with a NaN, one of another size and one that is no image at all."""
    (folder / "lenses").mkdir()
    frames = {f"good{i:03d}": generator.normal(1, 1, (16, 16)) for i in range(good)}
    frames |= {"blank": np.zeros((16, 16)), "hole": np.where(np.eye(16) > 0, np.nan, 1), "zsmall": np.ones((8, 8))}
    for name, frame in frames.items():
        np.save(folder / "lenses" / f"{name}.npy", frame)
    (folder / "lenses" / "words.npy").write_text("not an image")


def contents(store: Path) -> dict[str, bytes]:
    return {file.relative_to(store).as_posix(): file.read_bytes() for file in store.rglob("*") if file.is_file()}


FILES = ["ingest.source=deeplense", "ingest.path=lenses"]


def test_rows_that_cannot_be_used_go_to_quarantine_with_their_reasons(
    tiny: Path, generator: np.random.Generator
) -> None:
    lenses_with_faults(tiny, 96, generator)
    ingest("images.zarr", "q.csv", FILES)
    table = pd.read_csv("q.csv").set_index("file")["reason"]
    assert set(table.index) == {"blank.npy", "hole.npy", "zsmall.npy", "words.npy"}
    assert table["blank.npy"] == "every pixel is zero"
    assert "16 of 256 pixels are NaN" in table["hole.npy"]
    assert "1 x 8 x 8 pixels, but the first image has 1 x 16 x 16" in table["zsmall.npy"]
    assert "not a readable .npy file" in table["words.npy"]
    images = Store("images.zarr")
    assert images.read("id").tolist() == [f"good{i:03d}.npy" for i in range(96)]
    assert images.attributes["quarantined"] == 4


def test_too_many_of_them_are_an_error_that_counts_them(tiny: Path, generator: np.random.Generator) -> None:
    lenses_with_faults(tiny, 10, generator)
    with pytest.raises(InputError, match=r"blank\.npy: every pixel is zero\. 4 of 14 images cannot be used, more than"):
        ingest("images.zarr", "q.csv", FILES)
    assert len(pd.read_csv("q.csv")) == 4
    assert not Path("images.zarr").exists()
    assert not Path(".images.zarr.partial").exists()


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_every_engine_writes_the_same_bytes(tiny: Path, kind: str, generator: np.random.Generator) -> None:
    lenses_with_faults(tiny, 96, generator)
    ingest("serial.zarr", "q.csv", FILES)
    ingest("shared.zarr", "q2.csv", [*FILES, f"engine.kind={kind}"])
    assert contents(Path("shared.zarr")) == contents(Path("serial.zarr"))
    assert Path("q.csv").read_text() == Path("q2.csv").read_text()
