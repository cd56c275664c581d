"""Source `zarr`: a store of ours, so that one project's images are another's source; or somebody else's Zarr group.

Ours is recognised by its manifest and taken as it is: masks, sky rms, classes, groups and what is known of the
observation come along, and so does a target that both projects have under one name, already transformed. Of another
group, version 2 or 3, one array is the images and one-dimensional ones beside it are labels, as in HDF5.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.arrays import Format, Header
from pipeline.sources.cubes import open_cubes
from pipeline.sources.files import below
from pipeline.sources.stores import open_store
from pipeline.store import foreign

ROOTS = ("zarr.json", ".zgroup")  # of version 3 and 2


def open_source(ingest: Ingest) -> Source:
    """The group at `ingest.path`, or those below it that match `ingest.pattern` (by default all *.zarr)."""
    itself = Path(ingest.path).absolute()
    folder, names = (itself.parent, [itself.name]) if is_group(itself) else below(ingest, ("**/*.zarr",), is_group)
    ours = [name for name in names if is_ours(folder / name)]
    if ours and len(names) > 1:
        raise InputError(f"{folder}: several groups, and {ours[0]} is a store of ours; ingest.pattern chooses one")
    if ours:
        return open_store(ingest, folder / ours[0])
    return open_cubes(ingest, Format(headers, values), folder, names)


def is_group(folder: Path) -> bool:
    return any((folder / root).is_file() for root in ROOTS)


def is_ours(folder: Path) -> bool:
    """Whether the root speaks of what only our manifests have, be it damaged."""
    root = folder / "zarr.json"
    return root.is_file() and all(word in root.read_bytes() for word in (b'"schema"', b'"cuts"', b'"shards"'))


def headers(path: Path) -> dict[str, Header]:
    """Every array of a group, and of the groups in it."""
    return {name: _header(array) for name, array in _opened(path).items()}


def _header(array: Any) -> Header:
    pieces, units = array.shards or array.chunks, array.attrs.get("units", "")
    return Header(
        shape=tuple(array.shape),
        dtype="str" if array.dtype.kind in "UST" else array.dtype.str,
        chunk_rows=pieces[0] if pieces else 1,
        units=units if isinstance(units, str) else "",
        fault="" if array.shape else "it has no axes",
    )


def values(path: Path, name: str, start: int, stop: int) -> Shaped[np.ndarray, "n ..."]:
    """Rows [start, stop) of an array, in its own type."""
    try:
        return np.asarray(_opened(path)[name][start:stop])
    except InputError:
        raise
    except Exception as error:  # zarr raises whatever its codecs raise
        raise InputError(f"{path / name}: not readable: {error or type(error).__name__}") from error


def _opened(path: Path) -> Mapping[str, Any]:
    return _arrays(path, tuple((path / root).stat().st_mtime_ns for root in ROOTS if (path / root).is_file()))


@lru_cache(maxsize=1)
def _arrays(path: Path, changed: tuple[int, ...]) -> Mapping[str, Any]:
    """Opened once a process: that every chunk is there takes a listing."""
    return foreign(path)
