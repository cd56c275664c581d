"""Describe: planted light comes back as it was planted, and nothing but an image has a part in its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import frames, lenses, params
from pipeline.describe import describe
from pipeline.errors import InputError
from pipeline.sources import OBSERVED, simulation
from tests.checks.planted import Lenses
from tests.conftest import TINY

SIDE, SKY, SCALE, PSF = 48, 0.01, 0.1, 0.16
Row, Column = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
RADII = np.array([8.0, 9.7, 11.3, 12.0])  # pixels


def a_set(images: np.ndarray, said: dict[str, Any] | None = None, **columns: np.ndarray) -> Lenses:
    """Images (n, h, w) as `ingest` would write them."""
    n = len(images)
    usual = {
        "images": images[:, None].astype(np.float32),
        "targets": np.arange(n, dtype=float)[:, None],
        "id": np.array([f"lens-{i}" for i in range(n)]),
        "kind": np.array(["axion", "cdm"])[np.arange(n) % 2],
        "group": np.arange(n) // 2,
        "noise": np.full(n, SKY, dtype=np.float32),
        "observed": np.full((n, len(OBSERVED)), np.nan),
    }
    told = {"target_names": ["mass"], "observed": list(OBSERVED), "pixel_scale": SCALE, "psf_fwhm": PSF}
    return Lenses(usual | columns, told | (said or {}))


def described(chosen: Lenses) -> pd.DataFrame:
    chosen.write(Path("images.zarr"))
    describe("images.zarr", "lenses.parquet")
    return lenses.read("lenses.parquet", len(chosen["images"]))


def rings(generator: np.random.Generator, radii: np.ndarray = RADII) -> np.ndarray:
    """A ring of light of each radius [pixels], on a noisy sky."""
    light = np.exp(-(((np.hypot(Row, Column) - radii[:, None, None]) / 1.5) ** 2) / 2)
    return light + generator.normal(0, SKY, light.shape)


def observed(**known: np.ndarray) -> np.ndarray:
    """The column of what is known of how images were taken."""
    unknown = np.full(len(next(iter(known.values()))), np.nan)
    return np.stack([known.get(name, unknown) for name in OBSERVED], axis=1)


def test_flux_and_signal_to_noise_of_a_square_of_light(tiny: Path) -> None:
    """Its box reaches a pixel further on every side: s^2 pixels of light among (s + 2)^2 of noise."""
    sides, brightness = np.array([5, 10, 15]), 3.0
    image = np.zeros((3, SIDE, SIDE))
    for frame, side in zip(image, sides, strict=True):
        frame[10 : 10 + side, 12 : 12 + side] = brightness
    table = described(a_set(image + 7.0))  # on a pedestal, which is no light
    assert table["flux"].to_numpy() == pytest.approx(brightness * sides**2, rel=1e-5)
    assert table["signal_to_noise"].to_numpy() == pytest.approx(brightness * sides**2 / (SKY * (sides + 2)), rel=1e-5)


def test_an_empty_sky_has_neither_signal_nor_ring(tiny: Path, generator: np.random.Generator) -> None:
    table = described(a_set(generator.normal(0, SKY, (20, SIDE, SIDE))))
    assert (table["signal_to_noise"] == 0).all()
    assert table["ring_radius"].isna().all()
    assert table["ring_over_psf"].isna().all()
    blank = described(a_set(np.zeros((2, SIDE, SIDE)), noise=np.zeros(2, dtype=np.float32)))
    assert (blank["flux"] == 0).all()
    assert blank[["signal_to_noise", "ring_radius"]].isna().all(axis=None)


def test_a_planted_ring_has_its_radius(tiny: Path, generator: np.random.Generator) -> None:
    table = described(a_set(rings(generator)))
    assert table["ring_radius"].to_numpy() == pytest.approx(RADII * SCALE, rel=0.02)
    assert set(table["ring_unit"]) == {"arcsec"}
    assert table["ring_over_psf"].to_numpy() == pytest.approx(RADII * SCALE / PSF, rel=0.02)


def test_without_a_pixel_scale_lengths_are_pixels(tiny: Path, generator: np.random.Generator) -> None:
    """And nobody can say how many widths of the PSF they are."""
    table = described(a_set(rings(generator), {"pixel_scale": None}))
    assert table["ring_radius"].to_numpy() == pytest.approx(RADII, rel=0.02)
    assert set(table["ring_unit"]) == {"pixel"}
    assert table["ring_over_psf"].isna().all()
    without_psf = described(a_set(rings(generator), {"psf_fwhm": None}))
    assert without_psf["ring_radius"].to_numpy() == pytest.approx(RADII * SCALE, rel=0.02)
    assert without_psf["ring_over_psf"].isna().all()


def test_every_image_has_its_own_scale_and_psf(tiny: Path, generator: np.random.Generator) -> None:
    """What an image says goes before what its store says of all."""
    scale, psf = np.array([0.05, 0.2, np.nan, 0.05]), np.array([0.1, np.nan, 0.3, 0.2])
    table = described(a_set(rings(generator), observed=observed(pixel_scale=scale, psf_fwhm=psf)))
    used, width = np.where(np.isnan(scale), SCALE, scale), np.where(np.isnan(psf), PSF, psf)
    assert table["ring_radius"].to_numpy() == pytest.approx(RADII * used, rel=0.02)
    assert table["ring_over_psf"].to_numpy() == pytest.approx(RADII * used / width, rel=0.02)


def test_simulated_lenses_have_about_their_einstein_radius(tiny: Path) -> None:
    """With a galaxy's light in the middle, and all that the preset varies."""
    asked = ("preset=lens64", "images=60", "seed=305", "size=64", "pixel_scale=0.1", "psf_fwhm=0.16")
    chosen = params.read([f"simulation.{one}" for one in asked], "simulation", path=TINY)
    drawn = simulation.read(chosen, np.arange(60))
    truth = simulation.draw(chosen, range(60)).parameters["einstein_radius"]
    table = described(a_set(drawn.images[:, 0], noise=drawn.noise.astype(np.float32)))
    off = np.abs(table["ring_radius"].to_numpy() / truth - 1)
    assert np.nanmedian(off) < 0.05
    assert np.mean(~(off < 0.2)) < 0.15  # a ring that is not found counts


