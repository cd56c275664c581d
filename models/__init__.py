"""Backbones: networks from normalised maps (n, c, h, w) to normalised targets (n, t).

`BACKBONES` is the table. To add one: a file `models/<name>.py` with a function `build`, a line here, a block of options
and a name in params.yaml. A backbone imports only `models.blocks`, `models.timm_cpu` and third parties, so that the
dependencies of a run in dvc.yaml are complete.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from torch import nn

from models import cnn, resnet

BACKBONES: dict[str, Callable[..., nn.Module]] = {"cnn": cnn.build, "resnet": resnet.build}


def build(name: str, in_channels: int, num_targets: int, **options: Any) -> nn.Module:
    """The named backbone, freshly initialised from torch's global generator.

    Raises `ValueError` naming a backbone or an option that does not exist.
    """
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; there are {', '.join(BACKBONES)}")
    _, _, *known = signature(BACKBONES[name]).parameters
    for option in options:
        if option not in known:
            raise ValueError(f"no option {option!r}; there are {', '.join(known)}")
    return BACKBONES[name](in_channels, num_targets, **options)
