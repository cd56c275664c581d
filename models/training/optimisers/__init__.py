"""Optimisers: by name, each driven as it must be.

`KINDS` is the table of those that are known to work; `groups` says what is decayed and how fast parts learn, `build`
makes a `Stepper` of a name, and that is all the training sees of any of them.
"""

from typing import Any

from models.training.optimisers.groups import groups
from models.training.optimisers.kinds import KINDS, Kind
from models.training.optimisers.sources import arguments, checked, find, load
from models.training.optimisers.stepper import Stepper, refuse_einsum, refuse_scales

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
        refuse_einsum([parameter for group in filled for parameter in group["params"]])
    made = _as_one(filled, lr) if found.closure else [_group(found, group, lr, weight_decay) for group in filled]
    takes = arguments(make)
    own |= {name: value for name, value in {"weight_decay": 0.0, found.steps: steps}.items() if name in takes}
    try:
        optimiser = make(made, lr=lr, **own)
    except (TypeError, ValueError) as error:
        raise ValueError(f"optimiser: {kind}: {error}") from error
    scales = [1.0] if found.closure else [group["scale"] for group in filled]
    decayed = [(group["params"], group["scale"]) for group in filled if group["decayed"]]
    return Stepper(found, optimiser, scales, decayed, lr, weight_decay)


def _group(kind: Kind, group: dict[str, Any], lr: float, weight_decay: float) -> dict[str, Any]:
    """A group as the library wants it."""
    own = {"weight_decay": weight_decay} if kind.own_decay and group["decayed"] else {}
    kinds_own = kind.matrices if group["decayed"] else kind.vectors
    return {"params": group["params"], "lr": lr * group["scale"], **kinds_own, **own}


def _as_one(groups: list[dict[str, Any]], lr: float) -> list[dict[str, Any]]:
    refuse_scales([group["scale"] for group in groups])
    return [{"params": [parameter for group in groups for parameter in group["params"]], "lr": lr}]
