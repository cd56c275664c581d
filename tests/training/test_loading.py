"""Loaders: each row once an epoch, with what belongs to it, as evenly from memory as from a stream, for any ranks."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.training.augment import d4
from models.training.loading import Resident, Streaming, choose
from tests.training.loaders import SIDE, Array, faults, rows_of_all, same, seeded

Loader = Resident | Streaming


def resident(source: Array, batch_size: int, **options: Any) -> Loader:
    return Resident(*source.tensors(), batch_size, "cpu", **options)


def streaming(source: Array, batch_size: int, batches: int = 2, **options: Any) -> Loader:
    """With windows of so many batches."""
    return Streaming(source, batch_size, "cpu", 2 * batches * batch_size * source.row_bytes, **options)


KINDS: dict[str, Callable[..., Loader]] = {"resident": resident, "streaming": streaming}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


@every_kind
@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize(("rows", "batch_size"), [(64, 8), (67, 8), (7, 7), (9, 5), (50, 1)])
def test_an_epoch_is_every_row_once_less_the_remainder(
    make: Callable[..., Loader], turn: bool, rows: int, batch_size: int
) -> None:
    loader, generator = make(Array(rows), batch_size, turn=turn), seeded()
    epochs = [list(loader.epoch(generator)) for _ in range(3)]
    for batches in epochs:
        assert len(batches) == loader.steps == rows // batch_size
        assert {len(batch.rows) for batch in batches} == {batch_size}
        assert faults(batches, rows, batch_size) == []
    if batch_size < rows:
        assert rows_of_all(epochs[0]) != rows_of_all(epochs[1])


def test_the_accountant_catches_a_row_lost_doubled_or_mismatched() -> None:
    """The test above is about something."""
    batches = list(resident(Array(16), 4).epoch(seeded()))
    assert faults(batches[1:], 16, 4) == ["a row lost"]
    assert faults([*batches, batches[0]], 16, 4) == ["a row doubled"]
    shifted = replace(batches[0], target=batches[0].target.roll(1, 0))
    assert faults([shifted, *batches[1:]], 16, 4) == ["targets of other rows"]
    moved = replace(batches[0], maps=batches[0].maps.roll(1, 0))
    assert faults([moved, *batches[1:]], 16, 4) == ["maps of other rows"]


@pytest.mark.parametrize("channels_last", [False, True])
def test_resident_gives_the_bits_that_shuffling_indexing_and_turning_in_turn_give(channels_last: bool) -> None:
    """As the loop did before there were loaders; the generator ends where it did."""
    source, generator, old = Array(45, channels=2), seeded(3), seeded(3)
    maps, target, vectors = source.tensors()
    loader = resident(source, 8, turn=True, channels_last=channels_last)
    for _ in range(2):
        chosen = [rows for rows in torch.randperm(45, generator=old).split(8) if len(rows) == 8]
        for batch, rows in zip(loader.epoch(generator), chosen, strict=True):
            assert torch.equal(batch.rows, rows)
            assert torch.equal(batch.maps, d4(maps[rows], old))
            assert torch.equal(batch.target, target[rows])
            assert vectors is not None
            assert batch.vectors is not None
            assert torch.equal(batch.vectors, vectors[rows])
        assert torch.equal(generator.get_state(), old.get_state())


@every_kind
@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_are_in_the_memory_format_asked_for(make: Callable[..., Loader], channels_last: bool) -> None:
    for turn in (False, True):
        batch = next(make(Array(20, channels=3), 4, turn=turn, channels_last=channels_last).epoch(seeded()))
        assert batch.maps.is_contiguous(memory_format=torch.channels_last) is channels_last


@every_kind
def test_a_network_without_vectors_gets_none(make: Callable[..., Loader]) -> None:
    assert next(make(Array(20, vectors=False), 4).epoch(seeded())).vectors is None


@every_kind
@pytest.mark.parametrize("turn", [False, True])
def test_the_slices_of_all_ranks_are_the_batches_of_one_process(make: Callable[..., Loader], turn: bool) -> None:
    whole = list(make(Array(50), 12, turn=turn).epoch(seeded()))
    for world in (2, 3):
        ranks = [list(make(Array(50), 12, turn=turn).epoch(seeded(), rank, world)) for rank in range(world)]
        for batch, slices in zip(whole, zip(*ranks, strict=True), strict=True):
            assert {len(part.rows) for part in slices} == {12 // world}
            names = ("maps", "target", "vectors", "rows")
            together = {name: torch.cat([getattr(part, name) for part in slices]) for name in names}
            assert same(batch, replace(batch, **together))


@every_kind
@pytest.mark.parametrize("turn", [False, True])
def test_an_epoch_taken_up_half_way_goes_on_with_the_same_batches(make: Callable[..., Loader], turn: bool) -> None:
    whole = list(make(Array(50), 4, turn=turn).epoch(seeded()))
    for start in (0, 1, 5, 11, 12):
        generator, source = seeded(), Array(50)
        killed = make(source, 4, turn=turn).epoch(generator)
        for _ in range(start):
            next(killed)
        killed.close()
        after = generator.get_state()
        resumed = list(make(source, 4, turn=turn).epoch(generator.manual_seed(0), start=start))
        assert len(resumed) == 12 - start
        assert all(same(*pair) for pair in zip(whole[start:], resumed, strict=True))
        assert torch.equal(generator.get_state(), after)  # half an epoch draws as much as a whole one


def test_windows_before_the_start_are_not_read() -> None:
    source = Array(64)
    loader = streaming(source, 4, batches=2)
    source.asked.clear()
    batches = list(loader.epoch(seeded(), start=13))
    read = [row for name, start, stop in source.asked if name == "maps" for row in range(start, stop)]
    assert len(read) == 16  # two windows of two batches: number 13 and its neighbour, 14 and 15
    assert set(rows_of_all(batches)) <= set(read)


@every_kind
def test_every_row_is_as_often_at_every_place_and_left_over(make: Callable[..., Loader]) -> None:
    """Chi^2 of rows x tenths of the epoch, and of the rows left over; the last block is smaller than the others."""
    rows, batch_size, epochs = 21, 2, 150
    loader, generator = make(Array(rows), batch_size), seeded()
    counts = np.zeros((rows, loader.steps + 1))  # the last column: left over
    for _ in range(epochs):
        order = rows_of_all(loader.epoch(generator))
        counts[order, np.arange(len(order)) // batch_size] += 1
        counts[list(set(range(rows)) - set(order)), -1] += 1
    expected = np.array([batch_size] * loader.steps + [1]) * epochs / rows
    assert ((counts - expected) ** 2 / expected).sum() < 268  # of 200 degrees of freedom: one in a thousand


def test_streamed_and_resident_epochs_have_the_same_mean_and_variance() -> None:
    """Of the pixels of whole epochs: those of the rows themselves."""
    source = Array(60)
    for make in KINDS.values():
        maps = torch.cat([batch.maps for batch in make(source, 6, turn=True).epoch(seeded())])
        found = [float(maps.double().mean()), float(maps.double().var())]
        values = source.arrays["maps"].astype(float)
        assert found == pytest.approx([values.mean(), values.var(ddof=1)], rel=1e-12)


def test_a_window_mixes_blocks_from_all_over_the_split() -> None:
    """Rows of a batch are no neighbours: their mean is that of a sample, batch after batch, not that of a stretch."""
    loader = streaming(Array(4096, vectors=False, chunk=1), 64, batches=4)
    means = torch.stack([batch.target.mean() for batch in loader.epoch(seeded())])
    spread = 4096 / 12**0.5 / 16**0.5  # of the mean of sixteen blocks; 512 if each batch were one stretch
    assert 0.5 * spread < float(means.std()) < 1.3 * spread


def test_windows_hold_as_much_as_the_memory_allows_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest tensors made while an epoch runs are the two windows."""
    source, made, empty = Array(256), [], torch.empty

    def counted(*shape: Any, **options: Any) -> torch.Tensor:
        made.append(empty(*shape, **options))
        return made[-1]

    memory = 2 * 4 * 8 * source.row_bytes + 7 * 8 * source.row_bytes // 4
    loader = Streaming(source, 8, "cpu", memory)
    monkeypatch.setattr(torch, "empty", counted)
    list(loader.epoch(seeded()))
    taken = sum(tensor.nbytes for tensor in made)
    assert memory - 2 * 8 * source.row_bytes < taken <= memory
    blocks = [stop - start for name, start, stop in source.asked if name == "maps"]
    assert max(blocks) <= 8  # of 32 rows in a window; two neighbours may be read as one


