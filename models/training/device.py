"""Which device to compute on, how many of them, and in which precision."""

import resource
import sys
from dataclasses import dataclass
from typing import Any

import torch

from models.blocks.options import one_of

PRECISIONS = ("auto", "32-true", "bf16-mixed")


@dataclass(frozen=True)
class Hardware:
    """What Fabric is given; `note` says what was asked for and could not be had, if anything."""

    accelerator: str
    devices: int | list[int]
    strategy: str
    precision: str
    note: str = ""

    def arguments(self) -> dict[str, Any]:
        """Fabric's own."""
        return {name: getattr(self, name) for name in ("accelerator", "devices", "strategy", "precision")}


def pick_device(device: str) -> str:
    """A device that torch knows: `auto` is the GPU where there is one. Raises `ValueError` for a GPU there is not."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise ValueError(f"{device!r} is not there; torch sees {torch.cuda.device_count()} GPUs (try auto)")
    return device


def hardware(device: str, precision: str, processes: int = 1) -> Hardware:
    """One device for each of the processes on this machine, and the precision that it has.

    `auto` takes the GPU where there is one, and bfloat16 where that has it; a bfloat16 that the device would have to
    emulate becomes float32, with a note. Raises `ValueError` for a device that is not there.
    """
    one_of("precision", precision, PRECISIONS)
    try:
        kind, _, index = pick_device(device).partition(":")
    except ValueError as error:
        raise ValueError(f"device: {error}") from error
    devices = _gpus(index, processes) if kind == "cuda" else processes
    strategy = "ddp" if processes > 1 else "auto"
    if precision == "auto":
        return Hardware(kind, devices, strategy, "bf16-mixed" if kind == "cuda" and has_bfloat16(kind) else "32-true")
    if precision == "bf16-mixed" and not has_bfloat16(kind):
        return Hardware(kind, devices, strategy, "32-true", f"precision: this {kind} has no bfloat16; float32 instead")
    return Hardware(kind, devices, strategy, precision)


def _gpus(index: str, processes: int) -> list[int]:
    """The GPU that was named, or the first so many."""
    if processes == 1:
        return [int(index or 0)]
    if index:
        raise ValueError(f"device: cuda:{index} is one GPU, and {processes} processes need one each; choose cuda")
    if processes > torch.cuda.device_count():
        raise ValueError(f"devices: {processes}, but torch sees {torch.cuda.device_count()} GPUs; choose fewer")
    return list(range(processes))


def has_bfloat16(kind: str) -> bool:
    """Whether a `cuda` or the `cpu` computes in bfloat16 itself, and does not emulate it slowly."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() if torch.backends.mkldnn.is_available() else False


def peak_memory(device: str) -> float:
    """The most memory so far in MiB: of a GPU what tensors had, on a CPU what this process had, all told."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
