"""Labels are joined on the id; what finds no partner is said, and what cannot be told is refused by line."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.sources.labels import Labels, inside, join, read_table

IDS = ["deep/a.npy", "deep/b.npy", "c.npy", "c.fits"]
Join = Callable[..., Labels]


@pytest.fixture
def joined(tmp_path: Path, section: Callable[..., Any]) -> Join:
    """Joins the text of a table with the images of some ids."""

    def join_text(text: str, *overrides: str, ids: list[str] = IDS) -> Labels:
        (tmp_path / "labels.csv").write_text(text)
        return join(section("ingest", f"ingest.path={tmp_path}", "ingest.labels=labels.csv", *overrides), ids)

    return join_text


def test_a_line_finds_its_image_by_its_id_in_any_order(joined: Join) -> None:
    found = joined("mass,id,note\n2e-23,c.npy,x\n1e-24,deep/a.npy,y\n")
    assert {row: line["mass"] for row, line in found.lines.items()} == {2: 2e-23, 0: 1e-24}
    assert (found.images_without_line, found.lines_without_image) == (2, 0)


def test_the_ending_may_be_left_out_where_one_image_is_meant(joined: Join, capsys: pytest.CaptureFixture[str]) -> None:
    found = joined("id,mass\ndeep/b,1\nc,2\n")
    assert {row: line["mass"] for row, line in found.lines.items()} == {1: 1.0}, "c is c.npy or c.fits"
    assert "1 lines without an image (c), of 4 images" in capsys.readouterr().out


def test_what_finds_no_partner_is_said_on_either_side(joined: Join, capsys: pytest.CaptureFixture[str]) -> None:
    found = joined(f"id,mass\nc.fits,1\nx,1\ny,1\nz,1\n{'w' * 500},1\n")
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "ingest: labels: 3 images without a line (deep/a.npy, deep/b.npy, c.npy), of 4 images",
        "ingest: labels: 4 lines without an image (x, y, z, ...), of 4 images",
    ]
    assert (found.images_without_line, found.lines_without_image) == (3, 4)


def test_a_very_long_id_is_not_repeated_whole(joined: Join, capsys: pytest.CaptureFixture[str]) -> None:
    joined(f"id,mass\nc.fits,1\n{'w' * 500},1\n")
    assert f"({'w' * 80}…)" in capsys.readouterr().out


@pytest.mark.parametrize("cell", ["", "  ", "nan", "NaN"])
def test_an_empty_cell_is_an_unknown_value(joined: Join, cell: str) -> None:
    assert math.isnan(joined(f"id,mass\nc.fits,{cell}\n").lines[3]["mass"])  # type: ignore[arg-type]


def test_words_are_kept_as_they_are_written(joined: Join) -> None:
    found = joined("id,mass,halo,kind\nc.fits,1,007, axion \n", "ingest.identities=[halo]", "ingest.class_column=kind")
    assert found.lines[3] == {"mass": 1.0, "halo": "007", "kind": "axion"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,mass\nc.fits,1\nc.npy,heavy\n", r"labels\.csv: line 3: mass is 'heavy', not a number"),
        ("id,mass\nc.fits,inf\n", r"labels\.csv: line 2: mass is 'inf'; leave the cell empty if it is unknown"),
        ("id,mass\nc.fits,1\n,2\n", r"labels\.csv: line 3 has no id; it must name its image"),
        ("id,mass\nc.fits,1\nc.fits,1\n", r"labels\.csv: line 3: c\.fits is there twice; one line an image"),
        ("id,mass\ndeep/a.npy,1\ndeep/a,1\n", r"labels\.csv: line 3: deep/a is there twice"),
        ("id,mass\nx,1\n", r"labels\.csv: no id names an image: it has x, where the images are deep/a\.npy"),
        ("id,mass\n", r"labels\.csv: no id names an image: it has no line"),
        ("id,weight\nc.fits,1\n", r"labels\.csv: no column 'mass'; there are id, weight"),
        ("name,mass\nc.fits,1\n", r"labels\.csv: no column 'id'; there are name, mass"),
        ("", r"labels\.csv: not a readable table"),
        ("id,mass\nc.fits,1,2,3\n", r"labels\.csv: "),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(joined: Join, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        joined(text)


def test_parquet_says_what_csv_says(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b", None], "mass": [1e-24, None, 0.1], "count": [1, 2, 3]})
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / "t.csv", index=False)
    parquet, csv = (read_table(tmp_path / f"t.{ending}") for ending in ("parquet", "csv"))
    assert parquet["id"].tolist() == csv["id"].tolist() == ["a", "b", ""]
    assert parquet["count"].tolist() == csv["count"].tolist() == ["1", "2", "3"]
    assert [float(cell) if cell else None for cell in parquet["mass"]] == [1e-24, None, 0.1]


def test_a_table_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.csv: no such file"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(InputError, match=r"t\.parquet: not a readable table"):
        read_table(tmp_path / "t.parquet")


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    for name in ("../secret", "deep/../../secret", str(tmp_path / "secret"), "link"):
        with pytest.raises(InputError, match=rf"^key: {name} lies outside .*in; put it in"):
            inside(tmp_path / "in", name, "key")
    with pytest.raises(InputError, match=r"^key: 'a\\x00b' is no name of a file"):
        inside(tmp_path / "in", "a\0b", "key")
    assert inside(tmp_path / "in", "deep/../x", "key").resolve() == (tmp_path / "in" / "x").resolve()
