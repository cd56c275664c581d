"""What networks read in place of physical values: (value - shift) / scale, with the statistics of the training rows.

Of maps, vectors and, where `normalise.target` is `standard`, targets shift and scale are the mean and the standard
deviation. Of a target they may be others:

| kind     | shift                         | scale                                                                 |
|----------|-------------------------------|-----------------------------------------------------------------------|
| standard | mean                          | standard deviation                                                    |
| robust   | median                        | 1.4826 MAD: the standard deviation of normal labels, deaf to outliers |
| range    | middle of minimum and maximum | half of what lies between: train lies in [-1, 1]                      |
| none     | 0                             | 1                                                                     |

Ranks turned normal are not among them. With them an answer would go back through a table of the training labels, which
ends at the largest one, is no function where labels are equal (classes), and has another slope for each row: a spread,
a density and an average over orientations would each mean something else than they say.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

Column = Float[np.ndarray, " t"]
Scale = dict[str, list[float]]  # {"mean": [...], "std": [...]}, and "shift" and "scale" where these are others

NORMAL = 1.4826  # standard deviations a median absolute deviation, of a normal distribution


def line(statistics: Mapping[str, list[float]]) -> tuple[Column, Column]:
    """Shift and scale, float64."""
    shift = np.array(statistics.get("shift", statistics["mean"]))
    return shift, np.array(statistics.get("scale", statistics["std"]))


def of_targets(known: Float[np.ndarray, "m t"], kind: str) -> Scale:
    """The statistics of the targets of the training rows. A scale is 0 where the kind finds no spread."""
    moments = {"mean": known.mean(axis=0), "std": known.std(axis=0)}
    return {key: value.tolist() for key, value in (moments | TARGETS[kind](known)).items()}


def _robust(known: Float[np.ndarray, "m t"]) -> dict[str, Column]:
    median = np.median(known, axis=0)
    return {"shift": median, "scale": NORMAL * np.median(np.abs(known - median), axis=0)}


def _range(known: Float[np.ndarray, "m t"]) -> dict[str, Column]:
    low, high = known.min(axis=0), known.max(axis=0)
    return {"shift": (low + high) / 2, "scale": (high - low) / 2}


def _none(known: Float[np.ndarray, "m t"]) -> dict[str, Column]:
    return {"shift": np.zeros(known.shape[1]), "scale": np.ones(known.shape[1])}


TARGETS: dict[str, Callable[[Float[np.ndarray, "m t"]], dict[str, Column]]] = {
    "standard": lambda known: {},  # the moments themselves
    "robust": _robust,
    "range": _range,
    "none": _none,
}


def scale(values: Float[np.ndarray, "..."], statistics: Scale, axis: int) -> Float[np.ndarray, "..."]:
    """(values - shift) / scale along one axis, float32."""
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    shift, unit = (each.reshape(shape) for each in line(statistics))
    return ((values - shift) / unit).astype(np.float32)


def scaled(
    made: Mapping[str, Float[np.ndarray, "n ..."]], statistics: Mapping[str, Scale], optional: Bool[np.ndarray, " k"]
) -> dict[str, Float[np.ndarray, "n ..."]]:
    """The maps and vectors of some images as networks read them. In the columns that are `optional` a missing value
    becomes the mean; that it was missing is a column of its own."""
    found = {name: scale(values, statistics[name], 1) for name, values in made.items()}
    if "vectors" in found:
        found["vectors"][np.isnan(found["vectors"]) & optional] = 0
    return found
