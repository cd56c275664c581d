"""What the checks look at: a store, and a few numbers about each of its images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from pipeline.store import Store

FIRST = 5  # ids that a finding names


@dataclass(frozen=True)
class Measured:
    """A store, its columns, those of its table of lenses, and what one pass over the pixels measured of every image.

    The keys of all are given by the files of this package and by `ingest`; a store from elsewhere may lack columns.
    """

    store: Store
    numbers: Mapping[str, Shaped[np.ndarray, "n ..."]]

    @property
    def rows(self) -> int:
        return self.store.rows

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "n ..."]:
        return self.numbers[name]

    def __contains__(self, name: str) -> bool:
        return name in self.numbers

    @property
    def dtype(self) -> str:
        """Of the pixels, as they are stored."""
        return next(array["dtype"] for array in self.store.attributes["arrays"] if array["name"] == "images")

    def target(self, name: str) -> Shaped[np.ndarray, " n"]:
        return self["targets"][:, self.store.attributes["target_names"].index(name)]

    def who(self, which: Bool[np.ndarray, " n"]) -> dict[str, Any]:
        """Evidence: how many images, what fraction, and the ids of the first."""
        rows = np.flatnonzero(which)
        return {
            "images": len(rows),
            "fraction": len(rows) / max(1, self.rows),
            "first": [str(name) for name in self["id"][rows[:FIRST]]],
        }
