"""Compiling for the CPU. Numba takes a third of a second to import: who uses this is imported only where it is used."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiler(*liberties: str) -> Callable[[Callable[..., Any]], Any]:
    """What compiles a function, with these of LLVM's liberties with floating-point numbers and no others.

    What checks the function's shapes in tests is taken off first.
    """
    compile_ = njit(cache=True, error_model="numpy", fastmath=set(liberties) or False)
    return lambda function: compile_(inspect.unwrap(function))
