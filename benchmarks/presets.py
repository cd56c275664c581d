"""Whole data sets of the presets: ingest of 40,000 lenses of 64 x 64 pixels by two processes, and the memory of all.

    python -m benchmarks.presets [images]

Half of them comes first: memory is flat if the whole takes no more.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.memory import ROOT

BARS = {"axion": 5, "lens64": 5, "substructure": 15}  # minutes for 40,000
WHOLE = 40_000


def watched(folder: Path, *words: str) -> tuple[float, float]:
    """Seconds that a command takes, and the most memory [GB] that it and its workers hold together."""
    began, peak = time.perf_counter(), 0
    running = psutil.Popen([sys.executable, "-m", *words], cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    while running.poll() is None:
        try:
            peak = max(peak, sum(p.memory_info().rss for p in [running, *running.children(recursive=True)]))
        except psutil.NoSuchProcess:
            continue  # a worker that ended meanwhile
        time.sleep(0.1)
    if running.returncode:
        sys.exit(f"{' '.join(words)}: failed")
    return time.perf_counter() - began, peak / 1e9


ENVIRONMENT = psutil.Process().environ() | {"PYTHONPATH": str(ROOT)}


def main(images: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        for preset, bar in BARS.items():
            chosen = (f"simulation.preset={preset}", "simulation.size=64", "simulation.supersampling=auto")
            for number in (images // 2, images):
                words = (f"{preset}.zarr", "q.csv", *chosen, f"simulation.images={number}", "engine.kind=processes")
                seconds, peak = watched(folder, "pipeline.ingest", *words)
                minutes = seconds / 60 * WHOLE / number
                print(
                    f"{preset:14s} {number:6d} images: {seconds:6.1f} s, {number / seconds:6.0f} images/s, "
                    f"peak {peak:.2f} GB   {minutes:.1f} min for {WHOLE}, bar {bar}: "
                    f"{'met' if minutes <= bar else 'MISSED'}",
                    flush=True,
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else WHOLE)
