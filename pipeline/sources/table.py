"""Source `table`: cutouts listed in a CSV or Parquet table, a line an image.

The table is `ingest.labels`; its column `ingest.file_column` says which file below `ingest.path` a line's image is in
(.npy or .fits), `ingest.label_id` what the row is called, and its other columns are the labels.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source, deeplense, fits
from pipeline.sources.files import fingerprint_of
from pipeline.sources.frame import Frame
from pipeline.sources.labels import inside, read_table
from pipeline.sources.rows import open_rows

READERS = {".npy": deeplense.read_image, ".fits": fits.read_image, ".fit": fits.read_image}


def open_source(ingest: Ingest) -> Source:
    """Every line of the table. A file that is not there, or cannot be read, is a row that is refused."""
    if not ingest.labels:
        raise InputError("ingest.labels: source table needs one: the table of images, inside ingest.path")
    root = Path(ingest.path)
    path = inside(root, ingest.labels, "ingest.labels")
    table = read_table(path)
    for column in (ingest.label_id, ingest.file_column):
        if column not in table:
            raise InputError(f"{path}: no column {column!r}; there are {', '.join(table.columns)}")
    if table.empty:
        raise InputError(f"{path}: no line in it; a line is an image")
    ids = [str(name).strip() for name in table[ingest.label_id]]
    files = [_file(path, root, line, str(name).strip()) for line, name in enumerate(table[ingest.file_column], 2)]
    _check_ids(path, ids)
    there = sorted({file.relative_to(root).as_posix() for file in files if file.is_file()})
    return open_rows(ingest, ids, _Load(ingest, files), fingerprint_of(root, [ingest.labels, *there]))


@dataclass(frozen=True)
class _Load:
    ingest: Ingest
    files: list[Path]

    def __call__(self, row: int) -> Frame:
        file = self.files[row]
        if not file.is_file():
            raise InputError(f"{file}: no such file")
        return READERS[file.suffix.lower()](self.ingest, file)


def _file(table: Path, root: Path, line: int, name: str) -> Path:
    """Where the image of a line is: below the folder, whatever the table says."""
    if not name:
        raise InputError(f"{table}: line {line} names no file")
    file = inside(root, name, f"{table}: line {line}")
    if file.suffix.lower() not in READERS:
        raise InputError(f"{table}: line {line}: {name} is none of {', '.join(READERS)}")
    return file


def _check_ids(table: Path, ids: list[str]) -> None:
    lines: dict[str, int] = {}
    for line, name in enumerate(ids, start=2):
        if not name:
            raise InputError(f"{table}: line {line} has no id; every image needs one")
        if name in lines:
            raise InputError(f"{table}: lines {lines[name]} and {line} have the same id {name!r}; one line an image")
        lines[name] = line
