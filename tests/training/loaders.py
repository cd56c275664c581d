"""A source in memory, whose maps say which row they are, and questions asked of any loader."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from models.training.loading import Batch

SIDE = 4


class Array:
    """Rows of noise but for their first pixel, which with the target and the vectors counts the rows."""

    def __init__(self, rows: int, channels: int = 1, vectors: bool = True, chunk: int = 4) -> None:
        maps = np.random.default_rng(0).normal(size=(rows, channels, SIDE, SIDE)).astype(np.float32)
        count = np.arange(rows, dtype=np.float32)
        maps[:, :, 0, 0] = count[:, None]
        self.arrays = {"maps": maps, "target": count[:, None]}
        if vectors:
            self.arrays["vectors"] = np.stack([count, -count], axis=1)
        self.names, self.rows, self.chunk = tuple(self.arrays), rows, chunk
        self.asked: list[tuple[str, int, int]] = []

    def read(self, name: str, start: int, stop: int) -> Shaped[np.ndarray, "..."]:
        self.asked.append((name, start, stop))
        return self.arrays[name][start:stop]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor | None]:
        whole = {name: torch.from_numpy(values) for name, values in self.arrays.items()}
        return whole["maps"], whole["target"], whole.get("vectors")

    @property
    def row_bytes(self) -> int:
        return sum(values[0].nbytes for values in self.arrays.values())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows_of_all(batches: Iterable[Batch]) -> list[int]:
    return [row for batch in batches for row in batch.rows.tolist()]


def same(first: Batch, second: Batch) -> bool:
    pairs = [(first.maps, second.maps), (first.target, second.target), (first.rows, second.rows)]
    if first.vectors is not None and second.vectors is not None:
        pairs.append((first.vectors, second.vectors))
    return (first.vectors is None) == (second.vectors is None) and all(torch.equal(a, b) for a, b in pairs)


def faults(batches: Iterable[Batch], rows: int, batch_size: int) -> list[str]:
    """What is wrong with an epoch: rows missing beyond the remainder, doubled, or parted from what belongs to them."""
    seen, found = [], []
    for batch in batches:
        seen += batch.rows.tolist()
        if not torch.equal(batch.target[:, 0], batch.rows.float()):
            found.append("targets of other rows")
        if batch.vectors is not None and not torch.equal(batch.vectors[:, 1], -batch.rows.float()):
            found.append("vectors of other rows")
        corners = batch.maps[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
        if not (corners == batch.rows.float()[:, None]).any(dim=1).all():
            found.append("maps of other rows")
    if len(set(seen)) != len(seen):
        found.append("a row doubled")
    if len(set(seen)) != rows // batch_size * batch_size:
        found.append("a row lost")
    return found
