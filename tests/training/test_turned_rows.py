"""Rows under the symmetries of the square, against numpy's: exact, in every memory format, in place or not."""

import numpy as np
import pytest
import torch
from torch import Tensor

from models.blocks.group import turned
from models.training.augment import d4
from models.training.augment.symmetries import d4_rows, rows_of

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def images(channels: int, side: int, kind: str) -> Tensor:
    maps = torch.randn(20, channels, side, side, generator=torch.Generator().manual_seed(0))
    return maps.contiguous(memory_format=FORMATS[kind])


def by_numpy(maps: Tensor, rows: Tensor, picks: Tensor) -> np.ndarray:
    sides = [np.rot90(maps[row].numpy(), pick % 4, axes=(1, 2)) for row, pick in zip(rows, picks.tolist(), strict=True)]
    return np.stack([side[:, :, ::-1] if pick >= 4 else side for side, pick in zip(sides, picks.tolist(), strict=True)])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("side", [1, 6, 7])
def test_is_exactly_what_numpy_makes_of_each_row(channels: int, side: int, kind: str) -> None:
    maps, generator = images(channels, side, kind), torch.Generator().manual_seed(1)
    before = maps.clone()
    rows, picks = (torch.randint(high, (100,), generator=generator) for high in (20, 8))
    found = d4_rows(maps, rows, picks)
    np.testing.assert_array_equal(found.numpy(), by_numpy(maps, rows, picks))
    np.testing.assert_array_equal(rows_of(maps, rows).numpy(), maps[rows].numpy())
    assert torch.equal(maps, before)
    assert found.is_contiguous(memory_format=FORMATS[kind])
    assert rows_of(maps, rows).is_contiguous(memory_format=FORMATS[kind])


@pytest.mark.parametrize("kind", FORMATS)
def test_writes_to_the_place_it_is_given(kind: str) -> None:
    maps, rows, picks = images(4, 6, kind), torch.tensor([3, 3, 0]), torch.tensor([7, 1, 4])
    place = torch.full((3, 4, 6, 6), torch.nan)
    assert d4_rows(maps, rows, picks, out=place) is place
    np.testing.assert_array_equal(place.numpy(), by_numpy(maps, rows, picks))


@pytest.mark.parametrize("pick", range(8))
def test_a_batch_of_one_symmetry_is_that_of_the_group(pick: int) -> None:
    maps = images(2, 5, "contiguous")
    assert torch.equal(d4_rows(maps, torch.arange(20), torch.full((20,), pick)), turned(maps, pick))


def test_of_no_rows_there_are_none() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert d4_rows(images(2, 5, "contiguous"), nothing, nothing).shape == (0, 2, 5, 5)


def test_d4_takes_one_draw_for_each_image_from_its_generator() -> None:
    maps, generator, same = images(1, 6, "contiguous"), *(torch.Generator().manual_seed(5) for _ in range(2))
    picks = torch.randint(8, (20,), generator=same)
    np.testing.assert_array_equal(d4(maps, generator).numpy(), by_numpy(maps, torch.arange(20), picks))
    assert torch.equal(generator.get_state(), same.get_state())
