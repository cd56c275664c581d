"""How images lie in memory: channel by channel, or pixel by pixel with all channels (channels last)."""

import torch
from torch import nn

from models.blocks.options import one_of

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
BLOCK = 8  # channels that oneDNN's AVX2 kernels take at a time


def memory_format(model: nn.Module, wanted: str, device: str) -> tuple[torch.memory_format, str]:
    """The layout for a network on a device; and why, where it is not the one that was wanted.

    Channels last is faster for most convolutions (1.1 to 1.4 times on a CPU), and corrupts memory for a few.
    """
    one_of("memory_format", wanted, FORMATS)
    layers = unsafe(model) if wanted == "channels_last" and device.startswith("cpu") else []
    if not layers:
        return FORMATS[wanted], ""
    few = ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
    reason = f"strided 1 x 1 convolutions of fewer than {BLOCK} channels ({few}) corrupt memory on a CPU otherwise"
    return torch.contiguous_format, f"memory_format: contiguous; {reason}"


def unsafe(model: nn.Module) -> list[str]:
    """Names of the layers whose gradient oneDNN writes beyond its workspace when channels come last.

    That is the weights' gradient of a 1 x 1 convolution with a stride, from fewer channels than a block, in the AVX2
    kernel (oneDNN issue 6035; torch 2.13): wrong gradients, a hang, or a heap that is found broken later. With
    AVX-512 another kernel runs, which is sound; it is avoided there too, so that a run does not depend on it.
    """
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d) and _unsafe(layer)]


def _unsafe(layer: nn.Conv2d) -> bool:
    return set(layer.kernel_size) == {1} and max(layer.stride) > 1 and layer.in_channels // layer.groups < BLOCK