# faults


class Fault(Exception):
    """What a reader raises."""


def test_an_error_of_the_reader_comes_out_as_it_is() -> None:
    class Broken(Array):
        def read(self, name: str, start: int, stop: int) -> np.ndarray:
            if len([asked for asked in self.asked if asked[0] == "maps"]) > 3:  # one row for the shape, two blocks
                raise Fault(f"{name}: block 3")
            return super().read(name, start, stop)

    loader = streaming(Broken(64), 4, batches=1)
    with pytest.raises(Fault, match=r"^\w+: block 3$"):
        list(loader.epoch(seeded()))
    assert threads() == []


def test_a_reader_that_loses_a_row_is_found_out() -> None:
    class Short(Array):
        def read(self, name: str, start: int, stop: int) -> np.ndarray:
            return super().read(name, start, stop - 1 if stop - start > 1 else stop)

    with pytest.raises(ValueError, match=r"^maps: \d rows were read for rows \d+ to \d+; the source is faulty$"):
        list(streaming(Short(64), 8).epoch(seeded()))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("streaming")]


def test_an_epoch_left_half_way_leaves_no_thread() -> None:
    loader = streaming(Array(64), 4)
    batches = loader.epoch(seeded())
    next(batches)
    assert threads() == ["streaming_0"]
    batches.close()
    assert threads() == []
    for _ in loader.epoch(seeded()):
        break  # nobody has the iterator any more
    assert threads() == []


