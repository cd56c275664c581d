"""Loading: the rows of a split in a new order each epoch, in whole batches, on the device, turned if asked to.

A split that fits the memory it may take lives on the device and is indexed there (`Resident`); of one that does not,
a window moves over the rows (`Streaming`). Either gives every row equally often at every place of an epoch. `Workers`
adds work that is done image by image on the CPU.

All chance comes from the generator given, and all of an epoch's is drawn when `epoch` is called: the permutation, then
the symmetries, then the seeds of the workers. So an epoch left half way leaves the generator as a whole one does, and
one that begins at batch `start` sees what the whole one saw from there on.
"""

import torch

from models.training.loading.batches import Batch, Batches, Loader
from models.training.loading.resident import Resident
from models.training.loading.source import Held, InMemory, Source, row_bytes, shapes, tensor
from models.training.loading.streaming import Streaming
from models.training.loading.workers import Workers

__all__ = ["Batch", "Batches", "Held", "InMemory", "Loader", "Resident", "Source", "Streaming", "Workers", "choose"]


def choose(
    source: Source,
    batch_size: int,
    device: str | torch.device,
    memory: int,
    channels_last: bool = True,
    turn: bool = False,
) -> Resident | Streaming:
    """The loader for a split: resident if it takes at most `memory` bytes of the device as float32."""
    if source.rows * row_bytes(shapes(source)) > memory:
        return Streaming(source, batch_size, device, memory, channels_last, turn)
    whole = {name: tensor(source, name, 0, source.rows) for name in source.names}
    return Resident(whole["maps"], whole["target"], whole.get("vectors"), batch_size, device, channels_last, turn)
