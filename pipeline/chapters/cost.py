"""What every cell costs: seconds of training, parameters, and the work of one image."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.network import Network
from pipeline.chapters.verdict import Details, unit
from pipeline.places import Place


def cost(details: Details, clock: Place, networks: Mapping[str, Network], frame: Sequence[int]) -> dict[str, Any]:
    """One line a cell and target; `networks` are by run, without its seed, and `frame` the (h, w) that they look at."""
    sizes = {run: (_parameters(network), _flops(network, frame)) for run, network in networks.items()}
    rows = []
    for cell in details["cells"]:
        parameters, flops = sizes[cell["run"]]
        rows.append(
            {
                "run": cell["run"],
                "target": cell["arm"][3],
                "error": cell["metrics"]["rmse"],
                "seconds": _seconds(clock, cell["run"], cell["seeds"]),
                "parameters": parameters,
                "flops": flops,
            }
        )
    note = "Seconds are those of the machine that trained, one run at a time or several: compare them within one report."
    return {"unit": unit(details, details["cells"][0]["arm"][3]), "rows": rows, "note": note}


def _parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def _flops(network: Network, frame: Sequence[int]) -> int:
    """Floating-point operations of one image's forward pass, as torch counts them: a multiply-add is two."""
    network.eval()
    inputs = [torch.zeros(1, network.channels, *frame)]
    if network.columns:
        inputs.append(torch.zeros(1, network.columns))
    with FlopCounterMode(display=False) as counted:
        network(*inputs)
    return int(counted.get_total_flops())


def _seconds(clock: Place, run: str, seeds: Iterable[int]) -> float:
    """The median over seeds."""
    return float(np.median([json.loads((clock / f"{run}-{seed}.json").read_text())["seconds"] for seed in seeds]))