def test_signal_is_unknown_where_the_noise_is(tiny: Path, generator: np.random.Generator) -> None:
    """Without noise a ring is measured, for a share of the peak counts as noise; where it is unknown, nothing is."""
    noise = np.array([SKY, 0.0, np.nan, SKY], dtype=np.float32)
    table = described(a_set(rings(generator), noise=noise))
    assert np.isnan(table["signal_to_noise"]).tolist() == [False, True, True, False]
    assert np.isnan(table["ring_radius"]).tolist() == [False, False, True, False]
    assert np.isfinite(table["flux"]).all()


def test_the_unit_of_the_pixels_changes_only_the_flux(tiny: Path, generator: np.random.Generator) -> None:
    images = rings(generator)
    before = described(a_set(images))
    after = described(a_set(1000 * images, noise=np.full(len(images), 1000 * SKY, dtype=np.float32)))
    assert after["flux"].to_numpy() == pytest.approx(1000 * before["flux"].to_numpy(), rel=1e-5)
    for name in ("signal_to_noise", "ring_radius", "ring_over_psf"):
        assert after[name].to_numpy() == pytest.approx(before[name].to_numpy(), rel=1e-4)


def test_a_frame_too_small_to_look_in_has_no_ring(tiny: Path, generator: np.random.Generator) -> None:
    table = described(a_set(rings(generator, np.array([5.0]))[:, 14:34, 14:34]))
    assert table["ring_radius"].isna().all()
    assert np.isfinite(table[["flux", "signal_to_noise"]]).all(axis=None)


