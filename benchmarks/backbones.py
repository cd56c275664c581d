"""Training of our backbones against timm's of the same size: a step on a batch of 64 frames of 64 x 64, one channel.

    python -m benchmarks.backbones

Forward pass, squared error, backward pass, AdamW; float32, channels last, with one thread and with two.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import mse_loss

import models
from benchmarks.turns import compare
from models.timm_cpu import import_timm

BATCH, SIZE = 64, 64
PAIRS = [("alternet", {}, "resnet18", 0.7), ("xalternet", {}, "resnet18d", None)]  # ours, options, timm's, bar


def step(model: nn.Module) -> Callable[[], None]:
    """One step of training, begun once already."""
    model = model.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    maps = torch.randn(BATCH, 1, SIZE, SIZE).to(memory_format=torch.channels_last)
    target = torch.randn(BATCH, 1)

    def work() -> None:
        optimiser.zero_grad()
        mse_loss(model(maps), target).backward()
        optimiser.step()

    work()
    return work


def main() -> None:
    timm = import_timm()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name, options, peer, bar in PAIRS:
            theirs = step(timm.create_model(peer, in_chans=1, num_classes=1))
            ours = step(models.build(name, 1, 1, **options))
            compare(f"{name}: {peer} of timm, {BATCH} images, {threads} thread(s)", theirs, ours, bar)


if __name__ == "__main__":
    main()
