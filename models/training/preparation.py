"""From settings to the parts that a run is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.training import augment, averages, losses, optimisers, progressive, schedules
from models.training.averages import Average
from models.training.device import compiled, hardware, memory_format
from models.training.loading import Loader
from models.training.progressive import Stage
from models.training.schedules import Schedule
from models.training.settings import Settings, options
from models.training.stepping import Step, Treatment

CHANCE = 1_000_003  # between the seeds of two ranks' chance: no run has so many seeds


@dataclass(frozen=True)
class Images:
    """What augmentations must know of the maps: their channels, the statistics they were normalised by, the observation,
    and under which symmetries each vector feature keeps its value."""

    channels: Sequence[str] = ()
    statistics: Mapping[str, Any] | None = None
    observation: Mapping[str, float] | None = None
    vectors: Mapping[str, Sequence[str]] | None = None


Rows = Any  # (maps, target) or (maps, target, vectors) as tensors, or a `models.training.loading.Source` of them


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
    notes: list[str]  # what was asked for and could not be done

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
        """The weights that are validated and kept: averaged ones, where there are any yet."""
        self.stepper.eval()
        if not self.average.active:
            yield
            return
        with self.average.swapped():
            self.average.refresh((each.maps, *_given(each.vectors)) for each in self._once())
            yield

    def adapt(self) -> None:
        """Let the loss see the residuals of all training rows."""
        model = self.step.model
        seen = [(answers(model, each.maps, each.vectors, _points(model)), each.target.cpu()) for each in self._once()]
        self.objective.adapt(torch.cat([target - found for found, target in seen]).to(self.fabric.device))

    def _once(self) -> Iterator[Batch]:
        """The training rows in an order that is nobody else's business, all on this rank."""
        return self.loader.epoch(torch.Generator().manual_seed(0))

    def state(self) -> State:
        """Numbers, tensors, and lists and dicts of them; chance is each rank's own."""
        own = [self.treatment.chance.get_state(), torch.get_rng_state()]
        if self.fabric.device.type == "cuda":
            own.append(torch.cuda.get_rng_state(self.fabric.device))
        return {
            "optimiser": deepcopy(self.stepper.state_dict()),
            "schedule": self.schedule.state_dict(),
            "average": deepcopy(self.average.state_dict()),
            "objective": {name: value.cpu() for name, value in self.objective.state_dict().items()},
            "chance": [self.fabric.all_gather(each).reshape(self.ranks, -1).cpu() for each in own],
        }

    def restore(self, state: State) -> None:
        for name in ("schedule", "average", "objective"):
            getattr(self, name).load_state_dict(deepcopy(state[name]))
        self.stepper.load_state_dict(deepcopy(state["optimiser"]))
        chance, of_torch, *of_cuda = (each[self.rank] for each in state["chance"])
        self.treatment.chance.set_state(chance)
        torch.set_rng_state(of_torch)
        for each in of_cuda:
            torch.cuda.set_rng_state(each, self.fabric.device)


def prepared(
    model: nn.Module, train: Rows, settings: Settings, seed: int, images: Images | None = None, ranks: int = 1
) -> Parts:
    """The parts of a run of `model` on the rows `train`. The model is moved to its device.

    Raises `ValueError` naming the setting that cannot be.
    """
    fabric = Fabric(**hardware(settings.device, settings.precision, ranks))
    if ranks > 1:
        fabric.launch()
    images, source = images or Images(), loading.source(train)
    turn, treatment = _treatment(settings, images, source, seed + CHANCE * fabric.global_rank)
    format = memory_format(model, settings.channels_last, fabric.device)
    model.to(device=fabric.device, memory_format=format)  # type: ignore[call-overload]
    loader = loading.choose(
        source, settings.batch_size, fabric.device, settings.memory, turn=turn, memory_format=format
    )
    steps = max(2, settings.epochs * loader.steps)
    kind, given = settings.optimiser["kind"], options(settings.optimiser)
    groups = optimisers.groups(model, settings.discriminative)
    stepper = optimisers.build(kind, groups, settings.learning_rate, settings.weight_decay, steps, **given)
    if ranks > 1 and stepper.single_process:
        raise ValueError(f"optimiser: {kind} runs in one process only: {stepper.single_process}; choose devices: 1")
    objective = losses.objective(settings.loss["kind"], model, settings.target_weights, **options(settings.loss))
    faster, note = compiled(model, settings.compile)
    step = Step(
        fabric,
        model,
        fabric.setup_module(faster),
        objective.to(fabric.device),
        stepper,
        settings.accumulate,
        settings.clip,
        settings.l1,
    )
    return Parts(
        fabric,
        step,
        treatment,
        loader,
        torch.Generator().manual_seed(seed),
        schedules.build(settings.schedule["kind"], settings.learning_rate, steps, **options(settings.schedule)),
        averages.build(settings.average["kind"], model, steps, **options(settings.average)),
        progressive.stages(frame=source.frame, **settings.progressive) if settings.progressive else (),
        steps,
        [note] if note else [],
    )


def _treatment(settings: Settings, images: Images, source: Source, seed: int) -> tuple[bool, Treatment]:
    """Whether the loader turns the images as it picks them, and what is done to them afterwards."""
    items = list(settings.augment)
    chosen = augment.build(items, images.channels, images.statistics, images.observation, images.vectors or {})
    chosen.check(*source.frame)
    return chosen.turns, Treatment(chosen, settings.label_noise, torch.Generator().manual_seed(seed))


def _given(vectors: Tensor | None) -> tuple[Tensor, ...]:
    return () if vectors is None else (vectors,)
