"""Progressive learning with adaptive regularisation (EfficientNetV2: Tan & Le 2021, ICML, algorithm 1).

Training begins with small images and little regularisation, and both grow stage by stage: a stage's values are linear
in its number, from the first to the last, as in the paper. (Its published code differs: it never trains at the
smallest size, and leaves dropout constant.) The paper's magnitude is RandAugment's, which stretches and recolours; here
it is that of `models.training.augment`. Optimiser, schedule and weights go on from stage to stage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Stage:
    """How strongly to regularise, and at which size."""

    size: int  # pixels of the shorter side
    dropout: float
    mixup: float  # alpha
    magnitude: float  # of the augmentation


def stages(
    count: int,
    size: tuple[int, int],
    dropout: tuple[float, float] = (0.1, 0.3),
    mixup: tuple[float, float] = (0.0, 0.0),
    magnitude: tuple[float, float] = (0.3, 1.0),
    multiple: int = 8,
) -> list[Stage]:
    """So many stages, from the first of each pair to the second.

    `size` goes up to the whole frame's shorter side, which is the last stage's; those before are rounded to a multiple
    of `multiple` pixels, and none is larger than the frame. Dropout and mixup default to those of EfficientNetV2-S.
    """
    first, frame = size
    if count < 1:
        raise ValueError(f"progressive.stages: {count}; there must be at least 1")
    if multiple < 1:
        raise ValueError(f"progressive.multiple: {multiple}; it must be at least 1 pixel")
    if not multiple <= first <= frame:
        raise ValueError(f"progressive.size: from {first} pixels; from {multiple} to {frame}, the frame, it may be")
    _refuse("dropout", dropout, 0.0, 1.0)
    _refuse("mixup", mixup, 0.0, float("inf"))
    _refuse("magnitude", magnitude, 0.0, float("inf"))
    return [
        _stage(number / (count - 1) if count > 1 else 1.0, size, dropout, mixup, magnitude, multiple)
        for number in range(count)
    ]


def level(stages: Sequence[Stage], step: int, steps: int) -> Stage:
    """The stage of a step, counted from 0, out of so many: all stages are as long, up to a step."""
    if not 0 <= step < steps:
        raise ValueError(f"progressive: step {step} of {steps}; they are counted from 0")
    return stages[step * len(stages) // steps]


def resized(maps: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c s t"]:
    """Maps of which the shorter side has `size` pixels; at their own size, they themselves.

    Surface brightness is conserved: a pixel is the mean of what it covers, with parts of pixels where the sizes do not
    divide. So the mean of a map stays exactly, and its normalisation fits; the total flux, in pixels that hold a flux,
    falls by the ratio of the numbers of pixels. White noise becomes fainter by about the ratio of the sides.
    """
    height, width = maps.shape[2:]
    shorter = min(height, width)
    if not 1 <= size <= shorter:
        raise ValueError(f"progressive.size: {size} pixels; from 1 to {shorter}, the frame, it may be")
    if size == shorter:
        return maps
    down, along = (_covered(side, max(1, round(side * size / shorter)), maps) for side in (height, width))
    return down @ maps @ along.mT


def set_dropout(model: nn.Module, dropout: float | Mapping[str, float]) -> dict[str, float]:
    """Set the rate of dropout, and return what it was by the names of modules, to be given back to this.

    It is that of every `nn.Dropout` of the model's `head` (of all of it where it has none), and timm's `drop_rate`: the
    paper's dropout comes before the last layer. A transformer's, four in every block of its trunk, are as they were
    built, and so is stochastic depth.
    """
    in_head = set(getattr(model, "head", model).modules())
    found = {
        name: module
        for name, module in model.named_modules()
        if _rate_name(module) == "drop_rate" or (_rate_name(module) == "p" and module in in_head)
    }
    before = {name: float(getattr(module, _rate_name(module))) for name, module in found.items()}
    for name, module in found.items():
        setattr(module, _rate_name(module), dropout[name] if isinstance(dropout, Mapping) else dropout)
    return before


def _stage(
    part: float,
    size: tuple[int, int],
    dropout: tuple[float, float],
    mixup: tuple[float, float],
    magnitude: tuple[float, float],
    multiple: int,
) -> Stage:
    """What lies at that part of the way from each first to each last."""
    first, frame = size
    rounded = frame if part == 1 else min(frame, multiple * round((first + part * (frame - first)) / multiple))
    return Stage(rounded, *(a + part * (b - a) for a, b in (dropout, mixup, magnitude)))


def _refuse(option: str, pair: tuple[float, float], least: float, below: float) -> None:
    if not all(least <= value < below for value in pair):
        raise ValueError(f"progressive.{option}: {list(pair)}; both must be at least {least:g} and below {below:g}")


def _rate_name(module: nn.Module) -> str:
    """The attribute that a module keeps its rate of dropout in, if it has one."""
    if isinstance(module, nn.Dropout):
        return "p"
    return "drop_rate" if isinstance(getattr(module, "drop_rate", None), int | float) else ""


def _covered(side: int, size: int, like: Tensor) -> Float[Tensor, "size side"]:
    """Each new pixel as a mean of old ones: how much of every old one it covers."""
    edges = torch.arange(size + 1, dtype=torch.float64)[:, None] * (side / size)
    old = torch.arange(side, dtype=torch.float64)
    shared = torch.minimum(edges[1:], old + 1) - torch.maximum(edges[:-1], old)
    return (shared.clamp_min(0) * (size / side)).to(like)
