"""Where rows are read from."""

import math
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor


@runtime_checkable
class Source(Protocol):
    """The rows of a split, wherever they are. A run of them is read at a time, possibly by another thread."""

    @property
    def rows(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]:
        """`maps` (n, c, h, w) and `target` (n, t); `vectors` (n, v) where the network is to see them."""
        ...

    @property
    def chunk(self) -> int:
        """How many rows lie together: fewer cost as much to read."""
        ...

    def read(self, name: str, start: int, stop: int) -> Shaped[np.ndarray, "..."]: ...


Held = tuple[Tensor, ...]  # maps and target of rows, and vectors for a network that takes them


class InMemory:
    """Rows that are tensors already, as a source."""

    def __init__(self, parts: Held) -> None:
        self.names = ("maps", "target", "vectors")[: len(parts)]
        self.parts, self.rows, self.chunk = dict(zip(self.names, parts, strict=True)), len(parts[0]), len(parts[0])

    def read(self, name: str, start: int, stop: int) -> Shaped[np.ndarray, "..."]:
        return self.parts[name][start:stop].cpu().numpy()


def tensor(source: Source, name: str, start: int, stop: int) -> Float[Tensor, "..."]:
    """Rows [start, stop) in float32, in memory that may be written to. Raises `ValueError` if others came."""
    values = source.read(name, start, stop)
    if len(values) != stop - start:
        raise ValueError(f"{name}: {len(values)} rows were read for rows {start} to {stop - 1}; the source is faulty")
    return torch.from_numpy(np.require(values, np.float32, ["C", "W"]))


def shapes(source: Source) -> dict[str, tuple[int, ...]]:
    """The shape of one row of each array."""
    return {name: tuple(source.read(name, 0, 1).shape[1:]) for name in source.names}


def row_bytes(shapes: dict[str, tuple[int, ...]]) -> int:
    """What a row takes in float32."""
    return 4 * sum(math.prod(shape) for shape in shapes.values())
