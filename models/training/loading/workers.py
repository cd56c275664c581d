"""Work that is done image by image on the CPU, on threads beside the training."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from models.training.loading.batches import Batch, Batches, Loader, share

PerImage = Callable[[Shaped[np.ndarray, "h w c"], int], Shaped[np.ndarray, "h w c"]]
Images = Shaped[np.ndarray, "n h w c"]
AHEAD = 2  # batches begun while one is trained on


class Workers:
    """The batches of a loader, each image what `per_image(image, seed)` makes of it, float32 and of the same shape.

    The seed is the image's own, so any number of workers gives the same bits. Each has a copy of `per_image`
    (`deepcopy`), for an object that keeps a state while it works; work that holds Python's lock gains nothing from more
    than one.
    """

    def __init__(self, loader: Loader, per_image: PerImage, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers: {workers} do no work; choose at least 1")
        self.loader, self.per_image, self.workers = loader, per_image, workers

    @property
    def batch_size(self) -> int:
        return self.loader.batch_size

    @property
    def steps(self) -> int:
        return self.loader.steps

    def epoch(self, generator: torch.Generator, rank: int = 0, world: int = 1, start: int = 0) -> Batches:
        """As that of the loader, whose batches are read some time before they are needed."""
        batches = self.loader.epoch(generator, rank, world, start)
        seeds = torch.randint(2**31, (self.steps, self.batch_size), generator=generator)
        return self._worked(batches, seeds[start:, share(self.batch_size, rank, world)])

    def _worked(self, batches: Batches, seeds: Int[Tensor, "steps n"]) -> Batches:
        begun: deque[tuple[Batch, list[Future[Images]]]] = deque()
        with ExitStack() as stack:
            stack.enter_context(closing(batches))
            threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(self.workers)]
            lanes = [(thread, deepcopy(self.per_image)) for thread in threads]
            try:
                for batch, own in zip(batches, seeds, strict=True):
                    begun.append((batch, self._begin(lanes, batch, own)))
                    if len(begun) > AHEAD:
                        yield _ended(*begun.popleft())
                while begun:
                    yield _ended(*begun.popleft())
            finally:
                for thread in threads:
                    thread.shutdown(wait=False, cancel_futures=True)

    def _begin(
        self, lanes: list[tuple[ThreadPoolExecutor, PerImage]], batch: Batch, seeds: Int[Tensor, " n"]
    ) -> list[Future[Images]]:
        """Give each worker a part of the batch."""
        images = np.array_split(batch.maps.permute(0, 2, 3, 1).contiguous().cpu().numpy(), self.workers)
        parts = zip(lanes, images, np.array_split(seeds.numpy(), self.workers), strict=True)
        return [thread.submit(_part, work, part, own) for (thread, work), part, own in parts]


def _part(per_image: PerImage, images: Images, seeds: Shaped[np.ndarray, " n"]) -> Images:
    done = [per_image(image, int(seed)) for image, seed in zip(images, seeds, strict=True)]
    return np.stack(done) if done else images


def _ended(batch: Batch, parts: list[Future[Images]]) -> Batch:
    """The batch with its new images, on the device and in the memory format of the old ones."""
    images = np.concatenate([part.result() for part in parts]).astype(np.float32, copy=False)
    maps: Float[Tensor, "n c h w"] = torch.from_numpy(images).permute(0, 3, 1, 2)
    return replace(batch, maps=torch.empty_like(batch.maps).copy_(maps))
