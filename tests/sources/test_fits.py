"""Source `fits`: images in any HDU and byte order, labels joined by name, everything doubtful refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from pipeline.errors import InputError
from pipeline.sources import Source
from pipeline.sources import fits as source

Open = Callable[..., Source]


@pytest.fixture
def folder(tmp_path: Path, generator: np.random.Generator) -> Path:
    """Two images, one in the primary HDU and one in an extension behind a header."""
    (tmp_path / "deep").mkdir()
    images = generator.normal(size=(2, 5, 7)).astype(">f4")
    fits.PrimaryHDU(images[0]).writeto(tmp_path / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(images[1].astype(">f8"))]).writeto(tmp_path / "deep" / "b.fits")
    np.save(tmp_path / "images.npy", images)
    return tmp_path


@pytest.fixture
def opened(folder: Path, section: Callable[..., Any]) -> Open:
    return lambda *overrides: source.open_source(
        section("ingest", "ingest.source=fits", f"ingest.path={folder}", *overrides)
    )


def test_reads_either_hdu_in_native_byte_order(folder: Path, opened: Open) -> None:
    lenses = opened().read(0, 2)
    assert lenses.id.tolist() == ["a.fits", "deep/b.fits"]
    assert lenses.images.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(lenses.images[:, 0], np.load(folder / "images.npy"))
    assert np.isnan(lenses.targets["log10_axion_mass"]).all()


def test_the_pattern_chooses(opened: Open) -> None:
    assert opened("ingest.pattern=deep/*.fits").read(0, 1).id.tolist() == ["deep/b.fits"]


@pytest.mark.parametrize("names", [("a.fits", "deep/b.fits"), ("a", "deep/b")], ids=["with ending", "without"])
def test_labels_are_joined_by_name_in_any_order(folder: Path, opened: Open, names: tuple[str, str]) -> None:
    (folder / "labels.csv").write_text(f"note,id,mass\nx,{names[1]},\ny,elsewhere.fits,1\nz,{names[0]},1e-24\n")
    found = opened("ingest.labels=labels.csv").read(0, 2).targets["log10_axion_mass"]
    np.testing.assert_allclose(found, [-24, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,mass\na.fits,1\n", r"labels\.csv: no row for deep/b\.fits and 0 more of 2 images"),
        ("id,mass\na.fits,1\n,2\n", r"labels\.csv: line 3 has no id"),
        ("id,mass\na.fits,1\ndeep/b,1\na,2\n", r"labels\.csv: line 4: a is there twice"),
        ("id,weight\na.fits,1\ndeep/b,1\n", r"labels\.csv: no column 'mass'; there are id, weight"),
        ("name,mass\na.fits,1\n", r"labels\.csv: no column 'id'; there are name, mass"),
        ("id,mass\na.fits,heavy\ndeep/b,1\n", r"labels\.csv: line 2: mass is 'heavy', not a number"),
        ("id,mass\na.fits,inf\ndeep/b,1\n", r"labels\.csv: line 2: mass is 'inf'; leave the cell empty"),
        ("", r"labels\.csv: not a readable CSV"),
    ],
    ids=["row missing", "id missing", "duplicate", "target missing", "id column missing", "text", "infinite", "empty"],
)
def test_bad_labels_are_refused_by_name(folder: Path, opened: Open, text: str, message: str) -> None:
    (folder / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        opened("ingest.labels=labels.csv").read(0, 2)


def test_a_name_without_ending_must_mean_one_file(folder: Path, opened: Open) -> None:
    """With a.fits and a.fit, `a` is nobody's row; the full names still are."""
    (folder / "a.fit").write_bytes((folder / "a.fits").read_bytes())
    (folder / "labels.csv").write_text("id,mass\na.fits,1e-24\na.fit,1e-23\n")
    found = opened("ingest.labels=labels.csv", "ingest.pattern=a.fit*").read(0, 2).targets["log10_axion_mass"]
    np.testing.assert_allclose(found, [-23, -24])
    (folder / "labels.csv").write_text("id,mass\na,1e-24\n")
    with pytest.raises(InputError, match=r"no row for a\.fit and 1 more of 2 images"):
        opened("ingest.labels=labels.csv", "ingest.pattern=a.fit*")


