"""Provisional."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def slot(device: str) -> Iterator[str]:
    yield device
