"""What networks read in place of physical values: (value - mean) / std, with the statistics of the training rows."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

Scale = dict[str, list[float]]  # {"mean": [...], "std": [...]}


def scale(values: Float[np.ndarray, "..."], statistics: Scale, axis: int) -> Float[np.ndarray, "..."]:
    """(values - mean) / std along one axis, float32."""
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    mean, std = (np.array(statistics[key]).reshape(shape) for key in ("mean", "std"))
    return ((values - mean) / std).astype(np.float32)


def scaled(
    made: Mapping[str, Float[np.ndarray, "n ..."]], statistics: Mapping[str, Scale], optional: Bool[np.ndarray, " k"]
) -> dict[str, Float[np.ndarray, "n ..."]]:
    """The maps and vectors of some images as networks read them. In the columns that are `optional` a missing value
    becomes the mean; that it was missing is a column of its own."""
    found = {name: scale(values, statistics[name], 1) for name, values in made.items()}
    if "vectors" in found:
        found["vectors"][np.isnan(found["vectors"]) & optional] = 0
    return found
