"""Optimisers: by name, each driven as it must be.

`KINDS` is the table of those that are known to work; `groups` says what is decayed and how fast parts learn, `build`
makes a `Stepper` of a name, and that is all the training sees of any of them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.training.optimisers.groups import groups
from models.training.optimisers.kinds import KINDS, Kind
from models.training.optimisers.sources import arguments, checked, find, load
from models.training.optimisers.stepper import Stepper

__all__ = ["KINDS", "Kind", "Stepper", "build", "find", "groups"]


def build(
    kind: str, groups: list[dict[str, Any]], lr: float, weight_decay: float, steps: int, **options: Any
) -> Stepper:
    """A stepper for parameter groups as `groups` makes them, and for so many steps where that must be known.

    `kind` is a name in `KINDS`, or one of torch.optim, timm.optim or pytorch_optimizer in lower case (in that order;
    `torch:`, `timm:` or `po:` before it picks one). Options are those of that library. Raises `ValueError` naming what
    cannot be.
    """
    if not lr > 0:
        raise ValueError(f"learning_rate: {lr} is not positive; try 0.001")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay: {weight_decay} is negative; 0 is none")
    found = find(kind)
    make = load(found)
    own = {**found.options, **checked(kind, make, options)}
    filled = [group for group in groups if group["params"]]
    if found.einsum:
        _refuse_einsum([parameter for group in filled for parameter in group["params"]])
    made = _as_one(filled, lr) if found.closure else [_group(found, group, lr, weight_decay) for group in filled]
    takes = arguments(make)
    own |= {name: value for name, value in {"weight_decay": 0.0, found.steps: steps}.items() if name in takes}
    try:
        optimiser = make(made, lr=lr, **own)
    except (IndexError, TypeError, ValueError) as error:
        given = f" (with {options})" if options else ""
        raise ValueError(f"optimiser: {kind}: {error}{given}") from error
    scales = [1.0] if found.closure else [group["scale"] for group in filled]
    decayed = [(group["params"], group["scale"]) for group in filled if group["decayed"]]
    return Stepper(found, optimiser, scales, decayed, lr, weight_decay)


def _group(kind: Kind, group: dict[str, Any], lr: float, weight_decay: float) -> dict[str, Any]:
    """A group as the library wants it."""
    own = {"weight_decay": weight_decay} if kind.own_decay and group["decayed"] else {}
    kinds_own = kind.matrices if group["decayed"] else kind.vectors
    return {"params": group["params"], "lr": lr * group["scale"], **kinds_own, **own}


def _as_one(groups: list[dict[str, Any]], lr: float) -> list[dict[str, Any]]:
    if any(group["scale"] != 1 for group in groups):
        raise ValueError("discriminative: the optimiser takes all parameters as one; 1.0 is one rate for all")
    return [{"params": [parameter for group in groups for parameter in group["params"]], "lr": lr}]


def _refuse_einsum(parameters: Sequence[Tensor]) -> None:
    """Raises `ValueError` where a contraction would not fit in memory, because nothing finds an order for it.

    Without opt_einsum torch contracts from left to right, and the first factors of a matrix have nothing in common:
    their product has the square of the matrix's size.
    """
    largest = max(parameters, key=Tensor.numel)
    if not torch.backends.opt_einsum.is_available() and largest.numel() > 4096:
        size = " x ".join(map(str, largest.shape))
        memory = 4 * float(largest.numel()) ** 2 / 2**30
        raise ValueError(f"optimiser: for weights of {size} it needs opt_einsum, or {memory:,.0f} GiB; install that")
