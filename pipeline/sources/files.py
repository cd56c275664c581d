"""What sources that read a folder of files share: finding them, joining targets, and refusing a bad image by name.

A source that stands on this gives one function, `load(path) -> (image, labels)`.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipeline.errors import InputError
from pipeline.params import Ingest, TargetSource, plain
from pipeline.sources import Lenses, Source, group_of

Labels = Mapping[str, float]
Load = Callable[[Path], tuple[np.ndarray, Labels]]


def find(folder: str, pattern: str) -> tuple[Path, list[str]]:
    """The folder, and the files in it that match a glob, as sorted paths relative to it."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder; ingest.path names the one that holds your images")
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise InputError(f"ingest.pattern: {pattern!r} leads out of {folder}; ingest.path is what DVC watches")
    names = sorted(p.relative_to(root).as_posix() for p in root.glob(pattern) if p.is_file())
    if not names:
        raise InputError(f"{folder}: no file matches {pattern!r}; ingest.pattern says which to read")
    return root, names


def open_files(ingest: Ingest, names: list[str], load: Load) -> Source:
    """A source of one image a file; the first file decides what shape all of them must have."""
    root = Path(ingest.path)
    first, _ = load(root / names[0])
    shape = (1, *first.shape)
    return Source(
        rows=len(names),
        shape=shape,
        target_names=tuple(ingest.targets),
        read=partial(_read, root, names, load, ingest.targets, shape),
        pixel_scale=ingest.pixel_scale,
        psf_fwhm=ingest.psf_fwhm,
        units=ingest.units,
        provenance={
            "source": ingest.source,
            "files": len(names),
            "targets": {name: plain(t) for name, t in ingest.targets.items()},
        },
    )


def _read(
    root: Path,
    names: list[str],
    load: Load,
    targets: Mapping[str, TargetSource],
    shape: tuple[int, int, int],
    start: int,
    stop: int,
) -> Lenses:
    wanted = names[start:stop]
    loaded = [load(root / name) for name in wanted]
    images = [
        _checked(root / name, image, shape[1:], names[0]) for name, (image, _) in zip(wanted, loaded, strict=True)
    ]
    columns = {
        target: np.array([_target(root / name, labels, how) for name, (_, labels) in zip(wanted, loaded, strict=True)])
        for target, how in targets.items()
    }
    return Lenses(
        images=np.stack(images)[:, None],
        targets=columns,
        id=np.array(wanted),
        group=np.array([group_of(name) for name in wanted], dtype=np.int64),
        noise=np.full(len(wanted), np.nan, dtype=np.float32),
    )


def _checked(path: Path, image: np.ndarray, shape: tuple[int, ...], first: str) -> Float[np.ndarray, "h w"]:
    """The image as float32, if it has the shape of the first file and a finite value in every pixel."""
    if image.shape != shape:
        size, expected = " x ".join(map(str, image.shape)), " x ".join(map(str, shape))
        raise InputError(f"{path}: {size} pixels, but {first} has {expected}; all images must have one size")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused next
        image = image.astype(np.float32)
    bad = int((~np.isfinite(image)).sum())
    if bad == image.size:
        raise InputError(f"{path}: every pixel is NaN or infinite; leave this file out (ingest.pattern)")
    if bad:
        raise InputError(f"{path}: {bad} of {image.size} pixels are NaN or infinite; mend or leave out this file")
    return image


def _target(path: Path, labels: Labels, how: TargetSource) -> float:
    """One target of one image from its labels; NaN where the file says nothing."""
    value = labels.get(how.column, math.nan)
    if how.transform == "none" or math.isnan(value):
        return value
    if value <= 0:
        raise InputError(f"{path}: its {how.column} is {value:g}; a log10 needs it above zero")
    return math.log10(value)
