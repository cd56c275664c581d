"""What a table says of the images: targets, classes, identities and positions, joined on the id of a row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.errors import InputError
from pipeline.params import Ingest

NAMED = 3  # ids that a report gives as examples,
LONG = 80  # and how many letters of each


@dataclass(frozen=True)
class Labels:
    """Lines of a table by the row that they belong to, and how many found no partner on either side."""

    lines: Mapping[int, Mapping[str, float | str]] = field(default_factory=dict)
    images_without_line: int = 0
    lines_without_image: int = 0


def join(ingest: Ingest, ids: Sequence[str]) -> Labels:
    """The lines of the table `ingest.labels` that belong to these rows; unmatched ones on either side are reported.

    A line names its image by its id, or by its id without the ending where that means one image only. An empty cell
    is an unknown value. Raises `InputError` for a column that is not there, a number that is none, a line without
    an id, two lines of one image, and a table of which no line matches.
    """
    path = inside(Path(ingest.path), ingest.labels, "ingest.labels")
    table = read_table(path)
    numbers, words = _columns(ingest)
    for column in (ingest.label_id, *numbers, *words):
        if column not in table:
            raise InputError(f"{path}: no column {column!r}; there are {', '.join(table.columns)}")
    known, lines, strangers = _by_name(ids), {}, []
    for line, cells in enumerate(table.to_dict("records"), start=2):
        name = cells[ingest.label_id].strip()
        if not name:
            raise InputError(f"{path}: line {line} has no {ingest.label_id}; it must name its image")
        if name not in known:
            strangers.append(name)
            continue
        if known[name] in lines:
            raise InputError(f"{path}: line {line}: {name} is there twice; one line an image")
        lines[known[name]] = {column: _number(path, line, column, cells[column]) for column in numbers} | {
            column: cells[column].strip() for column in words
        }
    lonely = [name for row, name in enumerate(ids) if row not in lines]
    if not lines:
        raise InputError(
            f"{path}: no {ingest.label_id} names an image: it has {strangers[0] if strangers else 'no line'}, "
            f"where the images are {ids[0]}, ..."
        )
    _report(ids, lonely, strangers)
    return Labels(lines, len(lonely), len(strangers))


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet table as text, "" where a cell is empty: nothing in it is guessed."""
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            if not all(isinstance(column, str) for column in table.columns):
                raise ValueError("its columns have no names")
            return table.astype(object).where(table.notna(), "").map(_text)
        return pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; ingest.labels is a table inside ingest.path") from None
    except Exception as error:  # the readers of foreign bytes fail in every way there is
        raise InputError(f"{path}: not a readable table: {error}") from error


def inside(root: Path, name: str, key: str) -> Path:
    """The path of a file below a folder. Raises `InputError`, beginning with `key`, if it leads out of it."""
    if "\0" in name:
        raise InputError(f"{key}: {name!r} is no name of a file")
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{key}: {name} lies outside {root}; put it in, so that DVC sees it change")
    return path


def _columns(ingest: Ingest) -> tuple[list[str], list[str]]:
    """The columns of numbers and of words that the parameters ask for."""
    cuts = [step.cutout for step in ingest.prepare if step.cutout]
    positions = {name for cut in cuts for name in (cut.x, cut.y, cut.ra, cut.dec) if name}
    words = dict.fromkeys([*ingest.identities, *([ingest.class_column] if ingest.class_column else [])])
    return sorted({how.column for how in ingest.targets.values()} | positions), list(words)


def _by_name(ids: Sequence[str]) -> dict[str, int]:
    """Rows by id, and by id without its ending where that means one row only."""
    stems: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        stems.setdefault(PurePosixPath(name).with_suffix("").as_posix(), []).append(row)
    once = {stem: rows[0] for stem, rows in stems.items() if len(rows) == 1}
    return once | {name: row for row, name in enumerate(ids)}


def _number(path: Path, line: int, column: str, cell: str) -> float:
    """A cell as a number; an empty one is NaN."""
    try:
        value = float(cell) if cell.strip() else math.nan
    except ValueError:
        raise InputError(f"{path}: line {line}: {column} is {cell!r}, not a number") from None
    if math.isinf(value):
        raise InputError(f"{path}: line {line}: {column} is {cell!r}; leave the cell empty if it is unknown")
    return value


def _text(value: object) -> str:
    """A cell as a CSV would spell it; `repr` keeps every digit of a number."""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _report(ids: Sequence[str], lonely: list[str], strangers: list[str]) -> None:
    for what, names in (("images without a line", lonely), ("lines without an image", strangers)):
        if names:
            more = ", ..." if len(names) > NAMED else ""
            first = ", ".join(name if len(name) <= LONG else f"{name[:LONG]}…" for name in names[:NAMED])
            print(f"ingest: labels: {len(names)} {what} ({first}{more}), of {len(ids)} images")
