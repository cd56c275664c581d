"""From settings to the parts that a run is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from models.training import augment, averages, losses, optimisers, progressive, schedules
from models.training.augment import Augment
from models.training.compilation import Compiled, compiled
from models.training.device import hardware
from models.training.layout import memory_format
from models.training.loading import Held, InMemory, Loader, Source, Workers, choose
from models.training.parts import Parts
from models.training.penalty import Penalty
from models.training.progressive import Stage
from models.training.settings import Settings, options
from models.training.stepping import Step, Treatment

CHANCE = 1_000_003  # between the seeds of two ranks' chance: no run has so many seeds


@dataclass(frozen=True)
class Images:
    """What augmentations must know of the maps: their channels, the statistics they were normalised by, what they were
    observed with, and under which symmetries each vector feature keeps its value."""

    channels: Sequence[str] = ()
    statistics: Mapping[str, Any] | None = None
    observation: Mapping[str, float] | None = None
    vectors: Mapping[str, Sequence[str]] | None = None


def prepared(
    model: nn.Module,
    train: Held | Source,
    settings: Settings,
    seed: int,
    images: Images | None = None,
    ranks: int = 1,
) -> Parts:
    """The parts of a run of `model` on the rows `train`. The model is moved to its device.

    Raises `ValueError` naming the setting that cannot be.
    """
    machine = hardware(settings.device, settings.precision, ranks)
    fabric = Fabric(**machine.arguments())
    if ranks > 1:
        fabric.launch()
    source = InMemory(train) if isinstance(train, tuple) else train
    frame = source.read("maps", 0, 1).shape[2:]
    chosen = _augment(settings, images or Images(), frame)
    format, otherwise = _placed(model, settings, fabric.device)
    _check_parts(model, settings, ranks)
    loader = _loader(source, settings, chosen, fabric.device, format == torch.channels_last)
    steps = max(2, settings.epochs * loader.steps)
    step, plain = _step(fabric, model, settings, steps, ranks)
    return Parts(
        fabric,
        step,
        Treatment(chosen.without(chosen.turns, settings.workers > 0), settings.label_noise, _chance(fabric, seed)),
        loader,
        torch.Generator().manual_seed(seed),
        schedules.build(settings.schedule["kind"], settings.learning_rate, steps, **options(settings.schedule)),
        averages.build(settings.average["kind"], model, steps, **options(settings.average)),
        _stages(settings, min(frame)),
        steps,
        [note for note in (machine.note, otherwise, plain) if note],
    )


def _placed(model: nn.Module, settings: Settings, device: torch.device) -> tuple[torch.memory_format, str]:
    """Move the model to its device; in which memory format, and why not in the one asked for, if so."""
    wanted = "channels_last" if settings.channels_last else "contiguous"
    format, otherwise = memory_format(model, wanted, str(device))
    model.to(device=device, memory_format=format)  # type: ignore[call-overload]
    return format, otherwise


def _step(fabric: Fabric, model: nn.Module, settings: Settings, steps: int, ranks: int) -> tuple[Step, str]:
    """What takes a step of so many; and why the network is not compiled, where it was to be."""
    called, plain = compiled(model, settings.compile, str(fabric.device))
    groups = optimisers.groups(model, settings.discriminative)
    weights = [parameter for group in groups if group["decayed"] for parameter in group["params"]]
    objective = losses.objective(settings.loss["kind"], model, settings.target_weights, **options(settings.loss))
    step = Step(
        fabric,
        model,
        fabric.setup_module(called),
        objective.to(fabric.device),
        _stepper(settings, groups, steps, ranks),
        settings.accumulate,
        settings.clip,
        Penalty(weights, settings.l1),
        called if isinstance(called, Compiled) else None,
    )
    return step, plain


def _chance(fabric: Fabric, seed: int) -> torch.Generator:
    """The chance of this rank's images. Torch's own is seeded alike, but on the first rank, which drew the network."""
    own = seed + CHANCE * fabric.global_rank
    if fabric.global_rank:
        torch.manual_seed(own)  # or dropout would mask the first rank's images and this one's alike
    return torch.Generator().manual_seed(own)


def _check_parts(model: nn.Module, settings: Settings, ranks: int) -> None:
    """Refuse batches of which some part has no image, or a single one for batch normalisation."""
    least = settings.batch_size // ranks // settings.accumulate
    wanted = 2 if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules()) else 1
    if least < wanted:
        parts = f"{settings.accumulate} parts on {ranks} processes"
        raise ValueError(
            f"batch_size: {settings.batch_size} in {parts} leaves {least} images to some; this network needs {wanted}"
        )


def _augment(settings: Settings, images: Images, frame: tuple[int, ...]) -> Augment:
    chosen = augment.build(
        settings.augment, images.channels, images.statistics, images.observation, images.vectors or {}
    )
    chosen.check(*frame)
    return chosen


def _loader(source: Source, settings: Settings, chosen: Augment, device: torch.device, channels_last: bool) -> Loader:
    """Rows turned as they are picked, where that is asked for, and treated image by image where there are workers."""
    memory = settings.memory * 2**20
    loader = choose(source, settings.batch_size, device, memory, turn=chosen.turns, channels_last=channels_last)
    if settings.workers == 0 or chosen.per_image is None:
        return loader
    if settings.progressive is not None:
        raise ValueError("workers: with progressive learning, augmentations of albumentations run in the loop; set 0")
    return Workers(loader, chosen.per_image, settings.workers)


def _stepper(settings: Settings, groups: list[dict[str, Any]], steps: int, ranks: int) -> optimisers.Stepper:
    kind, given = settings.optimiser["kind"], options(settings.optimiser)
    stepper = optimisers.build(kind, groups, settings.learning_rate, settings.weight_decay, steps, **given)
    if ranks > 1 and stepper.kind.single_process:
        raise ValueError(f"optimiser: {kind} runs in one process only: {stepper.kind.single_process}; set devices: 1")
    return stepper


def _stages(settings: Settings, side: int) -> Sequence[Stage]:
    """Of progressive learning, up to the whole frame."""
    if settings.progressive is None:
        return ()
    given: dict[str, Any] = dict(settings.progressive)
    pairs = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    given |= pairs
    return progressive.stages(given.pop("stages"), (given.pop("size"), side), **given)
