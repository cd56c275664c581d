"""Stage `ingest`: what a source says arrives in the store, and what it does not know is estimated and marked so."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.ingest import border_rms, ingest
from pipeline.store import Store


def test_the_simulation_arrives_with_all_that_is_known_of_it(tiny: Path) -> None:
    ingest("images.zarr")
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
    ingest("images.zarr", ["ingest.source=deeplense", "ingest.path=lenses", "ingest.pixel_scale=0.05"])
    images = Store("images.zarr")
    assert not images.read("noise_known").any()
    np.testing.assert_allclose(images.read("noise"), 2.5, rtol=0.15)
    assert images.attributes["pixel_scale"] == 0.05
    assert images.attributes["psf_fwhm"] is None
    assert np.isnan(images.read("targets")).all()


def test_the_sky_estimate_is_right_on_average_and_does_not_see_the_lens(generator: np.random.Generator) -> None:
    """200 frames with a bright ring inside 0.42 of the side; the mean of the estimates to 2 %."""
    y, x = np.mgrid[:64, :64] - 31.5
    ring = 50 * np.exp(-0.5 * (np.hypot(x, y) - 12) ** 2)
    images = (ring + generator.normal(0, 0.7, (200, 1, 64, 64))).astype(np.float32)
    assert border_rms(images).mean() == pytest.approx(0.7, rel=0.02)


def test_a_blank_image_is_refused_by_name(tiny: Path) -> None:
    (tiny / "lenses").mkdir()
    np.save(tiny / "lenses" / "a.npy", np.ones((8, 8)))
    np.save(tiny / "lenses" / "b.npy", np.zeros((8, 8)))
    with pytest.raises(InputError, match=r"^b\.npy: every pixel is zero"):
        ingest("images.zarr", ["ingest.source=deeplense", "ingest.path=lenses"])
    assert not Path("images.zarr").exists()