def test_a_thread_that_nobody_waits_for_reads_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the first block of the second window when the epoch is closed."""
    reached, closed = threading.Event(), threading.Event()

    class Slow(Array):
        def read(self, name: str, start: int, stop: int) -> np.ndarray:
            if len(self.asked) == 3 * (1 + 8):  # the shapes, and a window of eight blocks
                reached.set()
                closed.wait(2)
            return super().read(name, start, stop)

    class Told(threading.Event):
        def set(self) -> None:
            super().set()
            closed.set()

    monkeypatch.setattr("models.training.loading.streaming.Event", Told)
    source = Slow(1024, chunk=8)
    monkeypatch.setattr("models.training.loading.streaming._blocks", lambda rows, block, generator: scattered)
    scattered = torch.arange(1024).view(2, 64, 8).transpose(0, 1).flatten()  # no two blocks are neighbours
    batches = streaming(source, 64, batches=1).epoch(seeded())
    next(batches)
    assert reached.wait(2)
    batches.close()
    assert len(source.asked) == 3 * (1 + 8) + 1


def test_epochs_under_way_do_not_disturb_each_other() -> None:
    loader = streaming(Array(64), 4)
    pairs = list(zip(loader.epoch(seeded(1)), loader.epoch(seeded(2)), strict=True))
    for batches in zip(*pairs, strict=True):
        assert faults(batches, 64, 4) == []


@every_kind
def test_a_batch_that_the_split_cannot_fill_is_refused(make: Callable[..., Loader]) -> None:
    with pytest.raises(ValueError, match=r"^batch_size: 64 is more than the 42 training rows; choose at most 42$"):
        make(Array(42), 64)
    with pytest.raises(ValueError, match=r"^batch_size: 0 is not positive; choose at least 1$"):
        make(Array(42), 0)


@every_kind
def test_a_batch_that_ranks_cannot_share_is_refused_at_the_call(make: Callable[..., Loader]) -> None:
    loader = make(Array(42), 10)
    with pytest.raises(ValueError, match=r"^batch_size: 10 cannot be shared evenly by 4 processes; choose 8 or 12$"):
        loader.epoch(seeded(), 0, 4)
    with pytest.raises(ValueError, match=r"by 20 processes; choose 20$"):
        loader.epoch(seeded(), 0, 20)


def test_a_memory_that_does_not_hold_two_batches_is_refused() -> None:
    source = Array(64, vectors=False)
    least = 2 * 8 * 4 * (SIDE * SIDE + 1)
    Streaming(source, 8, "cpu", least)
    with pytest.raises(
        ValueError, match=rf"^memory: {least - 1} bytes do not hold two batches of 8; give at least {least}$"
    ):
        Streaming(source, 8, "cpu", least - 1)


def test_the_memory_chooses_the_loader() -> None:
    source = Array(64)
    fits = choose(source, 8, "cpu", 64 * source.row_bytes, turn=True)
    streams = choose(source, 8, "cpu", 64 * source.row_bytes - 1, turn=True)
    assert isinstance(fits, Resident)
    assert isinstance(streams, Streaming)
    for loader in (fits, streams):
        batches = list(loader.epoch(seeded()))
        assert faults(batches, 64, 8) == []
    expected = list(resident(source, 8, turn=True).epoch(seeded()))
    assert all(same(*pair) for pair in zip(fits.epoch(seeded()), expected, strict=True))


def test_read_only_and_double_precision_sources_become_float32() -> None:
    source = Array(64)
    source.arrays["maps"].flags.writeable = False
    source.arrays["target"] = source.arrays["target"].astype(np.float64)
    for memory in (10**6, 2 * 8 * 8 * source.row_bytes // 2):
        batches = list(choose(source, 8, "cpu", memory).epoch(seeded()))
        assert {batch.target.dtype for batch in batches} == {torch.float32}
        assert faults(batches, 64, 8) == []
