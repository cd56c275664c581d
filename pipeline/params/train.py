"""`train`: which networks are trained, on what, and how."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.params.basis import Count, Kind, Names, Positive, Range, Section, Seed, Unique


class Loss(Kind):
    kind: Literal[
        "auto", "mse", "mae", "huber", "smooth_l1", "log_cosh", "robust", "gaussian", "pinball"
    ]  # fmt: skip


class Schedule(Kind):
    kind: Literal[
        "constant", "step", "exponential", "polynomial", "cosine", "warm_restarts", "cyclical", "one_cycle", "plateau",
        "autowu",
    ]  # fmt: skip


class Average(Kind):
    kind: Literal["none", "ema", "swa"]


class Scaling(Section):
    """How learning_rate, set for batches of batch_size images, follows train.fit.batch_size."""

    rule: Literal["none", "linear", "sqrt"]
    batch_size: Count


class RangeTest(Section):
    """What learning_rate: auto tries."""

    lowest: Positive
    highest: Positive
    steps: Annotated[int, Field(ge=20)]

    @model_validator(mode="after")
    def upwards(self) -> "RangeTest":
        if self.lowest >= self.highest:
            raise ValueError(f"from {self.lowest:g} to {self.highest:g} does not rise; put the smaller one in lowest")
        return self


class Progressive(Section):
    """Progressive learning: stages of the run, each with larger frames and more regularisation than the one before."""

    stages: Count
    size: Count
    multiple: Count
    dropout: Range
    mixup: Range
    magnitude: Range


def _rate(value: Any) -> Any:
    """A learning rate's own complaint: pydantic's is about a union of types."""
    if value == "auto" or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"{value!r} is not a learning rate; give a number above zero, or auto")


class Fit(Section):
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    accumulate: Count
    learning_rate: Annotated[float | Literal["auto"], BeforeValidator(_rate)]
    range_test: RangeTest
    scaling: Scaling
    schedule: Schedule
    optimiser: Kind
    discriminative: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    l1: Annotated[float, Field(ge=0)]
    clip: Positive | None
    loss: Loss
    target_weights: list[Annotated[float, Field(ge=0)]]
    label_noise: Annotated[float, Field(ge=0)]
    average: Average
    patience: Count
    augment: list[str | dict[str, dict[str, Any]]]
    progressive: Progressive | None
    memory: Count
    workers: Annotated[int, Field(ge=0)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
    devices: Count
    precision: Literal["auto", "32-true", "bf16-mixed"]
    channels_last: bool
    compile: Literal["none", "default", "reduce-overhead", "max-autotune"]

    @model_validator(mode="after")
    def agrees(self) -> "Fit":
        if self.learning_rate == "auto" and self.scaling.rule != "none":
            raise ValueError("scaling: learning_rate: auto is found at this very batch_size; choose rule: none")
        if self.accumulate * self.devices > self.batch_size:
            raise ValueError(
                f"accumulate: {self.accumulate} parts on {self.devices} devices of a batch of {self.batch_size} leave "
                "some without an image; choose fewer"
            )
        return self


class Watch(Section):
    """What is kept and shown of a run that is going on; no byte of its weights depends on it."""

    checkpoint_minutes: Annotated[float, Field(ge=0)]
    log: Literal["none", "dvclive", "tensorboard"]


class Train(Section):
    inputs: Names
    backbones: Names
    sizes: Annotated[list[Literal["all"] | Annotated[int, Field(ge=2)]], Field(min_length=1), Unique]
    seeds: Annotated[list[Seed], Field(min_length=1), Unique]
    fit: Fit
    watch: Watch
