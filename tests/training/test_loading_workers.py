"""Work image by image: the same bits from any number of workers, for any ranks, wherever an epoch is taken up."""

import threading
from functools import partial

import albumentations
import numpy as np
import pytest
import torch
from jaxtyping import Float32

from models.training.loading import Resident, Streaming, Workers
from tests.training.loaders import Array, rows_of_all, same, seeded

Image = Float32[np.ndarray, "h w c"]


def noisy(image: Image, seed: int) -> Image:
    """The image with a number of its seed's own in its last pixel."""
    image = image.copy()
    image[-1, -1] = np.random.default_rng(seed).normal()
    return image


class Albumentations:
    """A transform that keeps a state between its seed and its work."""

    def __init__(self) -> None:
        self.transform = albumentations.Compose([albumentations.D4(p=1)])

    def __call__(self, image: Image, seed: int) -> Image:
        self.transform.set_random_seed(seed)
        return self.transform(image=image)["image"]


def loader(channels: int = 2, rows: int = 50) -> Resident:
    return Resident(*Array(rows, channels).tensors(), 12, "cpu", turn=True)


@pytest.mark.parametrize("work", [noisy, Albumentations()], ids=["function", "albumentations"])
def test_any_number_of_workers_gives_the_same_bits(work: object) -> None:
    epochs = [list(Workers(loader(), work, workers).epoch(seeded())) for workers in (1, 2, 5, 13)]
    plain = list(loader().epoch(seeded()))
    for batches in epochs[1:]:
        assert all(same(*pair) for pair in zip(epochs[0], batches, strict=True))
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(epochs[0], plain, strict=True))
    assert not all(torch.equal(a.maps, b.maps) for a, b in zip(epochs[0], plain, strict=True))


@pytest.mark.parametrize("channels_last", [False, True])
def test_work_that_changes_nothing_changes_nothing(channels_last: bool) -> None:
    plain = Resident(*Array(50, 3).tensors(), 12, "cpu", channels_last)
    worked = Workers(plain, lambda image, seed: image, 2)
    for before, after in zip(plain.epoch(seeded()), worked.epoch(seeded()), strict=True):
        assert same(before, after)
        assert before.maps.stride() == after.maps.stride()


def test_each_image_gets_a_seed_of_its_own_in_every_epoch() -> None:
    seeds: list[int] = []

    def noted(image: Image, seed: int) -> Image:
        seeds.append(seed)
        return image

    worked, generator = Workers(loader(), noted, 1), seeded()
    for _ in range(2):
        list(worked.epoch(generator))
    assert len(seeds) == len(set(seeds)) == 96


def test_ranks_and_a_later_start_see_the_images_of_the_whole_epoch() -> None:
    whole = list(Workers(loader(), noisy, 2).epoch(seeded()))
    ranks = [list(Workers(loader(), noisy, 2).epoch(seeded(), rank, 2, start=1)) for rank in range(2)]
    for batch, first, second in zip(whole[1:], *ranks, strict=True):
        assert torch.equal(batch.maps, torch.cat([first.maps, second.maps]))
        assert torch.equal(batch.rows, torch.cat([first.rows, second.rows]))


def failing(raised: list[int], image: Image, seed: int) -> Image:
    raised.append(seed)
    if len(raised) == 30:
        raise KeyError("image 30")
    return image


def test_an_error_in_a_worker_comes_out_as_it_is_and_stops_the_stream_below() -> None:
    source = Array(200)
    below = Streaming(source, 10, "cpu", 60 * source.row_bytes)
    with pytest.raises(KeyError, match="image 30"):
        list(Workers(below, partial(failing, []), 2).epoch(seeded()))
    assert "streaming_0" not in [thread.name for thread in threading.enumerate()]


def test_an_epoch_left_half_way_leaves_no_thread() -> None:
    before = threading.active_count()
    source = Array(200)
    worked = Workers(Streaming(source, 10, "cpu", 60 * source.row_bytes), noisy, 2)
    batches = worked.epoch(seeded())
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before
    assert len(rows_of_all(worked.epoch(seeded()))) == 200


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^workers: 0 do no work; choose at least 1$"):
        Workers(loader(), noisy, 0)
