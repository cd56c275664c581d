"""Augmentation that leaves the label alone: training images as the telescope might as well have seen the same lens.

    augment = build(["d4", {"shift": {"pixels": 0.5}}, {"noise": {"sigma": 0.3}}], channels, statistics, observation)

Ours are batched, run where the maps are, and take any number of channels: `d4` (exact), `rotate`, `shift`, and of raw
pixels `noise`, `psf` and `sky`. Transforms of albumentations go by their class names and run image by image on the
CPU; `verdicts.py` says which leave the label alone. All channels of an image are treated alike, and all chance comes
from the generator given, on the CPU: the same augmentation on every device.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models.training.augment.items import Item, made, parsed, refuse_names
from models.training.augment.per_image import PerImage
from models.training.augment.promises import refuse_channels, refuse_vectors
from models.training.augment.symmetries import d4

MOST = 0.25  # of the frame's side, that an image may be moved by: the ring has to stay in it


@dataclass(frozen=True)
class Augment:
    """Augmentations, one after the other."""

    items: tuple[Item, ...]

    @property
    def turns(self) -> bool:
        """Whether the symmetries of the square are among them: a loader has them for nothing as it picks rows."""
        return any(item.name == "d4" for item in self.items)

    @property
    def per_image(self) -> PerImage | None:
        """Those that run image by image on the CPU, for workers beside the training; None: there are none."""
        hows = tuple(item.how for item in self.items if item.how is not None)
        return PerImage(hows) if hows else None

    def without(self, turns: bool, per_image: bool) -> "Augment":
        """Those that are left when a loader has turned the images, and workers have done what runs image by image."""
        left = (item for item in self.items if not (turns and item.name == "d4"))
        return Augment(tuple(item for item in left if not (per_image and item.how is not None)))

    def check(self, height: int, width: int) -> None:
        """Raise `ValueError` for frames that an augmentation is not for."""
        for item in self.items:
            if item.square and height != width:
                raise ValueError(f"augment: {item.name} needs square frames, not {height} x {width}; choose none")
            if item.pixels > MOST * min(height, width):
                most = f"{MOST * min(height, width):g} is the most in frames of {height} x {width}"
                raise ValueError(f"augment.{item.name}.pixels: {item.pixels:g} moves the ring out of sight; {most}")

    def __call__(
        self, maps: Float[Tensor, "n c h w"], generator: torch.Generator, magnitude: float = 1.0
    ) -> Float[Tensor, "n c h w"]:
        """Each image under a draw of its own. The given maps stay as they are.

        `magnitude` multiplies what each of ours is given at most (angle, pixels, ...); an exact symmetry has no smaller
        one; a transform of albumentations runs with it as the probability. However large, it takes the same draws.
        """
        if not 0 <= magnitude < math.inf:
            raise ValueError(f"augment: a magnitude of {magnitude:g}; it must be at least 0, and 1 is as given")
        for item in self.items:
            maps = item.apply(maps, generator, magnitude)
        return maps


def build(
    items: Sequence[str | Mapping[str, Any]],
    channels: Sequence[str],
    statistics: Mapping[str, Any] | None = None,
    observation: Mapping[str, float] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Augment:
    """The augmentations of a list of names, or of names with options, for an input.

    `channels` are the features that its maps were made by, and `statistics` their mean and std; `observation` has
    `sky_rms`, in the units of the pixels, and `pixel_scale` [arcsec]; `columns` says of each vector feature under which
    symmetries it stays as it is. Raises `ValueError` for what does not exist, changes the label, or leaves a channel
    or a vector that no longer belongs to its image.
    """
    named = [parsed(item) for item in items]
    refuse_names([name for name, _ in named])
    known = _known(channels, statistics or {}, observation or {})
    chosen = tuple(made(name, options, known) for name, options in named)
    for item in chosen:
        refuse_channels(item, channels)
        refuse_vectors(item, columns or {})
    return Augment(chosen)


def _known(
    channels: Sequence[str], statistics: Mapping[str, Any], observation: Mapping[str, float]
) -> dict[str, float | Tensor]:
    """What there is of the observation, by the names of the arguments that ask for it; `rms` in normalised units."""
    known: dict[str, float | Tensor] = {
        name: value for name, value in observation.items() if math.isfinite(value) and value > 0
    }
    if "sky_rms" in known and "std" in statistics:
        if len(statistics["std"]) != len(channels):
            raise ValueError(f"augment: statistics of {len(statistics['std'])} channels; there are {len(channels)}")
        known["rms"] = observation["sky_rms"] / torch.tensor(statistics["std"])
    return known


__all__ = ["Augment", "build", "d4"]
