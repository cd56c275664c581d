"""What every cell costs: seconds of training, parameters, and the work of one image."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import models
from pipeline.chapters.verdict import Details, common_unit
from pipeline.places import Place


def cost(details: Details, runs: Place, clock: Place, frame: Sequence[int]) -> dict[str, Any]:
    """One line a cell and target; `frame` is the (h, w) that the networks look at."""
    sizes: dict[str, tuple[int, int]] = {}
    rows = []
    for cell in details["cells"]:
        run, seeds = cell["run"], cell["seeds"]
        sizes[run] = sizes.get(run) or size(runs / f"{run}-{seeds[0]}" / "weights.pt", frame)
        parameters, flops = sizes[run]
        rows.append(
            {
                "run": run,
                "target": cell["arm"][3],
                "error": cell["metrics"]["rmse"],
                "seconds": _seconds(clock, run, seeds),
                "parameters": parameters,
                "flops": flops,
            }
        )
    note = (
        "Seconds of one training: the median over seeds, on the machine that trained. Compare them within one report."
    )
    return {"unit": common_unit(details), "rows": rows, "note": note}


@torch.no_grad()
def size(weights: Place, frame: Sequence[int]) -> tuple[int, int]:
    """Parameters of a run's network, and the operations of one image's forward pass as torch counts them.

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
    return sum(parameter.numel() for parameter in network.parameters()), int(counted.get_total_flops())


def _seconds(clock: Place, run: str, seeds: Iterable[int]) -> float:
    """The median over seeds."""
    return float(np.median([json.loads((clock / f"{run}-{seed}.json").read_text())["seconds"] for seed in seeds]))
