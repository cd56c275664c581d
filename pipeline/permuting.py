"""Permutation importance: a trained network's answers when a feature is another lens's.

For each feature that a network sees beside others, its channels (a map, in all bands) or columns (a vector) are dealt
out anew among the test lenses, everything else staying where it is (Breiman 2001, Mach. Learn. 45, 5). By how much the
error grows is how much this network relies on the feature (Fisher, Rudin & Dominici 2019, J. Mach. Learn. Res. 20, 177:
model reliance, as a difference). It is not what the feature knows: features that say the same share it, or one has it
all; and an image beside another's ridge is like nothing that the network has been trained on (Hooker, Mentch & Zhou
2021, Stat. Comput. 31, 82). What a feature adds is told by networks trained without it.

The order is a uniform one of all permutations, by the run's seed and the feature's name: every backbone and training
size of a seed meets the same one, every seed another, so that the intervals over seeds hold its chance too. On average
one lens is dealt its own feature, which makes importance too small by one part in the number of lenses.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline import tables
from pipeline.answering import Answering
from pipeline.errors import InputError
from pipeline.places import place
from pipeline.store import Store

Parts = Mapping[str, list[int]]  # by array, `maps` or `vectors`: which channels or columns
Seen = Mapping[str, Float[np.ndarray, "n ..."]]


@dataclass(frozen=True)
class Permuting:
    """A network that answers for the test rows a second time, once a feature."""

    network: Answering
    seed: int

    def of(self, store: Store, start: int, stop: int) -> tables.Answer:
        """Of rows [start, stop) of a prepared store: what the network says, and of test rows what else it would."""
        said = self.network.of(store, start, stop)
        if "test" not in store.attributes["roles"]:
            return said
        seen = {name: store.read(name, start, stop) for name in self.network.arrays}
        targets, rows = store.read("target", start, stop), store.read("row", start, stop)
        found = {
            feature: self.network(dealt(seen, parts, order(self.seed, feature, len(rows))), targets, rows).point
            for feature, parts in features(store, self.network.arrays).items()
        }
        return replace(said, permuted=found)


def seed_of(folder: str) -> int:
    """The seed of the run in `folder`."""
    path = place(folder) / "fingerprint.json"
    if not path.is_file():
        raise InputError(f"{path}: missing; predict.permute takes the run's seed from it, so train it again")
    return int(json.loads(path.read_text())["seed"])


def order(seed: int, feature: str, count: int) -> Int[np.ndarray, " n"]:
    """For each of `count` lenses the one whose feature it is dealt."""
    return np.random.default_rng([seed, *feature.encode()]).permutation(count)


def dealt(seen: Seen, parts: Parts, partner: Int[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, "n ..."]]:
    """What is seen, with these channels and columns of each row's partner; they stay together."""
    made = dict(seen)
    for name, own in parts.items():
        made[name] = seen[name].copy()
        made[name][:, own] = seen[name][partner[:, None], own]
    return made


def features(store: Store, arrays: Sequence[str]) -> dict[str, Parts]:
    """The features of a prepared store that are seen in these arrays; none where it is a single one, which has nothing
    to stay beside. Raises `InputError` where it cannot be told whose a column is.
    """
    about: Mapping[str, Any] = store.attributes
    owners = {"maps": of_channels(about["channels"])}
    if "vectors" in arrays:
        try:
            owners["vectors"] = of_columns(about["columns"], about["symmetries"])
        except ValueError as error:
            raise InputError(f"{store.path}: {error}") from None
    found: dict[str, dict[str, list[int]]] = {}
    for name, labels in owners.items():
        for index, label in enumerate(labels):
            found.setdefault(label, {}).setdefault(name, []).append(index)
    return dict(found) if len(found) > 1 else {}


def of_channels(channels: Sequence[str]) -> list[str]:
    """The map feature of each channel. In several bands channels are called `ridge_0`, `ridge_1`, ..., all alike.

    A recipe of nothing but maps that are numbered like this looks the same, and they are taken for one map's bands.
    """
    for bands in range(len(channels), 1, -1):
        labels = [channel.removesuffix(f"_{i % bands}") for i, channel in enumerate(channels)]
        like = [f"{labels[i - i % bands]}_{i % bands}" for i in range(len(labels))]
        if len(channels) % bands == 0 and like == list(channels):
            return labels
    return list(channels)


def of_columns(columns: Sequence[str], vectors: Iterable[str]) -> list[str]:
    """The vector feature of each column: the longest name that it begins with (a plural may have lost its s)."""
    found, vectors = [], list(vectors)
    for column in columns:
        named = [label for label in vectors if column.startswith((label, label.removesuffix("s")))]
        if not named:
            raise ValueError(f"column {column!r} is called after none of the vectors {', '.join(vectors)}; rename it")
        found.append(max(named, key=len))
    if orphans := [label for label in vectors if label not in found]:
        raise ValueError(
            f"vector {orphans[0]!r} has no column that is not called after another; rename it in its recipe"
        )
    return found
