"""The time that the audit takes on many images, in a process of its own, and what it finds in them.

    python -m benchmarks.audit [images]

40,000 simulated lenses of 64 x 64 by default, with noise; the bar is 3 minutes on 2 cores, libraries and figures
included.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BAR = 180  # s


def stage(folder: Path, *words: str) -> float:
    """Seconds that a stage takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", *words], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return time.perf_counter() - began


def main(images: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        wanted = (f"simulation.images={images}", "simulation.size=64", "engine.kind=processes")
        stage(folder, "pipeline.ingest", "images.zarr", "quarantine.csv", *wanted)
        stage(folder, "pipeline.describe", "images.zarr", "lenses.parquet", "engine.kind=processes")
        seconds = stage(folder, "pipeline.audit", "images.zarr", "lenses.parquet", "audit.json", "audit")
        print(
            f"{images} images audited in {seconds:.1f} s, {images / seconds:.0f} images/s   "
            f"bar {BAR} s: {'met' if seconds <= BAR else 'MISSED'}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
