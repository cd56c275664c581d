"""A split that does not fit: a window moves over shuffled blocks of it, while a thread reads the next one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Event

import torch
from jaxtyping import Int
from torch import Tensor

from models.training.loading.batches import Batches, Parts, check, share, symmetries
from models.training.loading.source import Source, row_bytes, shapes, tensor

MIXED = 16  # blocks in a window, where their rows are shuffled; fewer if one would be smaller than a chunk


@dataclass(frozen=True)
class Window:
    """What is in memory at a time: rows in the order in which they are read, and the batches cut from them."""

    rows: Int[Tensor, " m"]
    places: Int[Tensor, "steps batch"]  # in `rows`
    first: int  # of its batches, among those of the epoch

    def runs(self) -> list[tuple[int, int, int]]:
        """Consecutive rows [start, stop), to be read at once, and the place where they begin."""
        cuts = (self.rows.diff() != 1).nonzero().flatten() + 1
        bounds = [0, *cuts.tolist(), len(self.rows)]
        return [(int(self.rows[a]), int(self.rows[a]) + b - a, a) for a, b in pairwise(bounds)]


class Streaming:
    """Batches from two windows on the device, which take at most `memory` bytes of it together.

    An epoch begins at a random row, cuts the rows from there on, and around, into blocks, and takes these in random
    order; rows of the blocks that are in a window together are shuffled. So every row is as likely as any other at
    every place of an epoch, and to be left over; which rows come near one another is less random than of a permutation
    of all, the less so the smaller the memory: a source whose rows were shuffled when they were written makes up for
    that. Beside the windows there is the block that is being read, and the batch handed out.

    An error of the source is raised as it is, at the first batch that needed the rows. Raises `ValueError` where memory
    does not hold two batches, or a batch has more rows than there are.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        device: str | torch.device,
        memory: int,
        channels_last: bool = True,
        turn: bool = False,
    ) -> None:
        check(batch_size, source.rows)
        self._shapes = shapes(source)
        least = 2 * batch_size * row_bytes(self._shapes)
        if memory < least:
            raise ValueError(f"memory: {memory} bytes do not hold two batches of {batch_size}; give at least {least}")
        self.source, self.batch_size, self.turn = source, batch_size, turn
        self._batches = min(memory // least, self.steps)  # in a window
        window = self._batches * batch_size
        self._block = max(source.chunk, window // MIXED // source.chunk * source.chunk)
        self._device, self._format = device, torch.channels_last if channels_last else torch.contiguous_format

    @property
    def steps(self) -> int:
        return self.source.rows // self.batch_size

    def epoch(self, generator: torch.Generator, rank: int = 0, world: int = 1, start: int = 0) -> Batches:
        """The batches from number `start` on, or this rank's slices of them.

        Each epoch under way has windows of its own. To stop half way, close the iterator or drop it: the thread ends
        with what it is reading.
        """
        mine = share(self.batch_size, rank, world)
        windows = self._windows(_blocks(self.source.rows, self._block, generator), generator)
        picks = symmetries(self.steps, self.batch_size, generator) if self.turn else None
        ahead = [window for window in windows if window.first + len(window.places) > start]
        return self._batches_of(ahead, picks, mine, start)

    def _windows(self, rows: Int[Tensor, " n"], generator: torch.Generator) -> list[Window]:
        """The rows of an epoch, less those that are left over, cut into windows and shuffled in each."""
        windows = []
        for first in range(0, self.steps, self._batches):
            last = min(first + self._batches, self.steps)
            inside = rows[first * self.batch_size : last * self.batch_size]
            places = torch.randperm(len(inside), generator=generator).view(-1, self.batch_size)
            windows.append(Window(inside, places, first))
        return windows

    def _batches_of(
        self, windows: list[Window], picks: Int[Tensor, "steps batch"] | None, mine: slice, start: int
    ) -> Batches:
        """From each window in turn, while the next is being read into the other slot."""
        stopped = Event()
        slots = [self._slot() for _ in windows[:2]]
        with ThreadPoolExecutor(1, thread_name_prefix="streaming") as reader:
            try:
                read = [reader.submit(self._read, slots[0], window, stopped) for window in windows[:1]]
                for number, window in enumerate(windows):
                    parts = read.pop().result()
                    for following in windows[number + 1 : number + 2]:
                        read = [reader.submit(self._read, slots[(number + 1) % 2], following, stopped)]
                    for step in range(max(start, window.first), window.first + len(window.places)):
                        places = window.places[step - window.first, mine]
                        yield parts.batch(places, window.rows[places], None if picks is None else picks[step, mine])
            finally:
                stopped.set()

    def _slot(self) -> dict[str, Tensor]:
        """Room for a window."""
        rows = self._batches * self.batch_size
        layouts = {"maps": self._format}
        return {
            name: torch.empty(
                (rows, *shape), device=self._device, memory_format=layouts.get(name, torch.contiguous_format)
            )
            for name, shape in self._shapes.items()
        }

    def _read(self, arrays: dict[str, Tensor], window: Window, stopped: Event) -> Parts:
        """Fill a slot, block by block, unless nobody waits for it any more."""
        for start, stop, place in window.runs():
            for name, array in arrays.items():
                if not stopped.is_set():
                    # a GPU does this after the work it was given on what lay here: both are on its default stream
                    array[place : place + stop - start].copy_(tensor(self.source, name, start, stop))
        return Parts(arrays["maps"], arrays["target"], arrays.get("vectors"))


def _blocks(rows: int, block: int, generator: torch.Generator) -> Int[Tensor, " rows"]:
    """All rows: from a random one on and around, in blocks, these in random order."""
    offset = torch.randint(rows, (1,), generator=generator)
    blocks = ((torch.arange(rows) + offset) % rows).split(block)
    return torch.cat([blocks[number] for number in torch.randperm(len(blocks), generator=generator).tolist()])