def test_a_masked_pixel_is_not_light(tiny: Path, generator: np.random.Generator) -> None:
    images = rings(generator)
    whole = described(a_set(images))
    mask = np.zeros((len(images), 1, SIDE, SIDE), dtype=bool)
    mask[:, :, 2, 3] = True
    images[:, 2, 3] = [np.nan, 1e6, np.inf, -1e6]
    table = described(a_set(images, mask=mask))
    assert table["flux"].to_numpy() == pytest.approx(whole["flux"].to_numpy(), abs=10 * SKY)
    assert table["ring_radius"].to_numpy() == pytest.approx(whole["ring_radius"].to_numpy(), rel=0.01)


def test_the_first_columns_are_the_stores(tiny: Path, generator: np.random.Generator) -> None:
    table = described(a_set(rings(generator)))
    assert list(table.columns) == list(lenses.COLUMNS)
    assert table["id"].tolist() == ["lens-0", "lens-1", "lens-2", "lens-3"]
    assert table["row"].tolist() == [0, 1, 2, 3]
    assert table["group"].tolist() == [0, 0, 1, 1]
    assert table["kind"].tolist() == ["axion", "cdm", "axion", "cdm"]
    columns = {name: values for name, values in a_set(rings(generator)).columns.items() if name != "kind"}
    assert described(Lenses(columns, {"observed": list(OBSERVED)}))["kind"].tolist() == [""] * 4


def many(generator: np.random.Generator) -> Lenses:
    """Rings, skies and galaxies: all branches, more images than a block holds."""
    images = np.concatenate([rings(generator, np.linspace(7, 13, 50)), generator.normal(0, SKY, (20, SIDE, SIDE))])
    images[30:] += 2 * np.exp(-np.hypot(Row, Column) / 2)
    return a_set(images)


@pytest.mark.parametrize("rows", [1, 7])
def test_no_byte_depends_on_how_many_images_are_measured_at_a_time(
    rows: int, tiny: Path, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(many(generator))
    before = Path("lenses.parquet").read_bytes()
    monkeypatch.setattr(frames, "ROWS", rows)
    describe("images.zarr", "lenses.parquet")
    assert Path("lenses.parquet").read_bytes() == before


@pytest.mark.proof
def test_no_byte_depends_on_the_engine(tiny: Path, generator: np.random.Generator) -> None:
    described(many(generator))
    describe("images.zarr", "processes.parquet", ["engine.kind=processes"])
    assert Path("processes.parquet").read_bytes() == Path("lenses.parquet").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda chosen: chosen.but(targets=1e3 - chosen["targets"] ** 2),
        lambda chosen: Lenses({k: v for k, v in chosen.columns.items() if k != "targets"}, {**chosen.said}),
    ],
    ids=["other targets", "no targets"],
)
def test_labels_have_no_part_in_it(
    change: Callable[[Lenses], Lenses], tiny: Path, generator: np.random.Generator
) -> None:
    chosen = a_set(rings(generator))
    described(chosen)
    before = Path("lenses.parquet").read_bytes()
    described(change(chosen))
    assert Path("lenses.parquet").read_bytes() == before


def test_other_images_have_no_part_in_it(tiny: Path, generator: np.random.Generator) -> None:
    images = rings(generator)
    before = described(a_set(images))
    images[2:] *= 1e4
    after = described(a_set(images))
    pd.testing.assert_frame_equal(after[:2], before[:2])
    assert not after[2:].equals(before[2:])


def test_a_store_without_images_is_refused(tiny: Path) -> None:
    Lenses({"images": np.zeros((3, 2), dtype=np.float32)}).write(Path("vectors.zarr"))
    with pytest.raises(InputError, match=r"vectors\.zarr: no array images"):
        describe("vectors.zarr", "lenses.parquet")


def test_a_table_of_other_images_is_refused(tiny: Path, generator: np.random.Generator) -> None:
    described(a_set(rings(generator)))
    with pytest.raises(InputError, match=r"made for 4 rows, but the images have 5; python -m pipeline\.describe"):
        lenses.read("lenses.parquet", 5)
    with pytest.raises(InputError, match=r"other\.parquet: no such file; python -m pipeline\.describe"):
        lenses.read("other.parquet", 4)
    Path("broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"broken\.parquet: not a table of lenses"):
        lenses.read("broken.parquet", 4)
