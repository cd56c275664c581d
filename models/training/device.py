"""Which device to compute on."""

import torch


def pick_device(device: str) -> str:
    """A device that torch knows: `auto` is the GPU where there is one. Raises `ValueError` for a GPU there is not."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise ValueError(f"{device!r} is not there; torch sees {torch.cuda.device_count()} GPUs (try auto)")
    return device
