"""Small files appear whole or not at all."""

from pathlib import Path

import pytest

from pipeline import atomic
from pipeline.errors import InputError
from tests.store.test_store import files_limited_to


def test_writes_text_and_bytes_and_makes_the_folders(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a" / "b" / "text", "Größe\n")
    atomic.write(tmp_path / "a" / "b" / "bytes", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "text").read_text() == "Größe\n"
    assert (tmp_path / "a" / "b" / "bytes").read_bytes() == b"\x00\xff"
    assert len(list((tmp_path / "a" / "b").iterdir())) == 2


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "table"
    atomic.write(path, "old")
    with files_limited_to(1000), pytest.raises(InputError, match=rf"{path}: cannot be written: "):
        atomic.write(path, "new" * 1000)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match=r"a/b: cannot be written: "):
        atomic.write(tmp_path / "a" / "b", "text")
