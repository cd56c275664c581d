"""From settings to the parts that a run is made of."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.training import augment, averages, losses, optimisers, progressive, schedules
from models.training.augment import Augment
from models.training.averages import Average, estimate
from models.training.compilation import Compiled, compiled
from models.training.device import hardware
from models.training.layout import memory_format
from models.training.loading import Batch, Held, InMemory, Loader, Source, Workers, choose
from models.training.penalty import Penalty
from models.training.predict import predict
from models.training.progressive import Stage
from models.training.record import NotFinite, State
from models.training.schedules.schedule import Schedule
from models.training.settings import Settings, options
from models.training.stepping import Step, Taken, Treatment

CHANCE = 1_000_003  # between the seeds of two ranks' chance: no run has so many seeds


@dataclass(frozen=True)
class Images:
    """What augmentations must know of the maps: their channels, the statistics they were normalised by, what they were
    observed with, and under which symmetries each vector feature keeps its value."""

    channels: Sequence[str] = ()
    statistics: Mapping[str, Any] | None = None
    observation: Mapping[str, float] | None = None
    vectors: Mapping[str, Sequence[str]] | None = None


@dataclass
class Parts:
    """What a run is made of besides the network."""

    fabric: Fabric
    step: Step
    treatment: Treatment
    loader: Loader
    order: torch.Generator  # of the rows and their turns: the same on every rank
    schedule: Schedule
    average: Average
    stages: Sequence[Stage]
    steps: int  # of the whole run
    notes: list[str]  # what was asked for and could not be had

    @property
    def rank(self) -> int:
        return self.fabric.global_rank

    @property
    def ranks(self) -> int:
        return self.fabric.world_size

    @property
    def stepper(self) -> optimisers.Stepper:
        return self.step.stepper

    @property
    def objective(self) -> losses.Objective:
        return self.step.objective

    @property
    def said(self) -> dict[str, Any]:
        """What the schedule decided, and what was asked for and could not be had."""
        compiled = self.step.compiled
        late = [compiled.reason] if compiled and compiled.reason else []
        return {"schedule": self.schedule.record(), "notes": self.notes + late}

    def train(self) -> None:
        """Ready for steps."""
        self.step.model.train()
        self.stepper.train()

    def treated(self, batch: Batch, step: int) -> Batch:
        """The batch as the network is to see it at this step; with progressive learning, dropout is set as well."""
        stage = progressive.level(self.stages, step, self.steps) if self.stages else None
        if stage is not None:
            progressive.set_dropout(self.step.model, stage.dropout)
        return self.treatment(batch, stage)

    @contextmanager
    def judged(self) -> Iterator[None]:
        """The weights that are validated and kept: averaged ones, where there are any yet.

        Schedule-free optimisers move to theirs, which no batch has been normalised with: its statistics are measured.
        """
        self.stepper.eval()
        if not self.average.active:
            if self.stepper.kind.schedule_free:
                estimate(self.step.model, self._inputs())
            yield
            return
        self.average.refresh(self._inputs())
        with self.average.swapped():
            yield

    def _inputs(self) -> Iterator[tuple[Tensor, ...]]:
        """What the model is given of all training rows, once."""
        return ((each.maps, *_given(each.vectors)) for each in self._once())

    def adapt(self) -> None:
        """Let the loss see the residuals of all training rows: the first rank's, whose statistics are those kept."""
        model = self.step.model
        seen = [(predict(model, each.maps, each.vectors), each.target.cpu()) for each in self._once()]
        residuals = torch.cat([target - found for found, target in seen]).to(self.fabric.device)
        self.objective.adapt(self.fabric.broadcast(residuals))

    def _once(self) -> Iterator[Batch]:
        """The training rows in an order that is nobody else's business, all on this rank."""
        return self.loader.epoch(torch.Generator().manual_seed(0))

    def state(self) -> State:
        """Numbers, tensors, and lists and dicts of them; chance is each rank's own."""
        own = [self.treatment.chance.get_state(), torch.get_rng_state()]
        if self.fabric.device.type == "cuda":
            own.append(torch.cuda.get_rng_state(self.fabric.device))
        return {
            **self.weights(),
            "schedule": self.schedule.state_dict(),
            "objective": {name: value.cpu() for name, value in self.objective.state_dict().items()},
            "chance": [self._of_all_ranks(each) for each in own],
        }

    def weights(self) -> State:
        """What goes with the weights of a moment."""
        return {
            "optimiser": deepcopy(self.stepper.state_dict()),
            "average": deepcopy(self.average.state_dict()),
        }

    def put_back(self, state: State) -> None:
        """What `weights` gave, beside the weights of the same moment."""
        self.stepper.load_state_dict(deepcopy(state["optimiser"]))
        self.average.load_state_dict(deepcopy(state["average"]))

    def mean(self, values: Sequence[float]) -> list[float]:
        """Of all ranks."""
        found = self.fabric.all_reduce(torch.tensor(values, dtype=torch.float64), reduce_op="mean")
        assert isinstance(found, Tensor)
        return found.tolist()

    def blamed(self, taken: Taken, step: int) -> NotFinite:
        """The error for a step whose loss or gradient is not finite; it names the rows of whichever rank had them.

        The gradient is that of all ranks, who are all here if it is not finite. A loss alone is a rank's own: the
        others know nothing of it, and must not be waited for.
        """
        if self.ranks == 1 or math.isfinite(taken.numbers()[1]):
            return taken.blamed(step)
        told: list[Any] = [None] * self.ranks
        torch.distributed.all_gather_object(told, taken.blamed(step))
        return next((error for error in told if error.theirs), told[0])

    def _of_all_ranks(self, own: Tensor) -> Tensor:
        if self.ranks == 1:
            return own[None]
        mine = own.to(self.fabric.device)
        all_ = [torch.empty_like(mine) for _ in range(self.ranks)]
        torch.distributed.all_gather(all_, mine)
        return torch.stack(all_).cpu()

    def restore(self, state: State) -> None:
        self.schedule.load_state_dict(state["schedule"])
        self.objective.load_state_dict(state["objective"])
        self.put_back(state)
        # as tensors of their own: torch reads the memory behind a view as if it began there
        chance, of_torch, *of_cuda = (each[self.rank].clone() for each in state["chance"])
        self.treatment.chance.set_state(chance)
        torch.set_rng_state(of_torch)
        for each in of_cuda:
            torch.cuda.set_rng_state(each, self.fabric.device)


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


def part(ranks: int) -> None:
    """Let the other ranks go, when all are done: one that merely ended could be missed by those still at work.

    The `Parts` must be gone by now. A network wrapped for several ranks that outlived the group of ranks would be the
    last to hold it, and end its threads with Python's lock in hand: they may be waiting for that very lock, for ever.
    """
    if ranks > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


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


def _given(vectors: Tensor | None) -> tuple[Tensor, ...]:
    return () if vectors is None else (vectors,)