def test_a_header_that_astropy_grumbles_about_is_read_all_the_same(folder: Path, opened: Open) -> None:
    """A float image with a BLANK card, which only integers may have."""
    path = folder / "a.fits"
    header, data = path.read_bytes()[:2880], path.read_bytes()[2880:]
    end = header.rindex(b"END ")  # EXTEND comes before
    path.write_bytes((header[:end] + b"BLANK   =                 -999".ljust(80) + b"END").ljust(2880) + data)
    np.testing.assert_array_equal(opened().read(0, 1).images[0, 0], np.load(folder / "images.npy")[0])


def test_labels_that_are_absent_or_elsewhere_are_refused(folder: Path, opened: Open) -> None:
    with pytest.raises(InputError, match=r"away\.csv: no such file"):
        opened("ingest.labels=away.csv")
    with pytest.raises(InputError, match=r"ingest\.labels: \.\./labels\.csv lies outside"):
        opened("ingest.labels=../labels.csv")


@pytest.mark.parametrize("keep", [0, 100, 2880, 2900, 3000])
def test_a_truncated_file_is_refused_by_name(folder: Path, opened: Open, keep: int) -> None:
    path = folder / "a.fits"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"{path}: (not a readable FITS file|expected exactly one image, found none)"):
        opened()


def test_several_images_are_refused_and_listed(folder: Path, opened: Open) -> None:
    one = fits.ImageHDU(np.zeros((5, 7)))
    fits.HDUList([fits.PrimaryHDU(), one, fits.ImageHDU(np.zeros((5, 7)))]).writeto(folder / "a.fits", overwrite=True)
    with pytest.raises(InputError, match=r"a\.fits: expected exactly one image, found HDU 1 \(5, 7\), HDU 2 \(5, 7\)"):
        opened()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((5, 7), np.nan), r"a\.fits: every pixel is NaN"),
        (np.where(np.eye(5, 7) > 0, np.nan, 1), r"a\.fits: 5 of 35 pixels are NaN"),
        (np.zeros((2, 5, 7)), r"a\.fits: expected a 2-D image, not one of shape \(2, 5, 7\)"),
        (np.zeros((5, 8)), r"deep/b\.fits: 5 x 7 pixels, but a\.fits has 5 x 8"),
    ],
    ids=["all NaN", "some NaN", "cube", "size"],
)
def test_bad_images_are_refused_by_name(folder: Path, opened: Open, image: np.ndarray, message: str) -> None:
    fits.PrimaryHDU(image).writeto(folder / "a.fits", overwrite=True)
    with pytest.raises(InputError, match=message):
        opened().read(0, 2)


def test_real_telescope_images(shared_data: Path, section: Callable[..., Any]) -> None:
    """119 Pan-STARRS lenses and a Hubble frame, against astropy's convenience reader."""
    lenses_folder, hubble = shared_data / "panstarrs" / "lensed_galaxies", shared_data / "hst" / "slacs0946+1006"
    survey = source.open_source(section("ingest", "ingest.source=fits", f"ingest.path={lenses_folder}"))
    lenses = survey.read(0, survey.rows)
    assert lenses.images.shape == (119, 1, 120, 120)
    for name, image in zip(lenses.id, lenses.images[:, 0], strict=True):
        np.testing.assert_array_equal(image, fits.getdata(lenses_folder / name))
    frame = source.open_source(section("ingest", f"ingest.path={hubble}", "ingest.pattern=data.fits")).read(0, 1)
    assert frame.images.shape == (1, 1, 281, 281)


def test_the_defective_telescope_images_are_refused_by_name(shared_data: Path, section: Callable[..., Any]) -> None:
    folder = shared_data / "panstarrs" / "defective"
    for path in folder.glob("*.fits"):
        opened = source.open_source(section("ingest", f"ingest.path={folder}", f"ingest.pattern={path.name}"))
        said = "every pixel is NaN" if path.name.startswith("HAHJ1328-3132") else "pixels are NaN"
        with pytest.raises(InputError, match=rf"{path}: .*{said}"):
            opened.read(0, 1)


def test_labels_of_a_real_catalogue(shared_data: Path, section: Callable[..., Any]) -> None:
    """Half the image separation is a rough Einstein radius; where the catalogue is empty it is unknown."""
    opened = source.open_source(
        section(
            "ingest",
            f"ingest.path={shared_data / 'panstarrs'}",
            "ingest.pattern=lensed_galaxies/*.fits",
            "ingest.labels=catalogue.csv",
            "ingest.label_id=path",
            "ingest.targets={separation: {column: image_sep_arcsec, unit: arcsec}}",
        )
    )
    found = opened.read(0, opened.rows).targets["separation"]
    assert 0 < np.isfinite(found).sum() < len(found)
    assert np.nanmin(found) > 0
