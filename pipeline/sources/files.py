"""What sources that read a folder share: finding its files, and noticing that they have changed."""

from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.errors import InputError
from pipeline.fingerprint import digest
from pipeline.params import Ingest


def below(ingest: Ingest, patterns: tuple[str, ...], is_one: Callable[[Path], bool]) -> tuple[Path, list[str]]:
    """The folder, and the things in it that match `ingest.pattern` or else `patterns`, as sorted relative names."""
    root, patterns = Path(ingest.path), (ingest.pattern,) if ingest.pattern else patterns
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; ingest.path names the one that holds your images")
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise InputError(f"ingest.pattern: {pattern!r} leads out of {root}; ingest.path is what DVC watches")
    found = {path for pattern in patterns for path in root.glob(pattern) if is_one(path)}
    if not found:
        raise InputError(f"{root}: nothing of source {ingest.source} matches {' or '.join(patterns)} (ingest.pattern)")
    return root, sorted(path.relative_to(root).as_posix() for path in found)


def chosen_bands(ingest: Ingest, path: Path, bands: int) -> list[int]:
    """The bands to keep of an image. Raises `InputError` for one that it does not have."""
    for band in ingest.bands:
        if band >= bands:
            raise InputError(f"{path}: no band {band} (ingest.bands); it has {bands}, counted from 0")
    return ingest.bands or list(range(bands))


def fingerprint_of(root: Path, names: Iterable[str]) -> str:
    """Changes when a file is added, taken away, or written."""
    states = [(name, (root / name).stat()) for name in names]
    return digest([[name, state.st_size, state.st_mtime_ns] for name, state in states])
