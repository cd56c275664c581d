"""The training loop: the whole data set on the device, AdamW, a one-cycle schedule, early stopping.

The loss is that of the network's head, or Huber's where the head leaves the choice open.

The order of the rows and their augmentation come from one generator, dropout from torch's own; both, the weights, the
optimiser and the schedule are in the `State` that is handed out after each epoch: a run that was stopped and resumed
ends, on a CPU, with the same bits as one that was not.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import huber_loss
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from models.training.augment import d4
from models.training.device import pick_device
from models.training.predict import answers

# maps and targets, and vectors for a network that takes them
Train = (
    tuple[Float[Tensor, "n c h w"], Float[Tensor, "n t"]]
    | tuple[Float[Tensor, "n c h w"], Float[Tensor, "n t"], Float[Tensor, "n v"]]
)
Validation = (
    tuple[Float[Tensor, "m c h w"], Float[Tensor, "m t"]]
    | tuple[Float[Tensor, "m c h w"], Float[Tensor, "m t"], Float[Tensor, "m v"]]
)
State = dict[str, Any]  # tensors, numbers, and lists and dicts of them: what torch.load(weights_only=True) accepts


@dataclass(frozen=True)
class Settings:
    """How to fit; the meaning of each is in params.yaml under train.fit."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float
    huber_delta: float
    patience: int
    augment: str
    device: str
    precision: str


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Losses are of normalised targets; a head's own may weigh images in training alone."""

    epoch: int
    train_loss: float
    validation_loss: float
    learning_rate: float  # of its last step
    best: bool  # so far


def fit(
    model: nn.Module,
    train: Train,
    validation: Validation,
    settings: Settings,
    seed: int,
    resume: State | None = None,
    watch: Callable[[Epoch, State], None] = lambda epoch, state: None,
) -> list[Epoch]:
    """Train `model` in place; it ends with the weights of its best epoch on validation. Returns the history.

    `watch` is called after every epoch with what it came to and the state from which `resume` continues. Raises
    `FloatingPointError` when a loss is no longer finite.
    """
    if settings.augment == "d4" and train[0].shape[2] != train[0].shape[3]:
        raise ValueError(f"augment: d4 needs square frames, not {train[0].shape[2]} x {train[0].shape[3]}; choose none")
    fabric = Fabric(**hardware(settings.device, settings.precision))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 1.1-1.4 x faster on CPU
    batch_size = min(settings.batch_size, len(train[0]))
    optimiser = AdamW(_decayed(model, settings.weight_decay), lr=settings.learning_rate)
    steps = max(2, settings.epochs * (len(train[0]) // batch_size))
    warmup = max(settings.warmup, 1.001 / steps)  # torch divides by the steps before the peak, less one
    schedule = OneCycleLR(optimiser, settings.learning_rate, total_steps=steps, pct_start=warmup)
    generator = torch.Generator().manual_seed(seed)
    wrapped, stepper = fabric.setup(model, optimiser)
    # after the set-up, because an optimiser's state goes to where its parameters are
    history = _restore(resume, model, optimiser, schedule, generator) if resume else []
    best = resume["best"] if resume else {}
    loss_of = _loss(model, settings.huber_delta)
    maps, target, *vectors = (part.to(fabric.device) for part in train)
    maps = maps.contiguous(memory_format=torch.channels_last)

    for epoch in range(len(history), settings.epochs):
        if history and epoch - 1 - max(e.epoch for e in history if e.best) >= settings.patience:
            break
        wrapped.train()
        losses = []
        for rows in _batches(len(maps), batch_size, generator):
            images, truth, *beside = (part[rows.to(fabric.device)] for part in (maps, target, *vectors))
            images = d4(images, generator) if settings.augment == "d4" else images
            loss = loss_of(wrapped(images, *beside).float(), truth)
            stepper.zero_grad()
            fabric.backward(loss)
            stepper.step()
            losses.append(loss.detach())
            rate = schedule.get_last_lr()[0]
            schedule.step()
        done = _summary(epoch, losses, _validated(wrapped, validation, loss_of), float(rate), history)
        history.append(done)
        best = _copy(model) if done.best else best
        watch(done, _state(history, best, model, optimiser, schedule, generator))
    model.load_state_dict(best)
    return history


def hardware(device: str, precision: str) -> dict[str, Any]:
    """Fabric's arguments for one device; `auto` takes the GPU where there is one, and bfloat16 where it has it."""
    kind, _, index = pick_device(device).partition(":")
    if precision == "auto":
        precision = "bf16-mixed" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    return {"accelerator": kind, "devices": [int(index or 0)] if kind == "cuda" else 1, "precision": precision}


def _loss(model: nn.Module, huber_delta: float) -> Callable[[Tensor, Tensor], Tensor]:
    """What outputs and targets are compared by: a head's own loss, averaged over the images, or Huber's."""
    own = getattr(getattr(model, "head", None), "loss", None)
    if own is None:
        return partial(huber_loss, delta=huber_delta)
    return lambda outputs, target: own(outputs, target).mean()


@torch.no_grad()
def _validated(model: nn.Module, validation: Validation, loss_of: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The loss on the validation rows, on the device of the model: a head's loss may have weights of its own."""
    maps, target, vectors = (*validation, None)[:3]
    device = next(model.parameters()).device
    return float(loss_of(answers(model, maps, vectors).to(device), target.to(device)))


def _batches(rows: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """The rows in a new order, in whole batches; what is left over waits for the next shuffle."""
    return [batch for batch in torch.randperm(rows, generator=generator).split(batch_size) if len(batch) == batch_size]


def _decayed(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: weight decay for matrices and kernels, none for biases and normalisation."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _summary(epoch: int, losses: list[Tensor], validation_loss: float, rate: float, history: list[Epoch]) -> Epoch:
    train_loss = float(torch.stack(losses).mean())
    if not math.isfinite(train_loss + validation_loss):
        raise FloatingPointError(
            f"epoch {epoch}: the loss is {train_loss:g} in training and {validation_loss:g} on validation; "
            "try a lower train.fit.learning_rate"
        )
    best = validation_loss < min((e.validation_loss for e in history), default=math.inf)
    return Epoch(epoch, train_loss, validation_loss, rate, best)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _state(
    history: list[Epoch],
    best: dict[str, Tensor],
    model: nn.Module,
    optimiser: Optimizer,
    schedule: LRScheduler,
    generator: torch.Generator,
) -> State:
    return {
        "history": [asdict(epoch) for epoch in history],
        "best": best,
        "model": _copy(model),
        "optimiser": deepcopy(optimiser.state_dict()),
        "schedule": {k: v for k, v in schedule.state_dict().items() if isinstance(v, int | float | list)},
        "shuffle": generator.get_state(),
        "torch": torch.get_rng_state(),  # dropout
        "cuda": torch.cuda.get_rng_state_all(),  # likewise; empty without a GPU
    }


def _restore(
    state: State, model: nn.Module, optimiser: Optimizer, schedule: LRScheduler, generator: torch.Generator
) -> list[Epoch]:
    """Put everything back as it was after the state's last epoch."""
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    generator.set_state(state["shuffle"])
    torch.set_rng_state(state["torch"])
    torch.cuda.set_rng_state_all(state["cuda"])
    return [Epoch(**epoch) for epoch in state["history"]]
