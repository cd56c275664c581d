"""Our training loop against a bare one: an epoch of resnet18 at 64 px, batches of 128, data on the device.

    python -m benchmarks.loop

The bare loop is what one would write in a notebook: a permutation, an index, forward, Huber's loss, backward, AdamW,
one-cycle. Ours is `models.training.loop.fit` as params.yaml has it, without augmentation: it checks every loss, keeps
the trace of rates and gradient norms, and validates on one batch. Both channels last; float32 on a CPU, bfloat16 on a
GPU, where compiled networks are timed as well.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss

import models
from benchmarks.turns import compare
from models.training.device import pick_device
from models.training.loop import fit
from models.training.settings import Settings

BATCH, SIZE, BAR = 128, 64, 0.95
DEVICE = pick_device("auto")
ROWS, EPOCHS = (32 * BATCH, 8) if DEVICE == "cuda" else (12 * BATCH, 1)  # a run has 640 steps, of 32 an epoch
Rows = tuple[Tensor, Tensor]


def images(rows: int) -> Rows:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 1, SIZE, SIZE, generator=generator), torch.randn(rows, 1, generator=generator)


def network() -> nn.Module:
    torch.manual_seed(0)
    return models.build("resnet", 1, 1, depth=18)


def bare(train: Rows, compiled: str) -> Callable[[], None]:
    """A notebook's loop; the network is built once, as its weights do not matter to the speed."""
    model = network().to(device=DEVICE, memory_format=torch.channels_last).train()
    called = model if compiled == "none" else torch.compile(model, mode=compiled, dynamic=False)
    maps = train[0].to(DEVICE).contiguous(memory_format=torch.channels_last)
    target = train[1].to(DEVICE)

    def work() -> None:
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=EPOCHS * ROWS // BATCH)
        for _ in range(EPOCHS):
            for rows in torch.randperm(ROWS).to(DEVICE).split(BATCH):
                with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
                    loss = huber_loss(called(maps[rows]).float(), target[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        float(loss.detach())  # waits for the device

    work()
    return work


def ours(train: Rows, compiled: str) -> Callable[[], None]:
    settings = Settings(
        epochs=EPOCHS, batch_size=BATCH, learning_rate=1e-3, augment=[], precision="auto", compile=compiled
    )
    model, validation = network(), images(8)

    def work() -> None:
        fit(model, train, validation, settings, seed=0)

    work()
    return work


def main() -> None:
    train = images(ROWS)
    for compiled in ("none",) if DEVICE == "cpu" else ("none", "default"):
        title = f"loop: bare torch, resnet18, {ROWS} images, {EPOCHS} epoch(s), {DEVICE}, compile {compiled}"
        compare(title, bare(train, compiled), ours(train, compiled), BAR)


if __name__ == "__main__":
    main()
