"""Transforms of albumentations: one image at a time, in NumPy on the CPU."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from models.training.augment.verdicts import UNSAFE_OPTIONS
from models.training.choice import options_of


@dataclass(frozen=True)
class PerImage:
    """Transforms of one image after the other, each seeded anew: what a worker runs."""

    hows: tuple[Any, ...]

    def __call__(self, image: Float[np.ndarray, "h w c"], seed: int) -> Float[np.ndarray, "h w c"]:
        for place, how in enumerate(self.hows):
            how.set_random_seed(seed + place)
            image = how(image=np.ascontiguousarray(image))["image"]
        return image


def known_options(name: str) -> list[str]:
    """What the transform of that name may be told."""
    return options_of(_class(name).__init__)


def transform(name: str, options: Mapping[str, Any]) -> Any:
    """The transform of that name. Raises `ValueError` naming an option whose value cannot be."""
    kind = _class(name)
    for option in options:
        if reason := UNSAFE_OPTIONS.get(name, {}).get(option):
            raise ValueError(f"{option}: {reason}; leave it out")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns of a value that it then replaces
        try:
            return kind(**options)
        except (UserWarning, TypeError, ValueError) as error:
            raise ValueError(f"{options} cannot be: {' '.join(str(error).split())}") from error


def _class(name: str) -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or it asks the network for its newest version
    import albumentations

    return getattr(albumentations, name)


def transformed(
    maps: Float[Tensor, "n c h w"], generator: torch.Generator, magnitude: float, how: Any
) -> Float[Tensor, "n c h w"]:
    """Each image with probability `magnitude` (and the transform's own `p`), seeded one by one from the generator."""
    chosen = torch.rand(len(maps), generator=generator) < magnitude
    seeds = torch.randint(2**31, (len(maps),), generator=generator)
    images = maps.detach().cpu().permute(0, 2, 3, 1).numpy().copy()  # its channels are last
    for image in chosen.nonzero()[:, 0].tolist():
        how.set_random_seed(int(seeds[image]))
        images[image] = how(image=np.ascontiguousarray(images[image]))["image"]
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(maps.device)
