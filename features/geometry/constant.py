"""Constants: arrays that depend on the frame and on options alone, made once for all the blocks of a store."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def constant(build: Callable[..., Tensor], *key: Any, like: Tensor) -> Tensor:
    """`build(*key)`, made in float64 on the CPU, in the dtype and on the device of `like`; remembered.

    Nobody may write to it. `build` takes numbers, strings and tuples of them. `torch.compile` gets the making of it
    instead: it would look into the memory, and warn of that.
    """
    if torch.compiler.is_compiling():
        return build(*key).to(dtype=like.dtype, device=like.device)
    return _kept(build, key, like.dtype, like.device)


@lru_cache(maxsize=64)
def _kept(build: Callable[..., Tensor], key: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made outside of whatever derivative first asks for it: kept, it would belong to that derivative for ever."""
    with torch.inference_mode(False), torch._C._DisableFuncTorch():
        return build(*key).to(dtype=dtype, device=device)
