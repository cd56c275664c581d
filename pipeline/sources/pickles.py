"""Pickled NumPy arrays, read by an unpickler that can build arrays and numbers and nothing else.

Not even NumPy's own classes are handed to the pickle: what it calls are the stand-ins below. They take the arguments
that NumPy writes, check them against each other, and refuse everything else, including to be altered.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

MEMORY = {"PUT", "BINPUT", "LONG_BINPUT"}


def read_pickled(data: bytes) -> np.ndarray:
    """The array that a pickle holds. Raises `pickle.UnpicklingError`, or whatever broken bytes make pickle raise."""
    _check_sizes(data)
    found = _ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()  # Python 2 wrote bytes as str
    if not isinstance(found, _Array) or found.array is None:
        raise pickle.UnpicklingError("it does not hold an array")
    return found.array


def _check_sizes(data: bytes) -> None:
    """Refuse what would make CPython set aside far more than the pickle is long: a huge place in its memory, a string
    longer than what follows, or deep nesting. Only walks the opcodes."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in MEMORY and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError(f"it remembers things under number {argument}, and has {len(data)} bytes")


class _Array:
    """An array in the making: empty until its state arrives, and then once only."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        if self.array is not None:
            raise pickle.UnpicklingError("it changes an array that is complete")
        _, shape, dtype, fortran, data = state
        self.array = _filled(shape, dtype, "F" if fortran else "C", data)


class _Dtype:
    """The type of an array's elements: a number of some size, or object."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?([biuf]\d+|O\d*)", code):
            raise pickle.UnpicklingError(f"it pickles elements of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _, order, subtype, names, fields, *_ = state
        if order not in ("<", ">", "|", "=") or any(part is not None for part in (subtype, names, fields)):
            raise pickle.UnpicklingError("it pickles structured elements")
        self.dtype = self.dtype.newbyteorder(order)


class _Call:
    """A function that a pickle may call and may not alter."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it alters a function")


def _filled(shape: Any, dtype: Any, order: str, data: Any) -> np.ndarray:
    """An array of this shape and type from its elements, if they are as many as it takes."""
    if not isinstance(dtype, _Dtype) or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise pickle.UnpicklingError("it pickles an array that NumPy did not write")
    if dtype.dtype == object:
        if not isinstance(data, list) or len(data) != math.prod(shape):
            raise pickle.UnpicklingError("it pickles an array with too few or too many elements")
        array = np.empty(len(data), dtype=object)
        array[:] = [part.array if isinstance(part, _Array) else part for part in data]
    else:
        raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
        if len(raw) != math.prod(shape) * dtype.dtype.itemsize:
            raise pickle.UnpicklingError("it pickles an array with too few or too many bytes")
        array = np.frombuffer(raw, dtype=dtype.dtype)
    return array.reshape(shape, order="F" if order == "F" else "C")


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """A pickled array of protocol 5, where its bytes come first."""
    made = _Array()
    made.array = _filled(shape, dtype, order, data)
    return made


def _scalar(dtype: Any, data: Any) -> Any:
    """A pickled NumPy number."""
    if not isinstance(dtype, _Dtype) or dtype.dtype == object:
        raise pickle.UnpicklingError("it pickles a scalar that is not a number")
    return _filled((1,), dtype, "C", data)[0]


def _encode(text: str, encoding: str) -> bytes:
    """How protocols below 3 spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes bytes as {encoding!r}")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the names that NumPy writes; any other name in the pickle ends it."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core.", "numpy.core.")  # renamed in NumPy 2
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it pickles {module}.{name}; only NumPy arrays and numbers are read")
        return _HARMLESS[module, name]


_HARMLESS = {
    ("numpy", "ndarray"): _Call(lambda *_: None),  # only ever an argument of _reconstruct
    ("numpy", "dtype"): _Call(_Dtype),
    ("numpy.core.multiarray", "_reconstruct"): _Call(lambda subtype, shape, dtype: _Array()),
    ("numpy.core.multiarray", "scalar"): _Call(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Call(_frombuffer),
    ("_codecs", "encode"): _Call(_encode),
}
