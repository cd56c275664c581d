"""What every cell costs: time and memory of training, the network's size and work, and the bytes and features of an
image; and which cells no other beats at no greater a cost (the Pareto front).
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch.utils.flop_counter import FlopCounterMode

import models
from pipeline.chapters.sources import Sources
from pipeline.chapters.verdict import common_unit
from pipeline.places import Place
from pipeline.store import Store

PRICES = {  # in a word, and as an axis says it
    "seconds": ("seconds", "seconds of one training"),
    "memory": ("memory", "peak memory of training [MiB]"),
    "parameters": ("parameters", "parameters"),
    "flops": ("FLOPs", "FLOPs of one image"),
    "bytes": ("bytes", "bytes that a network reads of one image"),
    "features": ("features", "features of one image [µs]"),
}
FLOAT = 4  # bytes of a pixel or of a vector's column, as prepared stores keep them
NOTE = (
    "Seconds and memory (of a GPU's tensors; elsewhere, of the whole process) are of one training, the median over "
    "seeds; compare them within one report. Bytes read are what the network is given of one image; bytes stored, what "
    "was computed of it for that input. Features are work on one thread, for what the network is shown. The Pareto "
    "front is of mean errors: it parts no runs whose intervals overlap. Marks that would hide each other stand side "
    "by side."
)
STEP = 0.02  # of an axis: the least that two marks are apart


@dataclass(frozen=True)
class Size:
    """Of a network, for one image."""

    parameters: int
    flops: int
    bytes: int
    vectors: int  # columns that it is shown beside the maps


def cost(sources: Sources) -> dict[str, Any]:
    """One line a cell and target, and what each feature of an input takes."""
    cells, frame = sources.details["cells"], sources.images.shape("images")[2:]
    seeds: dict[str, Sequence[int]] = {cell["run"]: cell["seeds"] for cell in cells}
    inputs = {cell["run"]: cell["arm"][0] for cell in cells}
    timed = {name: _timed(sources.clock / "features" / f"{name}.json") for name in inputs.values()}
    prices = {}
    for run, own in seeds.items():
        network = size(sources.runs / f"{run}-{own[0]}" / "weights.pt", frame)
        shown = [line for line in timed[inputs[run]] if line["kind"] == "map" or network.vectors]
        prices[run] = {
            **trained(sources.clock, sources.runs, run, own),
            **{"parameters": network.parameters, "flops": network.flops, "bytes": network.bytes},
            **{"stored": stored(sources.inputs[inputs[run]]), "features": sum(line["work"] for line in shown)},
        }
    rows = [
        {"run": cell["run"], "target": cell["arm"][3], "error": cell["metrics"]["rmse"], **prices[cell["run"]]}
        for cell in cells
    ]
    lines = [{"input": name, **line} for name, of_input in timed.items() for line in of_input]
    told = {"unit": common_unit(sources.details), "prices": PRICES, "note": NOTE}
    return told | {"rows": _placed(rows), "features": lines}


@torch.no_grad()
def size(weights: Place, frame: Sequence[int]) -> Size:
    """A run's network, shown images of `frame` (h, w): the operations of a forward pass as torch counts them.

    A multiply-add is two operations; only matrix products and convolutions count.
    """
    saved: Mapping[str, Any] = torch.load(io.BytesIO(weights.read_bytes()), weights_only=True)
    given = {name: saved[name] for name in ("in_channels", "num_targets", "num_vectors")}
    network = models.build(saved["backbone"], **given, **saved["options"]).eval()
    inputs = [torch.zeros((1, saved["in_channels"], *frame))]
    if saved["num_vectors"]:
        inputs.append(torch.zeros(1, saved["num_vectors"]))
    with FlopCounterMode(display=False) as counted:
        network(*inputs)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    seen = FLOAT * sum(one.numel() for one in inputs)
    return Size(parameters, int(counted.get_total_flops()), seen, saved["num_vectors"])


def stored(computed: Store) -> float:
    """Bytes on disk of one row's computed features: of a placebo, of what is computed for it."""
    return sum(shard["bytes"] for shard in computed.attributes["shards"].values()) / computed.rows


def trained(clock: Place, runs: Place, run: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Seconds, images a second and MiB: medians over seeds; and on what they were trained."""
    found = [json.loads((clock / f"{run}-{seed}.json").read_text()) for seed in seeds]
    made = [json.loads((runs / f"{run}-{seed}" / "fingerprint.json").read_text()) for seed in seeds]
    threads = [f", {one['threads']} threads" for one in found]
    devices = [one["hardware"]["accelerator"] for one in made]
    return {
        "seconds": float(np.median([one["seconds"] for one in found])),
        "images_per_second": float(np.median([one["images_per_second"] for one in found])),
        "memory": float(np.median([one["peak_memory_mib"] for one in found])),
        "device": "; ".join(sorted({d + t * (d == "cpu") for d, t in zip(devices, threads, strict=True)})),
    }


def _timed(path: Place) -> list[dict[str, Any]]:
    """One line a feature of an input: microseconds of work for one image, and of the clock on the wall."""
    said = json.loads(path.read_text())
    return [
        {"feature": label, "kind": kind, "work": took["work_us"], "wall": took["wall_us"]}
        for kind, of_kind in (("map", said["maps"]), ("vector", said["vectors"]))
        for label, took in of_kind.items()
    ]


def _placed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every line with its place on each price's axis, and the prices at which no other cell of its target beats it."""
    found = [row | {"at": {}, "front": []} for row in rows]
    for target, price in product({row["target"]: None for row in rows}, PRICES):
        own = [row for row in found if row["target"] == target]
        costs = np.array([row[price] for row in own], dtype=float)
        errors = np.array([row["error"]["value"] for row in own], dtype=float)
        for row, place, best in zip(own, beside(costs, errors), efficient(costs, errors), strict=True):
            row["at"][price] = float(place)
            row["front"] += [price] if best else []
    return found


def beside(costs: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Where marks of these costs stand on a logarithmic axis: at the cost, or so little above it that none is hidden.

    Of equal costs the one of the least error, which may be on the front, is where it belongs.
    """
    order = np.lexsort((errors, costs))
    logs = np.log(costs[order])
    steps = STEP * max(np.ptp(logs), 0.2) * np.arange(len(logs))
    places = np.empty(len(order))
    places[order] = np.exp(np.maximum.accumulate(logs - steps) + steps)
    return places


def efficient(costs: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which points no other beats: none is as good in both and better in one. Equal points stand or fall together.

    From the cheapest on, a point stands whose error is the least of its cost and below that of everything cheaper.
    """
    order = np.lexsort((errors, costs))
    cost, error = costs[order], errors[order]
    first = np.searchsorted(cost, cost)  # of those that cost the same
    cheaper = np.fmin.accumulate(np.concatenate([[np.inf], error]))[first]
    stands = np.empty(len(order), dtype=bool)
    stands[order] = (error == error[first]) & (error < cheaper)
    return stands
