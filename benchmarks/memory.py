"""Peak memory of ingest and engineer on many images, each in a process of its own with one worker.

    python -m benchmarks.memory [images]

200,000 images of 64 x 64 by default (3.3 GB), from one .npy file with a table of labels; about 20 GB of disk for as
long as it runs.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
BAR = 1.5  # GB


def write_cube(path: Path, images: int) -> None:
    """A .npy of noisy frames, written piece by piece, and a table with a label of each."""
    cube = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(images, 64, 64))
    generator = np.random.default_rng(0)
    for start in range(0, images, 4096):
        cube[start : start + 4096] = generator.normal(1, 1, (min(4096, images - start), 64, 64))
    cube.flush()
    digits = len(str(images - 1))
    lines = (f"{path.name}:{row:0{digits}d},{generator.random()}" for row in range(images))
    (path.parent / "labels.csv").write_text("\n".join(["id,label", *lines]))


def stage(folder: Path, *words: str) -> tuple[float, float]:
    """Seconds and peak memory [GB] of a stage's process (not getrusage's, which remembers who started the process)."""
    code = (
        "import pathlib, runpy, sys; sys.argv = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__');"
        "print('peak', pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - began, int(done.stdout.split("peak ")[1]) * 1024 / 1e9


def main(images: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        (folder / "lenses").mkdir()
        write_cube(folder / "lenses" / "cube.npy", images)
        source = ("ingest.source=npz", "ingest.path=lenses", "ingest.labels=labels.csv")
        target = "ingest.targets={label: {column: label}}"
        for title, words in (
            ("ingest", ("pipeline.ingest", "images.zarr", "q.csv", *source, target)),
            ("engineer raw", ("pipeline.engineer", "raw", "images.zarr", "raw.zarr")),
            ("engineer engineered", ("pipeline.engineer", "engineered", "images.zarr", "engineered.zarr")),
        ):
            seconds, peak = stage(folder, *words)
            met = "met" if peak <= BAR else "MISSED"
            print(
                f"{title:20s} {images} images: {seconds:6.1f} s, {images / seconds:7.0f} images/s, "
                f"peak {peak:.2f} GB   bar {BAR} GB: {met}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
