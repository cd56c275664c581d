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
    """What to tell whoever asked for a batch too large: one to try, and how steps stay what they were."""
    fault = f"batch_size: {batch_size} does not fit into the memory of {device}"
    if batch_size == 1:
        return f"{fault}; try smaller images or a smaller network"
    half = smaller(batch_size)
    same = "the same steps" if 2 * half == batch_size else f"steps of {2 * half * accumulate}"
    return f"{fault}; try {half}, with accumulate: {2 * accumulate} for {same}"
