"""Classes as targets: 1 for the images of some classes, 0 for those of any other, unknown where the class is.

A network that is trained with squares on such a target answers with a probability: the mean of the label given the
image is that of its being 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Shaped

from pipeline.errors import InputError
from pipeline.params import PROBABILITY, TargetSource, plain
from pipeline.sources import Lenses, Source
from pipeline.sources.units import check as check_unit

Read = Callable[[Int[np.ndarray, " m"]], Lenses]
Targets = Mapping[str, TargetSource]


def with_classes(source: Source, targets: Targets) -> Source:
    """The source with a target more for each of `targets` that is of classes, after its own."""
    asked = {name: how for name, how in targets.items() if how.classes}
    if not asked:
        return source
    for name, how in asked.items():
        check_unit(name, how)
        if name in source.target_units:
            raise InputError(f"ingest.targets.{name}: the source has a target of this name; call the classes otherwise")
    return replace(
        source,
        target_units={**source.target_units, **dict.fromkeys(asked, PROBABILITY)},
        read=partial(_read, source.read, asked),
        provenance={**source.provenance, "classes": {name: plain(how)["classes"] for name, how in asked.items()}},
    )


def check(targets: Targets, kinds: Shaped[np.ndarray, " n"]) -> None:
    """Raise `InputError` for a class that none of these images has: its target would be 0 for a slip of the pen."""
    known = np.unique(kinds[kinds != ""]).tolist()
    there = f"there are {', '.join(known)}" if known else "none has a class (ingest.class_column names their column)"
    for name, how in targets.items():
        for one in how.classes:
            if one not in known:
                raise InputError(f"ingest.targets.{name}.classes: no image is of class {one!r}; {there}")


def _read(read: Read, targets: Targets, rows: Int[np.ndarray, " m"]) -> Lenses:
    lenses = read(rows)
    kinds = np.full(len(rows), "") if lenses.kind is None else lenses.kind
    return replace(lenses, targets={**lenses.targets, **{name: _is(kinds, how) for name, how in targets.items()}})


def _is(kinds: Shaped[np.ndarray, " m"], how: TargetSource) -> Float[np.ndarray, " m"]:
    return np.where(kinds == "", np.nan, np.isin(kinds, how.classes))
