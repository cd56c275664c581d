"""The feature stage on a Dask cluster of two workers against the serial engine, one thread each: same bytes, less time.

    python -m benchmarks.engine [images]

Both write the recipe `engineered` of the same noisy frames; a started Dask cluster is used, as on a real one, so that
its start is not what is measured. Three turns; then a fourth, untimed, in which one worker is killed halfway.
"""

import hashlib
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
BAR = 1.4


def digest(store: Path) -> str:
    files = sorted(file for file in store.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def engineer(folder: Path, target: str, *overrides: str) -> float:
    """Seconds that the stage takes inside a process that has its libraries already."""
    from pipeline.engineer import engineer as stage

    (folder / target).parent.mkdir(exist_ok=True)
    began = time.perf_counter()
    stage("engineered", str(folder / "images.zarr"), str(folder / target), overrides)
    return time.perf_counter() - began


def main(images: int) -> None:
    import torch
    from distributed import LocalCluster

    from pipeline import store
    from pipeline.store import Array

    torch.set_num_threads(1)
    arrays = [
        Array("images", "float32", (1, 64, 64), ("b", "h", "w")),
        Array("noise", "float32"),
        Array("peak", "float32"),
    ]

    def noisy(start: int, stop: int) -> dict[str, np.ndarray]:
        frames = np.random.default_rng(start).normal(1, 1, (stop - start, 1, 64, 64)).astype(np.float32)
        return {"images": frames, "noise": np.ones(stop - start), "peak": frames.max(axis=(1, 2, 3))}

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store.write(folder / "images.zarr", images, arrays, noisy)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
            dask = ("engine.kind=dask", f"engine.address={cluster.scheduler_address}")
            engineer(folder, "warm.zarr", *dask)  # workers import torch once
            ratios = []
            for _ in range(3):
                serial = engineer(folder, "serial.zarr", "engine.kind=serial")
                shared = engineer(folder, "dask.zarr", *dask)
                ratios.append(serial / shared)
                print(f"serial {serial:.1f} s, Dask {shared:.1f} s: {serial / shared:.2f} x", flush=True)
            victim = next(iter(cluster.workers.values())).pid
            threading.Timer(shared / 2, os.kill, (victim, signal.SIGKILL)).start()
            killed = engineer(folder, "killed.zarr", *dask)
            print(f"with worker {victim} killed after {shared / 2:.1f} s: {killed:.1f} s")
        stores = [digest(folder / f"{name}.zarr") for name in ("serial", "dask", "killed")]
        same = len(set(stores)) == 1
        ratio = float(np.median(ratios))
        print(f"median {ratio:.2f} x, bar {BAR}: {'met' if ratio >= BAR else 'MISSED'}; same bytes: {same}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
