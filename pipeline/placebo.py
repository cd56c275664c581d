"""Placebos: inputs as wide as a recipe's that say no more than its image, to tell more channels from more signal.

If networks do better on a recipe than on raw pixels, that can be what its features say, or merely that the network has
more to begin with: a wider first layer, other gradients. A placebo has the recipe's first map, which is the image, and
in place of the rest what cannot help: those of another image (`shuffled`), white noise (`noise`), or the first map
once more (`repeated`, which has no vectors). What the recipe gains over its placebos is signal.

Names and channels are the recipe's, and so is what its vectors promise to stay the same under, although noise stays
noise however the image turns: an augmentation that the recipe refuses is refused to its placebos, or the two would be
trained in different ways.

`engineer` computes what a placebo needs and writes down what it is; `normalise`, which knows the roles, makes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.errors import InputError

Made = dict[str, Any]  # maps (m, c, h, w) and, where there are any, vectors (m, k), in normalised units
Scaled = Callable[[Int[np.ndarray, " m"]], Made]  # what was computed of these rows of the image store
Statistics = dict[str, dict[str, list[float]]]
Options = Mapping[str, Mapping[str, Any]]


def needed(kind: str, maps: Options, vectors: Options) -> tuple[Options, Options]:
    """What of a recipe has to be computed for a placebo of it; all of it where there is no placebo (`""`)."""
    return (maps, vectors) if kind in ("", "shuffled") else (dict(islice(maps.items(), 1)), {})


def described(kind: str, recipe: str, channels: list[str], columns: list[str], bands: int) -> dict[str, Any]:
    """What a store of computed features says of the placebo that is to be made of it.

    `channels` and `columns` are the recipe's; its first map makes the first `bands` of the channels, which are kept.
    """
    if kind == "repeated":
        channels, columns = list(islice(cycle(channels[:bands]), len(channels))), []
    return {"kind": kind, "recipe": recipe, "kept": bands, "channels": channels, "columns": columns}


@dataclass(frozen=True)
class Itself:
    """No placebo: what was computed."""

    def statistics(self, fitted: Statistics) -> Statistics:
        """Mean and standard deviation of every channel and column of the input, from those of what was computed."""
        return fitted

    def __call__(self, rows: Int[np.ndarray, " m"], scaled: Scaled) -> Made:
        """The maps and vectors of these rows of the image store."""
        return scaled(rows)


@dataclass(frozen=True)
class Shuffled:
    """All but the first map is another image's. Each role has the same values as without, so the same statistics."""

    kept: int  # channels
    partner: Int[np.ndarray, " n"]  # by row of the image store: the row whose features it is given

    def statistics(self, fitted: Statistics) -> Statistics:
        return fitted

    def __call__(self, rows: Int[np.ndarray, " m"], scaled: Scaled) -> Made:
        made = scaled(self.partner[rows])
        made["maps"][:, : self.kept] = scaled(rows)["maps"][:, : self.kept]
        return made


@dataclass(frozen=True)
class Noise:
    """All but the first map is white noise of mean zero and unit spread, a draw of its own for each row."""

    kept: int
    channels: int  # all of them
    columns: int
    seed: int

    def statistics(self, fitted: Statistics) -> Statistics:
        drawn = {"maps": self.channels - self.kept, "vectors": self.columns}
        unit = {name: {"mean": [0.0] * count, "std": [1.0] * count} for name, count in drawn.items() if count}
        return fitted | {name: _joined(fitted.get(name, {}), scale) for name, scale in unit.items()}

    def __call__(self, rows: Int[np.ndarray, " m"], scaled: Scaled) -> Made:
        maps = scaled(rows)["maps"]
        shape = (self.channels - self.kept, *maps.shape[2:])
        pixels = int(np.prod(shape))
        drawn = noise(rows, pixels + self.columns, self.seed)
        made = {"maps": np.concatenate([maps, drawn[:, :pixels].reshape(-1, *shape)], axis=1)}
        return made | ({"vectors": drawn[:, pixels:]} if self.columns else {})


@dataclass(frozen=True)
class Repeated:
    """The first map, over and over."""

    times: int

    def statistics(self, fitted: Statistics) -> Statistics:
        return fitted | {"maps": {key: values * self.times for key, values in fitted["maps"].items()}}

    def __call__(self, rows: Int[np.ndarray, " m"], scaled: Scaled) -> Made:
        return {"maps": np.tile(scaled(rows)["maps"], (1, self.times, 1, 1))}


Placebo = Itself | Shuffled | Noise | Repeated


def chosen(
    said: Mapping[str, Any],
    roles: Mapping[str, Int[np.ndarray, " m"]],
    groups: Int[np.ndarray, " n"],
    seed: int,
) -> Placebo:
    """The placebo that a store describes, for rows dealt to these roles. `groups` are of all rows of the store."""
    kept, channels = said["kept"], len(said["channels"])
    makers: dict[str, Callable[[], Placebo]] = {
        "shuffled": lambda: Shuffled(kept, partners(roles, groups, seed)),
        "noise": lambda: Noise(kept, channels, len(said["columns"]), seed),
        "repeated": lambda: Repeated(channels // kept),
    }
    return makers[said["kind"]]()


def partners(
    roles: Mapping[str, Int[np.ndarray, " m"]], groups: Int[np.ndarray, " n"], seed: int
) -> Int[np.ndarray, " n"]:
    """For each row another one of its role, each the partner of exactly one row; -1 of a row without a role.

    Never one of its own group, which may be the same lens once more: with the groups of a role side by side in random
    order, the partner is as many places on as the largest group is long. Raises `InputError` for a role of which one
    group is more than half.
    """
    generator = np.random.default_rng(seed)
    found = np.full(len(groups), -1)
    for role, rows in roles.items():
        _, group, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
        longest = int(sizes.max(initial=0))
        if 2 * longest > len(rows):
            raise InputError(
                f"train.inputs: a shuffled input needs other lenses to take features from, and {longest} of the "
                f"{len(rows)} rows of {role} are of one group; give {role} more groups, or drop that input"
            )
        order = rows[np.lexsort((generator.random(len(rows)), generator.permutation(len(sizes))[group]))]
        found[order] = np.roll(order, -longest)
    return found


def noise(rows: Int[np.ndarray, " m"], count: int, seed: int) -> Float[np.ndarray, "m count"]:
    """`count` standard normal numbers for each row, from the counter-based generator Philox (Salmon et al. 2011, SC 11)
    keyed by seed and row: the same whichever block or worker asks for the row."""
    drawn = np.empty((len(rows), count), dtype=np.float32)
    for line, row in zip(drawn, rows, strict=True):
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, int(row)))))
        generator.standard_normal(dtype=np.float32, out=line)
    return drawn


def _joined(first: Mapping[str, list[float]], second: Mapping[str, list[float]]) -> dict[str, list[float]]:
    return {key: first.get(key, []) + values for key, values in second.items()}
