"""Stage `time_features`: what every feature of an input costs, in microseconds of work for one image.

    python -m pipeline.time_features engineered data/images.zarr data/clock/features/engineered.json

The first images of the store, as many as `engineer` shows features at a time, go through every feature that `engineer`
computes for the input, one feature after the other, on one thread: once to prepare what is prepared once, then some
turns, of which the median counts. Reading images and writing a store is not in it.

A stage of its own, because seconds differ every time: no store may depend on them. And `engineer` may run on several
workers, which take the processor from each other.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch

import features
from features import Options
from pipeline import atomic, params, placebo, recipes
from pipeline.command import run
from pipeline.recipes import BLOCK
from pipeline.store import Store

TURNS = 7


def time_features(name: str, source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Time the features of the input `name` on images of the store `source`, and write them to the file `target`."""
    chosen = params.read(overrides, "features")
    recipe, kind = chosen.source(name)
    images = Store(source)
    asked = recipes.ready(recipe, chosen, images)
    maps, vectors = placebo.needed(kind, asked.maps, asked.vectors)
    block = torch.from_numpy(images.read("images", 0, BLOCK))
    with _one_thread():
        took = {
            "maps": _times(maps, lambda one: features.compute_maps(block, one, asked.known), len(block)),
            "vectors": _times(vectors, lambda one: features.compute_vectors(block, one, asked.known), len(block)),
        }
    said = {"images": len(block), "turns": TURNS, "threads": 1, "device": str(block.device)}
    atomic.write(target, json.dumps(said | took, indent=1))
    total = sum(each["work_us"] for of_kind in took.values() for each in of_kind.values())
    print(f"time_features: {name}: {total:,.1f} µs an image, of {len(block)} on one thread")


def _times(lines: Options, compute: Callable[[Options], object], images: int) -> dict[str, dict[str, float]]:
    """What every line of a recipe takes, by its label."""
    return {label: _median(partial(compute, {label: options}), images) for label, options in lines.items()}


def _median(compute: Callable[[], object], images: int) -> dict[str, float]:
    """Microseconds of work for one image, and of the clock on the wall: medians over turns, each of its own.

    Work is what processors did for this process: other programs take little from it.
    """
    compute()  # tables of the frame, compiled code
    turns = []
    for _ in range(TURNS):
        began = time.process_time(), time.perf_counter()
        compute()
        turns.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    work, wall = np.median(turns, axis=0) / images * 1e6
    return {"work_us": float(work), "wall_us": float(wall)}


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    run(time_features, "RECIPE IMAGES CLOCK")
