"""Which device to compute on."""

from typing import Any

import torch
from torch import nn


def pick_device(device: str) -> str:
    """A device that torch knows: `auto` is the GPU where there is one. Raises `ValueError` for a GPU there is not."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise ValueError(f"{device!r} is not there; torch sees {torch.cuda.device_count()} GPUs (try auto)")
    return device


def hardware(device: str, precision: str, ranks: int = 1) -> dict[str, Any]:
    """Fabric's arguments; `auto` takes the GPU where there is one, and bfloat16 where it has it."""
    kind, _, index = pick_device(device).partition(":")
    if precision == "auto":
        precision = "bf16-mixed" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    given: dict[str, Any] = {"accelerator": kind, "precision": precision}
    if ranks > 1:
        return {**given, "devices": ranks, "strategy": "ddp"}
    return {**given, "devices": [int(index or 0)] if kind == "cuda" else 1}


def compiled(model: nn.Module, wanted: str) -> tuple[nn.Module, str]:
    return model, ""


def memory_format(model: nn.Module, wanted: bool, device: torch.device) -> torch.memory_format:
    return torch.channels_last if wanted else torch.contiguous_format


def out_of_memory(error: BaseException) -> bool:
    return False


def smaller(batch_size: int) -> int:
    return batch_size // 2


def peak_memory(device: str) -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
