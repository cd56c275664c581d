"""When a batch does not fit into memory: how to know, and what to say."""

import torch

# what torch says in a plain RuntimeError where it has no class of its own for it
SIGNS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the host or of a GPU, was what was missing."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def smaller(batch_size: int) -> int:
    """The batch to try next: half of it."""
    return max(1, batch_size // 2)


def does_not_fit(batch_size: int, device: str, accumulate: int = 1) -> str:
    """What to tell whoever asked for a batch too large: how its steps are made in less memory, and a smaller batch."""
    parts = f" in {accumulate} parts" if accumulate > 1 else ""
    fault = f"batch_size: {batch_size}{parts} does not fit into the memory of {device}"
    if batch_size <= accumulate:
        return f"{fault}; try smaller images or a smaller network"
    return f"{fault}; try accumulate: {2 * accumulate} for the same steps, or batch_size: {smaller(batch_size)}"
