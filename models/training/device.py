"""Which device to compute on, how, and what it runs out of."""

import resource
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def pick_device(device: str) -> str:
    """A device that torch knows: `auto` is the GPU where there is one. Raises `ValueError` for a GPU there is not."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise ValueError(f"device: {device!r} is not there; torch sees {torch.cuda.device_count()} GPUs (try auto)")
    return device


def hardware(device: str, precision: str, ranks: int = 1) -> dict[str, Any]:
    """Fabric's arguments; `auto` takes the GPU where there is one, and bfloat16 where it has it.

    On several ranks each process takes the GPU of its own number. Raises `ValueError` for what is not there.
    """
    kind, _, index = pick_device(device).partition(":")
    bfloat = kind == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16-mixed" and not bfloat:
        raise ValueError("precision: this GPU has no bfloat16; choose 32-true, or auto")
    if precision == "auto":
        precision = "bf16-mixed" if kind == "cuda" and bfloat else "32-true"
    given: dict[str, Any] = {"accelerator": kind, "precision": precision}
    if ranks > 1:
        return {**given, "devices": ranks, "strategy": "ddp"}
    return {**given, "devices": [int(index or 0)] if kind == "cuda" else 1}


class Compiled(nn.Module):
    """A model that torch compiles at its first call; or, where it turns out that it cannot, the model as it is.

    The graph is for one size of frame, and another is made for the next: sizes left open are what torch fails on most.
    """

    def __init__(self, model: nn.Module, mode: str, compile: Callable[..., Any] = torch.compile) -> None:
        super().__init__()
        self.model, self.compiled = model, compile(model, mode=mode, dynamic=False)
        self.reason = ""  # why it is not compiled after all

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(*inputs) if self.reason else self.compiled(*inputs)

    def gives_up(self, error: RuntimeError) -> bool:
        """Whether an error of the first step can be one of the compiler, so that the model is to be run as it is."""
        if self.reason or out_of_memory(error):
            return False
        self.reason = _first_line(error)
        return True


def _first_line(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0] if said else ''}"


def out_of_memory(error: BaseException) -> bool:
    """Whether it was memory, of the GPU or of the machine, that there was not enough of."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)
    )


def smaller(batch_size: int) -> int:
    """A batch to try when one was too large."""
    return max(1, batch_size // 2)


def peak_memory(device: str) -> float:
    """MiB that this process has held at most: of the GPU, or resident in the machine's memory."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_format(channels_last: bool) -> torch.memory_format:
    """The memory order of maps and kernels: with the channels of a pixel side by side, convolutions are faster."""
    return torch.channels_last if channels_last else torch.contiguous_format
