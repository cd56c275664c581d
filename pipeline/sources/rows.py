"""What sources that read files share: rows joined with their labels, prepared, checked, and refused by name."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, Shaped
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.errors import InputError, Refused
from pipeline.params import Ingest, TargetSource, plain
from pipeline.sources import OBSERVED, Lenses, Source, group_of
from pipeline.sources.frame import Frame
from pipeline.sources.labels import Labels, join
from pipeline.sources.prepare import prepared
from pipeline.sources.units import check as check_unit
from pipeline.sources.units import unit_of

TRIED = 100  # rows from which shape and unit of all are taken, if the first of them cannot be read
Load = Callable[[int], Frame]
Words = Mapping[str, float | str]


def open_rows(
    ingest: Ingest,
    ids: Sequence[str],
    load: Load,
    fingerprint: str,
    identities: Shaped[np.ndarray, "n i"] | None = None,
    labels: Labels | None = None,
) -> Source:
    """A source of which `ids[i]` names row i and `load(i)` gives its frame, or raises `InputError`.

    `load` must be picklable. Labels come from the table `ingest.labels`, and where that says nothing from the frame;
    `identities` are those that the files themselves hold; `labels` is the table where it has been joined already. The
    first row that can be read decides the shape and the unit of all.
    """
    for name, how in ingest.targets.items():
        check_unit(name, how)
    _check_unique(ids)
    if labels is None:
        labels = join(ingest, ids) if ingest.labels else Labels()
    if identities is None:
        identities = _identities(ingest, labels, len(ids))
    groups = _groups(ids, identities)
    rows = Rows(ingest, tuple(ids), load, labels.lines, identities, groups)
    first = _first(rows)
    bands, height, width = first.image.shape
    return Source(
        rows=len(ids),
        shape=(bands, height, width),
        target_units={name: unit_of(how) for name, how in ingest.targets.items()},
        read=replace(rows, shape=first.image.shape, units=first.units),
        units=ingest.units or first.units,
        provenance=_provenance(ingest, len(ids), labels),
        fingerprint=fingerprint,
        pixel_scale=ingest.pixel_scale,
        psf_fwhm=ingest.psf_fwhm,
        masked=ingest.nan != "refuse",
        identities=tuple(ingest.identities),
    )


@dataclass(frozen=True)
class Rows:
    """Reads rows of the source; every one that cannot be used is refused, with its reason, in one go."""

    ingest: Ingest
    ids: tuple[str, ...]
    load: Load
    lines: Mapping[int, Words]  # of the table, by row
    identities: Shaped[np.ndarray, "n i"]
    groups: Int[np.ndarray, " n"]
    shape: tuple[int, ...] | None = None  # that every frame must have
    units: str | None = None  # of the pixels, likewise; "" unknown

    def __call__(self, rows: Int[np.ndarray, " m"]) -> Lenses:
        frames: dict[int, Frame] = {}
        targets: dict[int, list[float]] = {}
        reasons: dict[int, tuple[str, str]] = {}
        for row in rows.tolist():
            try:
                frame = self.frame(row)
                targets[row] = [_target(frame.labels, how) for how in self.ingest.targets.values()]
                frames[row] = frame
            except ValueError as error:
                reasons[row] = self.ids[row], _reason(str(error), self.ids[row])
        if reasons:
            raise Refused(reasons)
        made = [frames[row] for row in rows.tolist()]
        return self._lenses(rows, made, np.array([targets[row] for row in rows.tolist()]))

    def frame(self, row: int) -> Frame:
        """One row, prepared and with all its labels. Raises `ValueError`."""
        frame = self.load(row)
        labels = {**frame.labels, **self.lines.get(row, {})}
        kind = str(labels.get(self.ingest.class_column) or frame.kind)
        observed = {name: frame.observed.get(name, math.nan) for name in OBSERVED}
        for name in ("pixel_scale", "psf_fwhm"):
            if math.isnan(observed[name]):
                observed[name] = getattr(self.ingest, name) or math.nan
        frame = replace(frame, labels=labels, kind=kind, observed=observed)
        frame = prepared(frame, self.ingest.prepare, self.ingest.nan, _position(frame, self.ingest))
        _check(frame, self.shape, self.ids[0])
        if frame.units and self.units is not None and frame.units != self.units and not self.ingest.units:
            raise ValueError(
                f"its pixels are in {frame.units}, those of {self.ids[0]} in {self.units or 'no stated unit'}; all "
                "must have one unit (ingest.units states it, where it is only written in two ways)"
            )
        return frame

    def _lenses(self, rows: Int[np.ndarray, " m"], frames: list[Frame], targets: np.ndarray) -> Lenses:
        names = list(self.ingest.targets)
        masked = self.ingest.nan != "refuse"
        return Lenses(
            images=np.stack([frame.image for frame in frames]),
            targets={name: targets[:, i] for i, name in enumerate(names)},
            id=np.array([self.ids[row] for row in rows.tolist()]),
            group=self.groups[rows],
            noise=np.array([frame.noise for frame in frames], dtype=np.float32),
            mask=np.stack([m for frame in frames if (m := frame.mask) is not None]) if masked else None,
            kind=np.array([frame.kind for frame in frames]),
            identities=self.identities[rows] if self.ingest.identities else None,
            observed={name: np.array([frame.observed[name] for frame in frames]) for name in OBSERVED},
        )


def _reason(said: str, name: str) -> str:
    """What an `InputError` says of a row, without the path of its file where that ends in the row's name."""
    folder, found, reason = said.partition(f"{name}: ")
    return reason if found and (not folder or folder.endswith("/")) else said


