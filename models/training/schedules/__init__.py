"""Schedules: the learning rate of every optimiser step, and the momentum where one moves it.

`models.training.schedules.schedule` says what each answers; each kind's function or class, what its options are.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from models.blocks.options import one_of
from models.training.choice import refuse_unknown
from models.training.schedules.autowu import AutoWU
from models.training.schedules.formulas import constant, cosine, cyclical, exponential, polynomial, step, warm_restarts
from models.training.schedules.one_cycle import OneCycle
from models.training.schedules.plateau import Plateau
from models.training.schedules.schedule import Schedule, above, whole

KINDS: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "polynomial": polynomial,
    "cosine": cosine,
    "warm_restarts": warm_restarts,
    "cyclical": cyclical,
    "one_cycle": OneCycle,
    "plateau": Plateau,
    "autowu": AutoWU,
}


def build(kind: str, peak: float, steps: int, **options: Any) -> Schedule:
    """A schedule whose highest learning rate is `peak`, over so many steps, from options of its kind.

    Raises `ValueError` naming a kind, an option or a value that cannot be.
    """
    one_of("schedule.kind", kind, KINDS)
    above("learning_rate", peak, 0.0)
    whole("schedule: steps", steps, 1)
    _, _, *known = signature(KINDS[kind]).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in known}
    refuse_unknown("schedule", kind, options, defaults)
    values = {option: _like(f"schedule.{option}", value, defaults[option]) for option, value in options.items()}
    try:
        return KINDS[kind](peak, steps, **values)
    except ValueError as error:
        raise ValueError(f"schedule.{error}") from error


def _like(option: str, value: Any, default: Any) -> Any:
    """The value as the type of the option's default: whole numbers are numbers too, and None is a number not set."""
    kinds: dict[type[Any], tuple[tuple[type[Any], ...], str]] = {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
        str: ((str,), "a name"),
        type(None): ((int, float, type(None)), "a number or null"),
    }
    types, words = kinds[type(default)]
    if not isinstance(value, types) or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ValueError(f"{option}: {value!r} is not {words}; the default is {default}")
    return float(value) if float in types and value is not None else value
