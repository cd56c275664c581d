"""Losses by name: what outputs and normalised targets are compared by.

| kind      | options      | of a prediction that is off by r                                        |
|-----------|--------------|-------------------------------------------------------------------------|
| auto      | delta        | the head's own loss; `huber` for a head that says a number alone        |
| mse       |              | r^2                                                                     |
| mae       |              | |r|                                                                     |
| huber     | delta        | half a square up to delta, then a line                                  |
| smooth_l1 | delta        | the same over delta                                                     |
| log_cosh  |              | ln cosh r                                                               |
| robust    | alpha, scale | Barron's, from squares (alpha 2) to one that forgets outliers (-.inf)   |
| gaussian  |              | the likelihood of a head of kind gaussian, whose option beta weighs it  |
| pinball   |              | that of a head of kind quantiles, at its levels                         |

`delta` is in units of the normalised target, or `mad`: 1.345 standard deviations of the residuals on train, as their
median absolute deviation has it.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from models.blocks.options import one_of
from models.heads import HEADS
from models.training.choice import options_of, refuse_unknown
from models.training.losses.objective import Adaptive, Objective
from models.training.losses.pointwise import POINTWISE, huber
from models.training.predict import point_of

KINDS: dict[str, Callable[..., Tensor]] = {"auto": huber, **POINTWISE}
OF_HEADS = {"gaussian": "gaussian", "pinball": "quantiles"}  # by another name, and no loss of any other head


def objective(kind: str, model: nn.Module, weights: Sequence[float] = (), **options: Any) -> Objective:
    """The loss of that name for this model's outputs; outputs (n, t) are targets where it has no head.

    Raises `ValueError` for a name, an option, a value or a weight that cannot be, and for a loss that the model's head
    is not made for.
    """
    one_of("loss", kind, [*KINDS, *OF_HEADS])
    refuse_unknown("loss", kind, options, options_of(KINDS[kind]) if kind in KINDS else ())
    checked = {option: CHECKED[option](f"loss.{option}", value) for option, value in options.items()}
    head = getattr(model, "head", None)
    own = getattr(head, "loss", None)
    named = next((name for name, built in HEADS.items() if type(head) is built), type(head).__name__)
    if OF_HEADS.get(kind, named) != named:
        raise ValueError(f"loss: {kind} is that of a head of kind {OF_HEADS[kind]}, not {named}; choose auto")
    if own is not None:
        if kind != "auto" and kind not in OF_HEADS:
            raise ValueError(f"loss: {kind} compares numbers, and a head of kind {named} has its own; choose auto")
        return Objective(own, weights)
    if checked.get("delta") == "mad":
        return Adaptive(partial(_off_by, KINDS[kind], point_of(model)), weights)
    return Objective(partial(_off_by, KINDS[kind], point_of(model), **checked), weights)


def _off_by(
    cost: Callable[..., Tensor],
    point: Callable[[Tensor], Tensor],
    outputs: Float[Tensor, "n ..."],
    target: Float[Tensor, "n t"],
    **options: Any,
) -> Float[Tensor, "n t"]:
    return cost(point(outputs) - target, **options)


def _positive(option: str, value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{option}: {value!r}; it must be a positive number")
    return float(value)


def _positive_or_mad(option: str, value: Any) -> float | str:
    if value != "mad" and (not isinstance(value, int | float) or not 0 < value < math.inf):
        raise ValueError(f"{option}: {value!r}; it must be a positive number, or mad")
    return value if value == "mad" else float(value)


def _below_infinity(option: str, value: Any) -> float:
    if not isinstance(value, int | float) or not value < math.inf:
        raise ValueError(f"{option}: {value!r}; it must be a number, or -.inf")
    return float(value)


CHECKED: dict[str, Callable[[str, Any], Any]] = {
    "delta": _positive_or_mad,
    "alpha": _below_infinity,
    "scale": _positive,
}
