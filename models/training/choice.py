"""Something chosen by name from a table, with options."""

from collections.abc import Callable, Collection, Mapping
from inspect import signature
from typing import Any


def options_of(entry: Callable[..., Any]) -> list[str]:
    """The options of a table's entry: its parameters but the first, which its caller gives."""
    _, *options = signature(entry).parameters
    return options


def refuse_unknown(parameter: str, kind: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise `ValueError` for an option that this kind does not have, listing those it has."""
    for option in options:
        if option not in known:
            there_are = f"there are {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{parameter}: no option {option!r} for {kind}; {there_are}")
