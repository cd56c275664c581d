"""Seconds and peak memory of a family of contrasts at full size.

    python -m benchmarks.contrasts [lenses]

Five arms of eight seeds (40 runs) on 20,000 lenses by default, 10,000 draws, four pairs. The memory is all of the
process's: Python, NumPy and the errors themselves (6 MB) with it.
"""

import sys
import time
from pathlib import Path

import numpy as np

from pipeline.contrasts.intervals import How
from pipeline.contrasts.resampling import resampled
from pipeline.contrasts.samples import sample
from pipeline.contrasts.verdict import judge

ARMS, SEEDS = 5, 8
BAR_SECONDS, BAR_MEMORY = 60, 1.0  # s, GB; on two cores


def peak() -> float:
    """Peak memory of this process [GB]."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def main(lenses: int) -> None:
    generator = np.random.default_rng(0)
    arms = dict(enumerate(generator.standard_t(5, (ARMS, SEEDS, lenses)) + generator.standard_t(5, lenses)))
    groups = np.arange(lenses)
    began = time.perf_counter()
    resampled(sample(arms, groups, "rmse"), How().draws, 0)
    drawn = time.perf_counter() - began
    judge(arms, {arm: (arm, 0) for arm in range(1, ARMS)}, groups, How())
    judged = time.perf_counter() - began - drawn
    print(f"{ARMS * SEEDS} runs, {lenses} lenses, {How().draws} draws: the draws alone {drawn:.1f} s")
    print(f"the verdict on {ARMS - 1} pairs {judged:.1f} s   bar {BAR_SECONDS} s: {_met(judged <= BAR_SECONDS)}")
    print(f"peak {peak():.2f} GB   bar {BAR_MEMORY} GB: {_met(peak() <= BAR_MEMORY)}")


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
