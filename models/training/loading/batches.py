"""What loaders have in common: batches, the share of a rank in them, and what an epoch leaves to chance."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.training.augment.symmetries import ELEMENTS, d4_rows, rows_of


@dataclass(frozen=True)
class Batch:
    """Images on the device, what belongs to them, and which rows of the split they are (on the CPU)."""

    maps: Float[Tensor, "n c h w"]
    target: Float[Tensor, "n t"]
    vectors: Float[Tensor, "n v"] | None
    rows: Int[Tensor, " n"]


Batches = Generator[Batch, None, None]  # to be closed by who does not go to the end


@runtime_checkable
class Loader(Protocol):
    """Anything that gives batches.

    `batch_size` is that of all ranks together, `steps` the number of batches of an epoch; the rows that are left over
    wait for the next shuffle.
    """

    @property
    def batch_size(self) -> int: ...

    @property
    def steps(self) -> int: ...

    def epoch(self, generator: torch.Generator, rank: int = 0, world: int = 1, start: int = 0) -> Batches:
        """The batches from number `start` on, those before it unread.

        Every one of `world` ranks draws the same and gets its slice of each batch. Raises `ValueError` where batches
        cannot be shared evenly.
        """
        ...


@dataclass(frozen=True)
class Parts:
    """Rows in memory that batches are cut from."""

    maps: Float[Tensor, "n c h w"]
    target: Float[Tensor, "n t"]
    vectors: Float[Tensor, "n v"] | None

    def batch(
        self, places: Int[Tensor, " m"], rows: Int[Tensor, " m"], picks: Int[Tensor, " m"] | None = None
    ) -> Batch:
        """What lies at `places`, under the symmetries `picks`; `rows` are the numbers it has in the split."""
        maps = rows_of(self.maps, places) if picks is None else d4_rows(self.maps, places, picks)
        there = places.to(self.target.device)
        vectors = None if self.vectors is None else self.vectors.index_select(0, there)
        return Batch(maps, self.target.index_select(0, there), vectors, rows)


def check(batch_size: int, rows: int) -> None:
    """Refuse a batch that the split cannot fill."""
    if batch_size < 1:
        raise ValueError(f"batch_size: {batch_size} is not positive; choose at least 1")
    if batch_size > rows:
        raise ValueError(f"batch_size: {batch_size} is more than the {rows} training rows; choose at most {rows}")


def share(batch_size: int, rank: int, world: int) -> slice:
    """The slice of a batch that one of `world` ranks works on."""
    if batch_size % world:
        fewer = batch_size // world * world
        raise ValueError(
            f"batch_size: {batch_size} cannot be shared evenly by {world} processes; "
            f"choose {f'{fewer} or ' if fewer else ''}{fewer + world}"
        )
    return slice(rank * batch_size // world, (rank + 1) * batch_size // world)


def symmetries(steps: int, batch_size: int, generator: torch.Generator) -> Int[Tensor, "steps batch"]:
    """A random one for each image: the bits of one draw a batch."""
    return torch.randint(len(ELEMENTS), (steps, batch_size), generator=generator)