def _check(frame: Frame, shape: tuple[int, ...] | None, first: str) -> None:
    if shape is not None and frame.image.shape != shape:
        size, expected = (" x ".join(map(str, s)) for s in (frame.image.shape, shape))
        raise ValueError(
            f"{size} pixels, but the first image has {expected}; all must have one size (ingest.prepare can cut it out)"
        )
    if not np.isfinite(frame.image).all():
        raise ValueError("some pixel is beyond what float32 holds; scale the images down")
    if not frame.image.any():
        raise ValueError("every pixel is zero")


def _target(labels: Words, how: TargetSource) -> float:
    """One target of one image from its labels; NaN where they say nothing."""
    value = labels.get(how.column, math.nan)
    if isinstance(value, str):
        raise ValueError(f"its {how.column} is {value!r}, not a number")
    if how.transform == "none" or math.isnan(value):
        return value
    if value <= 0:
        raise ValueError(f"its {how.column} is {value:g}; a log10 needs it above zero")
    return math.log10(value)


def _position(frame: Frame, ingest: Ingest) -> tuple[float, float] | None:
    """Where the lens is, in pixels of the file, if a cutout asks for a column of it."""
    cut = next((step.cutout for step in ingest.prepare if step.cutout and (step.cutout.x or step.cutout.ra)), None)
    if cut is None:
        return None
    if cut.x:
        return _number(frame.labels, cut.x), _number(frame.labels, cut.y)
    if frame.to_pixel is None:
        raise ValueError(f"it has no celestial WCS, which a cutout about {cut.ra} and {cut.dec} needs")
    return frame.to_pixel(_number(frame.labels, cut.ra), _number(frame.labels, cut.dec))


def _number(labels: Words, column: str) -> float:
    value = labels.get(column, math.nan)
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError(f"its position is unknown: no number in column {column!r}")
    return value


def _check_unique(ids: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(ids):
        if name in seen:
            raise InputError(f"{name}: is the id of rows {seen[name]} and {row}; every image needs one of its own")
        seen[name] = row


def _identities(ingest: Ingest, labels: Labels, rows: int) -> Shaped[np.ndarray, "n i"]:
    """Names of halo, source galaxy and so on, from the table; "" where it says nothing."""
    lines = (labels.lines.get(row, {}) for row in range(rows))
    found = [[str(line.get(name, "")) for name in ingest.identities] for line in lines]
    return np.array(found, dtype=str).reshape(rows, len(ingest.identities))


def _groups(ids: Sequence[str], identities: Shaped[np.ndarray, "n i"]) -> Int[np.ndarray, " n"]:
    """Rows that share any identity, directly or through others, are one group, named after its first id in the
    alphabet: the order of the rows does not matter."""
    row, column = np.nonzero(identities != "")
    names = np.array([f"{c}:{name}" for c, name in zip(column, identities[row, column], strict=True)], dtype=str)
    known, name = np.unique(names, return_inverse=True)
    nodes = len(ids) + len(known)  # rows, then names; an edge from a row to every name it has
    edges = coo_matrix((np.ones(len(row)), (row, len(ids) + name)), shape=(nodes, nodes))
    component = connected_components(edges, directed=False)[1][: len(ids)]
    order = np.argsort(np.array(ids, dtype=str), kind="stable")
    first = {int(component[i]): ids[i] for i in reversed(order.tolist())}
    return np.array([group_of(first[int(c)]) for c in component], dtype=np.int64)


def _first(rows: Rows) -> Frame:
    """The first row that can be read."""
    failures = []
    for row in range(min(TRIED, len(rows.ids))):
        try:
            return rows.frame(row)
        except ValueError as error:
            failures.append(f"{rows.ids[row]}: {error}")
    raise InputError(f"{failures[0]}; nor can any of the first {len(failures)} images be used")


def _provenance(ingest: Ingest, rows: int, labels: Labels) -> dict[str, object]:
    return {
        "source": ingest.source,
        "images": rows,
        "targets": {name: plain(how) for name, how in ingest.targets.items()},
        "labels": {
            "table": bool(ingest.labels),
            "images_without_line": labels.images_without_line,
            "lines_without_image": labels.lines_without_image,
        },
        "bands": ingest.bands,
        "nan": ingest.nan,
        "prepare": [plain(step) for step in ingest.prepare],
        "noise": ingest.noise,
    }
