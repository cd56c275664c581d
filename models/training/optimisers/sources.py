"""Optimisers by name, from three libraries."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import torch
from torch.optim import Optimizer

from models.timm_cpu import import_timm
from models.training.choice import refuse_unknown
from models.training.optimisers.kinds import KINDS, Kind, refuse_undrivable

Make = Callable[..., Optimizer]
DECAY = {
    *("weight_decay", "weight_decouple", "fixed_decay", "decoupled_decay", "decoupled_weight_decay"),
    *("corrected_weight_decay", "stochastic_weight_decay"),
}
# given by us, or of no use from a file of parameters
NOT_OPTIONS = DECAY | {
    *("params", "lr", "num_iterations", "foreach", "fused", "capturable", "differentiable", "maximize", "verbose"),
}

# what a default's type asks for, in the order in which they are looked at: to Python a bool is a whole number
TYPES = {bool: "true or false", int: "a number", float: "a number", str: "a name", tuple: "a list of as many numbers"}


@dataclass(frozen=True)
class Source:
    """A library: the names it has, and how one is got."""

    names: Callable[[], Collection[str]]
    load: Callable[[str], Make]


def _torch() -> dict[str, Make]:
    found = [made for made in vars(torch.optim).values() if isinstance(made, type) and issubclass(made, Optimizer)]
    return {made.__name__.lower(): made for made in found if made is not Optimizer}


def _timm() -> Any:
    import_timm()
    import timm.optim

    return timm.optim


def _po() -> Any:
    import pytorch_optimizer

    return pytorch_optimizer


# in the order in which a name is looked up
SOURCES = {
    "torch": Source(_torch, lambda name: _torch()[name]),
    "timm": Source(lambda: _timm().list_optimizers(), lambda name: _timm().get_optimizer_class(name)),
    "po": Source(lambda: _po().get_supported_optimizers(), lambda name: _po().load_optimizer(name)),
}


def find(kind: str) -> Kind:
    """What is known of an optimiser, by our name for it or a library's, which may have `torch:` and so on before it.

    Raises `ValueError` for a name that nobody has, and for one that cannot be driven.
    """
    if kind in KINDS:
        return KINDS[kind]
    prefix, _, name = kind.rpartition(":")
    among = [source for source in SOURCES if prefix in ("", source)]
    source = next((source for source in among if name in SOURCES[source].names()), None)
    if source is None:
        raise ValueError(
            f"optimiser: no {kind!r}; there are {', '.join(KINDS)}, and whatever torch.optim, timm.optim and "
            "pytorch_optimizer have by that name in lower case; torch:, timm: or po: before it picks one of them"
        )
    refuse_undrivable(source, name)
    known = (known for known in KINDS.values() if (known.source, known.name) == (source, name))
    return next(known, Kind(source, name, _customary(source, name)))


def _customary(source: str, name: str) -> dict[str, Any]:
    """The momentum that timm gives to all of its own by default, where their classes have none."""
    return {"momentum": 0.9} if source == "timm" and _timm().get_optimizer_info(name).has_momentum else {}


def load(kind: Kind) -> Make:
    """The class, with what the library's name for it implies. Raises `ValueError` where that is a weight decay."""
    make = SOURCES[kind.source].load(kind.name)
    if getattr(make, "keywords", {}).get("corrected_weight_decay"):
        raise ValueError(f"optimiser: {kind.name} is another but for its weight decay, and that is here alike for all")
    return make


def arguments(make: Make) -> list[str]:
    """Everything it can be given by name; many swallow what they do not know, so that one must ask."""
    return [name for name, known in signature(make).parameters.items() if known.kind is not Parameter.VAR_KEYWORD]


def checked(kind: str, make: Make, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with tuples for lists, which is all that YAML has.

    Raises `ValueError` for one that there is not, and for one of another type than the library's default: it may look
    at a value only when it computes with it, and then its error names none.
    """
    known = [name for name in arguments(make) if name not in NOT_OPTIONS and not name.endswith("dtype")]
    refuse_unknown("optimiser", kind, options, known)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    for name, value in values.items():
        _refuse_other_type(name, value, signature(make).parameters[name].default)
    return values


def _refuse_other_type(option: str, value: Any, default: Any) -> None:
    """Raise `ValueError` for a value of another type than a default that is not None; null is for the library to judge.

    Whole numbers and others are one type, because many a default is 0; and a list is as long as the default.
    """
    known = [words for kind, words in TYPES.items() if isinstance(default, kind)]
    if known and value is not None and _type(value) != _type(default):
        raise ValueError(f"optimiser.{option}: {value!r} is not {known[0]}; the default is {default}")


def _type(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_type, value))
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)
