"""Checks that options share."""

from collections.abc import Collection


def one_of(option: str, value: object, known: Collection[object]) -> None:
    """Refuse a value that is not among the known ones."""
    if value not in known:
        raise ValueError(f"{option}: no {value!r}; there are {', '.join(map(str, known))}")


def positive(option: str, value: float) -> None:
    """Refuse a multiplier that leaves nothing."""
    if not value > 0:
        raise ValueError(f"{option}: {value} is not positive; 1.0 is the published network")
