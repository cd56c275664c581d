"""The rows of a role of a prepared store, as training reads them."""

import numpy as np
from jaxtyping import Shaped

from pipeline.errors import InputError
from pipeline.store import Store


class Rows:
    """A range of rows of a store; what `models.training.loading` takes for a source.

    Targets and vectors, of which a store keeps each in one file, are read once; maps as they are asked for.
    """

    def __init__(self, store: Store, start: int, stop: int, vectors: bool) -> None:
        self._store, self._start = store, start
        self.rows = stop - start
        self.names = ("maps", "target", "vectors") if vectors else ("maps", "target")
        self.chunk = int(store.attributes["cuts"]["chunk_rows"])
        self._columns = {name: store.read(name, start, stop) for name in self.names[1:]}

    def read(self, name: str, start: int, stop: int) -> Shaped[np.ndarray, "..."]:
        """Rows [start, stop) of the range, and none beyond it: the next in the store are another role's."""
        if name in self._columns:
            return self._columns[name][start:stop]
        return self._store.read(name, self._start + start, self._start + min(stop, self.rows))


def of_role(store: Store, role: str, size: str = "all", vectors: bool = False) -> Rows:
    """The rows of a role, or the first `size` of them; with the vectors if they are asked for."""
    start, stop = store.attributes["roles"][role]
    if size != "all":
        if int(size) > stop - start:
            raise InputError(f"train.sizes: {size} rows, but {store.path} has {stop - start} to train on")
        stop = start + int(size)
    return Rows(store, start, stop, vectors)
