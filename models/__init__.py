"""Backbones: networks from normalised maps (n, c, h, w) to normalised targets (n, t).

`BACKBONES` is the table. To add one: a file `models/<name>.py` with a function `build`, a line here, a block of options
and a name in params.yaml. What decides a network is not here but in its file and in `models/network`, so that a new
line in the table trains no other again. A backbone imports only `models.blocks`, `models.timm_cpu` and third parties,
so that the dependencies of a run in dvc.yaml are complete.
"""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

from models import (
    alternet,
    cnn,
    convnext,
    d4net,
    efficientnetv2,
    resnet,
    vit,
    xalternet,
    xresnet,
    xresnet_hybrid,
)
from models.blocks import Trunk
from models.network import Network
from models.network.assembly import assembled

BACKBONES: dict[str, Callable[..., Trunk]] = {
    "cnn": cnn.build,
    "resnet": resnet.build,
    "xresnet": xresnet.build,
    "xresnet_hybrid": xresnet_hybrid.build,
    "efficientnetv2": efficientnetv2.build,
    "convnext": convnext.build,
    "vit": vit.build,
    "alternet": alternet.build,
    "xalternet": xalternet.build,
    "d4net": d4net.build,
}


def build(
    name: str,
    in_channels: int,
    num_targets: int,
    num_vectors: int = 0,
    *,
    fusion: str = "none",
    head: Mapping[str, Any] | None = None,
    init: str | Sequence[str] = "default",
    **options: Any,
) -> Network:
    """The named backbone with its head, freshly initialised from torch's global generator.

    Vectors enter by `fusion` where there are any; `head` is a kind and its options, `{kind: point}` if none is named.
    `init` is a name of models/network/initial.py or several; `lsuv`, which needs images, is for the caller to apply.
    Raises `ValueError` naming a backbone or an option that does not exist.
    """
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; there are {', '.join(BACKBONES)}")
    _refuse_unknown(options, BACKBONES[name], ("fusion", "head", "init"))
    trunk = BACKBONES[name](in_channels, **options)
    return assembled(trunk, in_channels, num_targets, num_vectors, fusion, head or {}, init)


def _refuse_unknown(options: Mapping[str, Any], build_: Callable[..., Trunk], common: tuple[str, ...]) -> None:
    _, *own = signature(build_).parameters
    for option in options:
        if option not in own:
            raise ValueError(f"no option {option!r}; there are {', '.join([*own, *common])}")
