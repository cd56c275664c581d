"""Our store against NumPy's own files and against zarr, on the same bytes in one run: ratios, not seconds.

    python -m benchmarks.store [images]

40,000 images of 64 x 64 by default (655 MB). Every pair of ways takes turns, five times; the ratio is that of the
medians, with the smallest and largest ratio of a turn.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import zarr

from benchmarks.turns import compare
from pipeline import store
from pipeline.store import Array, Store

BATCH = 256
ARRAYS = [Array("maps", "float32", (1, 64, 64), ("c", "h", "w"))]


def save(path: Path, values: np.ndarray) -> None:
    """np.save, and the disk has it."""
    np.save(path, values)
    on_disk(path)


def on_disk(path: Path) -> None:
    """Wait until the disk has what was written there."""
    opened = os.open(path, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def status(folder: Path, target: str) -> None:
    command = [Path(sys.executable).with_name("dvc"), "status", "-q", f"{target}.dvc"]
    subprocess.run(command, cwd=folder, check=True)


def track(folder: Path) -> None:
    """A DVC project without Git that holds both."""
    dvc = str(Path(sys.executable).with_name("dvc"))
    for command in ("init --no-scm -q", "add -q a.npy", "add -q a.zarr"):
        subprocess.run([dvc, *command.split()], cwd=folder, check=True)


def main(images: int) -> None:
    values = np.random.default_rng(0).normal(size=(images, 1, 64, 64)).astype(np.float32)
    order = np.random.default_rng(1).permutation(images)
    batches = np.split(order, range(BATCH, images, BATCH))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        npy, path = folder / "a.npy", folder / "a.zarr"
        print(f"{images} images, {values.nbytes / 1e6:.0f} MB; peer, ours, times as fast as the peer")

        def write() -> None:
            store.write(path, images, ARRAYS, lambda start, stop: {"maps": values[start:stop]})
            for file in path.rglob("*"):
                on_disk(file)

        compare("write against np.save, each with fsync", lambda: save(npy, values), write, 0.4)
        files = sum(file.is_file() for file in path.rglob("*"))
        print(f"{files} files")
        opened, mapped = Store(path), np.load(npy, mmap_mode="r")
        compare("read all against np.load", lambda: np.load(npy), lambda: Store(path).read("maps"), 0.4)
        compare(
            f"shuffled batches of {BATCH} against an .npy memmap",
            lambda: [mapped[rows] for rows in batches],
            lambda: [opened.take("maps", rows) for rows in batches],
            0.4,
        )
        theirs = zarr.open_group(path, mode="r")["maps"]
        compare(
            f"four shuffled batches of {BATCH} against zarr's oindex",
            lambda: [theirs.oindex[rows] for rows in batches[:4]],  # type: ignore[union-attr]
            lambda: [opened.take("maps", rows) for rows in batches[:4]],
            20,
        )
        track(folder)
        compare(
            "dvc status against one .npy",
            lambda: status(folder, "a.npy"),
            lambda: status(folder, "a.zarr"),
            1 / 1.3,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
