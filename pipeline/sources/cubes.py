"""What sources share whose files hold many images each, as one array beside arrays of labels.

Pixels are read in blocks, and a block is kept for the rows that come next: rows in order cost one reading each.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from pipeline.errors import InputError
from pipeline.fingerprint import digest
from pipeline.params import Ingest
from pipeline.sources import Lenses, Source, group_of
from pipeline.sources.arrays import Column, Format, Headers, Values, axes, beside, column, images, row_bytes, standing
from pipeline.sources.frame import Frame
from pipeline.sources.rows import open_rows

Read = Callable[[Int[np.ndarray, " m"]], Lenses]
BLOCK_BYTES = 8 * 2**20  # of pixels read at once


@dataclass(frozen=True)
class Cube:
    """The images of one file: where they are and how to read them."""

    path: Path
    dataset: str
    axes: str  # as arrays.axes has them
    length: int  # of the first axis
    block: int  # of it read at once
    units: str  # of the pixels; "" unknown
    changed: tuple[int, int]  # bytes, and when [ns]: what was read of another version is forgotten
    values: Values

    @property
    def rows(self) -> int:
        return 1 if self.axes == "hw" else self.length

    def image(self, row: int) -> Shaped[np.ndarray, "b h w"]:
        found = _block(self, row - row % self.block)
        if isinstance(found, InputError):
            raise found
        return found[row % self.block]


@lru_cache(maxsize=2)
def _block(cube: Cube, start: int) -> Shaped[np.ndarray, "n b h w"] | InputError:
    """Some rows, or why they cannot be read: kept too, or each of them would try again."""
    stop = min(start + cube.block, cube.length)
    try:
        return standing(cube.values(cube.path, cube.dataset, start, stop), cube.axes)
    except InputError as error:
        return error


@dataclass(frozen=True)
class Cubes:
    """The images of all files, one after the other, and what the files say of each row."""

    cubes: list[Cube]
    ends: list[int]  # of the rows of each
    labels: dict[str, Column]
    kinds: list[str] | None

    def load(self, row: int) -> Frame:
        number = bisect_right(self.ends, row)
        cube = self.cubes[number]
        return Frame(
            image=cube.image(row - self.ends[number] + cube.rows),
            labels={name: values[row] for name, values in self.labels.items()},
            kind=self.kinds[row] if self.kinds else "",
            units=cube.units,
        )


def open_cubes(ingest: Ingest, kind: Format, root: Path, names: list[str]) -> Source:
    """The rows of all files, named relative to `root`, in this order."""
    found = [kind.headers(root / name) for name in names]
    cubes = [_cube(root / name, headers, ingest.dataset, kind) for name, headers in zip(names, found, strict=True)]

    def read(name: str) -> Column:
        """A column of all files."""
        parts = (column(c.path, h, c.dataset, name, c.rows, kind.values) for c, h in zip(cubes, found, strict=True))
        return [value for part in parts for value in part]

    kinds = [str(word) for word in read(ingest.class_column)] if ingest.class_column and not ingest.labels else None
    ends = list(accumulate(cube.rows for cube in cubes))
    ids = [row for parts in zip(names, cubes, found, strict=True) for row in _ids(*parts)]
    _once(ids, names, ends)
    identities = [[str(word) for word in read(name)] for name in ingest.identities if not ingest.labels]
    source = open_rows(
        ingest,
        ids,
        Cubes(cubes, ends, {name: _label(read(name)) for name in _asked_for(ingest)}, kinds).load,
        digest([[name, *cube.changed] for name, cube in zip(names, cubes, strict=True)]),
        identities=np.array(identities, dtype=str).T if identities else None,
    )
    if ingest.identities or not all(beside(c.dataset, "group") in h for c, h in zip(cubes, found, strict=True)):
        return source
    return grouped(source, np.array([group_of(str(word)) for word in read("group")], dtype=np.int64))


def grouped(source: Source, groups: Int[np.ndarray, " n"]) -> Source:
    """The source with groups of its own instead of one a row."""
    return replace(source, read=partial(_read_grouped, source.read, groups))


def _read_grouped(read: Read, groups: Int[np.ndarray, " n"], rows: Int[np.ndarray, " m"]) -> Lenses:
    return replace(read(rows), group=groups[rows])


def _cube(path: Path, headers: Headers, wanted: str, kind: Format) -> Cube:
    dataset = images(path, headers, wanted)
    header = headers[dataset]
    meaning = axes(f"{path}: {dataset}".removesuffix(": "), header.shape)
    many = max(1, BLOCK_BYTES // row_bytes(header))
    return Cube(
        path,
        dataset,
        meaning,
        length=header.shape[0],
        block=header.shape[0] if meaning == "hw" else many - many % header.chunk_rows or many,
        units=header.units,
        changed=_state(path),
        values=kind.values,
    )


def _state(path: Path) -> tuple[int, int]:
    """Size, and time of the last change [ns], of a file or a folder."""
    states = [file.stat() for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(state.st_size for state in states), max(state.st_mtime_ns for state in states)


def _asked_for(ingest: Ingest) -> list[str]:
    """The columns that params name, where no table has them."""
    if ingest.labels:
        return []
    cutouts = [step.cutout for step in ingest.prepare if step.cutout]
    positions = {name for cut in cutouts for name in (cut.x, cut.y, cut.ra, cut.dec) if name}
    return sorted({how.column for how in ingest.targets.values()} | positions)


def _label(values: Column) -> Column:
    return [value if isinstance(value, str) else float(value) for value in values]


def _ids(name: str, cube: Cube, headers: Headers) -> list[str]:
    """Those in the file, or its name and the number of the row."""
    key = beside(cube.dataset, "id")
    if key in headers and headers[key].shape == (cube.rows,):
        return [str(word) for word in column(cube.path, headers, cube.dataset, "id", cube.rows, cube.values)]
    width = len(str(cube.rows - 1))
    return [name] if cube.axes == "hw" else [f"{name}:{row:0{width}d}" for row in range(cube.rows)]


def _once(ids: list[str], names: list[str], ends: list[int]) -> None:
    """Raise unless every id is there once, and none is empty."""
    seen: dict[str, int] = {}
    for row, word in enumerate(ids):
        if word in seen or not word:
            places = [_where(at, names, ends) for at in ([seen[word], row] if word else [row])]
            raise InputError(f"{places[-1]}: " + (f"its id {word!r} is also that of {places[0]}" if word else "no id"))
        seen[word] = row


def _where(row: int, names: list[str], ends: list[int]) -> str:
    number = bisect_right(ends, row)
    return f"{names[number]}, row {row - (ends[number - 1] if number else 0)}"
