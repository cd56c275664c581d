"""Two ways of doing one thing, taking turns in one process: a ratio, and how much it varies."""

import time
from collections.abc import Callable

import numpy as np

TURNS = 9


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(what: str, peer: Callable[[], object], ours: Callable[[], object], bar: float | None) -> None:
    """How many times the peer's speed ours has."""
    turns = np.array([(seconds(peer), seconds(ours)) for _ in range(TURNS)])
    ratios = turns[:, 0] / turns[:, 1]
    theirs, mine = np.median(turns, axis=0)
    told = "" if bar is None else f"   bar {bar:g}: {'met' if theirs / mine >= bar else 'MISSED'}"
    print(
        f"{what:58s} {theirs:7.3f} s {mine:7.3f} s   x {theirs / mine:6.2f} [{ratios.min():.2f}, {ratios.max():.2f}]"
        + told,
        flush=True,
    )
