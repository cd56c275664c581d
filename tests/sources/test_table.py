"""Source `table`: a line is an image, in the table's order; the table cannot lead out of its folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from pipeline.errors import InputError, Refused
from pipeline.sources import Source, table

Open = Callable[..., Source]


@pytest.fixture
def opened(tmp_path: Path, section: Callable[..., Any]) -> Open:
    """Opens a table of this text, beside images whose pixels are all 1, 2 and 3."""
    np.save(tmp_path / "a.npy", np.full((6, 6), 1.0))
    (tmp_path / "deep").mkdir()
    np.save(tmp_path / "deep" / "b.NPY", np.full((6, 6), 2.0))
    (tmp_path / "deep" / "b.NPY.npy").rename(tmp_path / "deep" / "b.NPY")
    fits.PrimaryHDU(np.full((6, 6), 3.0), fits.Header({"EXPTIME": 50.0})).writeto(tmp_path / "c.fits")

    def open_text(text: str, *overrides: str) -> Source:
        (tmp_path / "cutouts.csv").write_text(text)
        words = ("ingest.source=table", f"ingest.path={tmp_path}", "ingest.labels=cutouts.csv", *overrides)
        return table.open_source(section("ingest", *words))

    return open_text


GOOD = "id,file,mass,halo\nthird,c.fits,1e-23,h1\nfirst,a.npy,1e-24,h2\nsecond,deep/b.NPY,,h1\n"


def test_every_line_is_an_image_in_the_tables_order(opened: Open) -> None:
    lenses = opened(GOOD).read(np.arange(3))
    assert lenses.id.tolist() == ["third", "first", "second"]
    np.testing.assert_array_equal(lenses.images[:, 0, 0, 0], [3, 1, 2])
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], [-23, -24, np.nan])
    np.testing.assert_array_equal(lenses.observed["exposure"], [50, np.nan, np.nan])


def test_a_shared_halo_is_a_group(opened: Open) -> None:
    third, first, second = opened(GOOD, "ingest.identities=[halo]").read(np.arange(3)).group
    assert third == second != first


def test_one_file_may_be_several_lines(opened: Open) -> None:
    lenses = opened("id,file,mass\nx,a.npy,1\ny,a.npy,2\n").read(np.array([1, 0]))
    assert lenses.id.tolist() == ["y", "x"]
    np.testing.assert_array_equal(lenses.images[0], lenses.images[1])


def test_a_file_that_is_not_there_or_broken_is_a_row_that_is_refused(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    source = opened("id,file,mass\nx,a.npy,1\ny,gone.npy,2\nz,broken.npy,3\n")
    with pytest.raises(Refused) as caught:
        source.read(np.arange(3))
    names, reasons = zip(*(caught.value.reasons[row] for row in (1, 2)), strict=True)
    assert set(caught.value.reasons) == {1, 2}
    assert names == ("y", "z")
    assert reasons[0].endswith("gone.npy: no such file")
    assert "broken.npy: not a readable .npy file" in reasons[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,file,mass\nx,../a.npy,1\n", r"cutouts\.csv: line 2: \.\./a\.npy lies outside"),
        ("id,file,mass\nx,a.npy,1\ny,/etc/passwd,1\n", r"cutouts\.csv: line 3: /etc/passwd lies outside"),
        ("id,file,mass\nx,a.png,1\n", r"cutouts\.csv: line 2: a\.png is none of \.npy, \.fits, \.fit"),
        ("id,file,mass\nx,,1\n", r"cutouts\.csv: line 2 names no file"),
        ("id,file,mass\n,a.npy,1\n", r"cutouts\.csv: line 2 has no id"),
        ("id,file,mass\nx,a.npy,1\ny,a.npy,1\nx,a.npy,1\n", r"lines 2 and 4 have the same id 'x'"),
        ("id,path,mass\nx,a.npy,1\n", r"cutouts\.csv: no column 'file'; there are id, path, mass"),
        ("id,file\nx,a.npy\n", r"cutouts\.csv: no column 'mass'; there are id, file"),
        ("id,file,mass\n", r"cutouts\.csv: no line in it"),
        ("id,file,mass\nx,gone.npy,1\n", r"gone\.npy: no such file; nor can any of the first 1 images be used"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(opened: Open, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(text)


def test_a_table_is_needed(opened: Open) -> None:
    with pytest.raises(InputError, match=r"ingest\.labels: source table needs one"):
        opened(GOOD, "ingest.labels=''")
