"""Constants: arrays that depend on the frame and on options alone, made once for all the blocks of a store."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def constant(build: Callable[..., Tensor], *key: Any, like: Tensor) -> Tensor:
    """`build(*key)`, made in float64 on the CPU, in the dtype and on the device of `like`; remembered.

    Nobody may write to it. `build` takes numbers, strings and tuples of them.
    """
    return _recalled(build, key, like.dtype, like.device)


@torch.compiler.assume_constant_result
def _recalled(build: Callable[..., Tensor], key: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """To `torch.compile` a number like any other; it would otherwise look into the memory, and warn of it."""
    return _kept(build, key, dtype, device)


@lru_cache(maxsize=64)
def _kept(build: Callable[..., Tensor], key: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made outside of whatever derivative first asks for it: kept, it would belong to that derivative for ever."""
    with torch.inference_mode(False), torch._C._DisableFuncTorch():
        made = build(*key)
        return made if made.dtype == torch.int64 else made.to(dtype=dtype, device=device)
