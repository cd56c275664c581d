"""What a list of augmentations may name: ours, and the transforms of albumentations by the names of their classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from math import inf
from typing import Any

import torch
from torch import Tensor

from models.training.augment import geometry, observation, per_image
from models.training.augment.symmetries import d4
from models.training.augment.verdicts import ALLOWED, REASONS
from models.training.choice import refuse_unknown

Apply = Callable[[Tensor, torch.Generator, float], Tensor]


@dataclass(frozen=True)
class Item:
    """One augmentation, ready to be applied."""

    name: str
    apply: Apply
    changes: str  # d4, rotation, shift, or what of the observation; "" is nothing
    square: bool = False  # whether it needs square frames
    pixels: float = 0.0  # how far it moves an image
    how: Any = None  # the transform of albumentations, which runs on the CPU, image by image


def turn(maps: Tensor, generator: torch.Generator, magnitude: float) -> Tensor:
    """The symmetries of the square: there are no smaller ones, so of whatever magnitude."""
    return d4(maps, generator)


OWN: dict[str, tuple[Callable[..., Tensor], str]] = {
    "d4": (turn, "d4"),
    "rotate": (geometry.rotate, "rotation"),
    "shift": (geometry.shift, "shift"),
    "noise": (observation.noise, "noise"),
    "psf": (observation.psf, "psf"),
    "sky": (observation.sky, "sky"),
}

NEEDS = {
    "rms": "the rms of the sky, and the std that the pixels were divided by",
    "pixel_scale": "the pixel scale",
}


def parsed(item: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A name and its options, of `name` or `{name: {option: value}}`."""
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and len(item) == 1:
        ((name, options),) = item.items()
        if isinstance(options or {}, Mapping):
            return str(name), dict(options or {})
    raise ValueError(
        f"augment: {item!r} is no augmentation; write a name, or one with options as {{shift: {{pixels: 1}}}}"
    )


def made(name: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> Item:
    """The augmentation of that name, with what it needs out of what is known of the observation."""
    return _own(name, options, known) if name in OWN else _borrowed(name, options)


def _own(name: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> Item:
    function, changes = OWN[name]
    parameters = list(signature(function).parameters.values())[3:]
    defaults = {p.name: p.default for p in parameters if p.default is not Parameter.empty}
    refuse_unknown("augment", name, options, defaults)
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
            raise ValueError(f"augment.{name}.{option}: {value!r}; it must be a number, and at least 0")
    needs = [p.name for p in parameters if p.default is Parameter.empty]
    for need in needs:
        if need not in known:
            raise ValueError(f"augment: {name} needs {NEEDS[need]}, and it is not known; drop it")
    chosen = defaults | {option: float(value) for option, value in options.items()}
    apply = partial(function, **chosen, **{need: known[need] for need in needs})
    return Item(name, apply, changes, square=name == "d4", pixels=chosen.get("pixels", 0.0))


def _borrowed(name: str, options: Mapping[str, Any]) -> Item:
    refuse_unknown("augment", name, options, per_image.known_options(name))
    try:
        how = per_image.transform(name, options)
    except ValueError as error:
        raise ValueError(f"augment.{name}: {error}") from error
    return Item(name, partial(per_image.transformed, how=how), *ALLOWED[name], how=how)


def refuse_names(names: Sequence[str]) -> None:
    """Raise `ValueError` for what does not exist and for what changes the label, with the reason."""
    for name in names:
        if name in REASONS:
            raise ValueError(f"augment: {name} {REASONS[name]}")
        if name not in OWN and name not in ALLOWED:
            raise ValueError(
                f"augment: no {name!r}; there are {', '.join(OWN)}, and of albumentations {', '.join(ALLOWED)}"
            )
