"""Loading: from memory against torch's own indexing, turned against albumentations in a DataLoader, and streamed.

    python -m benchmarks.loading [threads]

Batches of 128 frames of one channel, in a new order. The pairs take turns; the ratio is that of the medians, with the
smallest and largest of a turn. Training is of the default `cnn`, in a bare loop. Torch gets two threads,
which need two cores to themselves: beside other work they wait for one another, and then one thread is faster.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import albumentations
import numpy as np
import torch
from torch.nn.functional import huber_loss
from torch.utils.data import DataLoader, Dataset

import models
from benchmarks.turns import compare, seconds
from models.training.loading import Batch, Loader, Resident, Streaming
from pipeline import store
from pipeline.rows import Rows
from pipeline.store import Array, Store

BATCH, TURNS = 128, 9
SIZES = {64: (4096, 50_000, 8), 150: (1024, 12_000, 5)}  # images; bars: turned a second, times albumentations


class Files(Dataset):
    """Images turned one by one, each from a .npy file of its own, as DeepLense's are; or rows of one that is mapped."""

    def __init__(self, images: Sequence[Path] | np.ndarray) -> None:
        self.images = images
        self.turn = albumentations.Compose([albumentations.D4(p=1)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> torch.Tensor:
        image = self.images[row]
        image = np.load(image) if isinstance(image, Path) else image
        turned = self.turn(image=image.transpose(1, 2, 0))["image"]
        return torch.from_numpy(np.array(turned.transpose(2, 0, 1), order="C"))


def through(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def epoch(loader: Loader) -> None:
    through(loader.epoch(torch.Generator().manual_seed(0)))


def indexed(maps: torch.Tensor) -> None:
    """A permutation, and torch's own selection by it; a batch lives until the next is there, as in training."""
    order = torch.randperm(len(maps), generator=torch.Generator().manual_seed(0))
    through(maps.index_select(0, rows) for rows in order.split(BATCH))


def images_a_second(what: str, loader: Loader, bar: int) -> None:
    turns = np.array([loader.steps * BATCH / seconds(lambda: epoch(loader)) for _ in range(TURNS)])
    told = "met" if np.median(turns) >= bar else "MISSED"
    print(
        f"{what:58s} {np.median(turns):9.0f} images/s [{turns.min():.0f}, {turns.max():.0f}]   bar {bar}: {told}",
        flush=True,
    )


def against_peers(side: int, folder: Path, threads: int) -> None:
    count, bar, times = SIZES[side]
    maps, target = torch.randn(count, 1, side, side), torch.randn(count, 1)
    plain, turned = (Resident(maps, target, None, BATCH, "cpu", turn=turn) for turn in (False, True))
    compare(f"{side} px: index_select", lambda: indexed(maps), lambda: epoch(plain), 0.9)
    images_a_second(f"{side} px: exact D4", turned, bar)
    np.save(folder / f"{side}.npy", maps.numpy())
    paths = [folder / f"{side}-{row}.npy" for row in range(count)]
    for path, image in zip(paths, maps.numpy(), strict=True):
        np.save(path, image)
    mapped = np.load(folder / f"{side}.npy", mmap_mode="r")
    for workers in (0, threads):
        kinds: list[tuple[str, Sequence[Path] | np.ndarray, int | None]] = [
            (".npy files", paths, times),
            ("one .npy", mapped, None),
        ]
        for kind, images, least in kinds:
            theirs = DataLoader(
                Files(images),
                BATCH,
                shuffle=True,
                num_workers=workers,
                drop_last=True,
                persistent_workers=workers > 0,
            )
            what = f"{side} px: D4, DataLoader of {kind}, {workers} workers"
            compare(what, partial(through, theirs), partial(epoch, turned), least)


def trained(loader: Loader) -> None:
    """An epoch of the default cnn, from the same weights each time."""
    torch.manual_seed(0)
    model = models.build("cnn", 1, 1).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batch: Batch
    for batch in loader.epoch(torch.Generator().manual_seed(0)):
        optimiser.zero_grad()
        huber_loss(model(batch.maps), batch.target).backward()
        optimiser.step()


def from_a_stream(folder: Path) -> None:
    """With memory for a quarter of the data."""
    count, side = 4096, 64
    values = {
        "maps": np.random.default_rng(0).normal(size=(count, 1, side, side)).astype(np.float32),
        "target": np.zeros((count, 1), np.float32),
    }
    arrays = [Array("maps", "float32", (1, side, side), ("c", "h", "w")), Array("target", "float32", (1,), ("t",))]
    path = folder / "fit.zarr"
    store.write(path, count, arrays, lambda start, stop: {name: part[start:stop] for name, part in values.items()})
    rows = Rows(Store(path), 0, count, vectors=False)
    memory = sum(part.nbytes for part in values.values()) // 4
    streamed = Streaming(rows, BATCH, "cpu", memory, turn=True)
    held = Resident(*(torch.from_numpy(part) for part in values.values()), None, BATCH, "cpu", turn=True)
    compare("cnn from memory, and streamed in a quarter of it", lambda: trained(held), lambda: trained(streamed), 0.5)


def main(threads: int) -> None:
    torch.set_num_threads(threads)
    print(f"{threads} thread(s); peer, ours, times as fast as the peer")
    with tempfile.TemporaryDirectory() as name:
        for side in SIZES:
            against_peers(side, Path(name), threads)
        from_a_stream(Path(name))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
