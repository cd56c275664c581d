"""Backbones: networks from normalised maps (n, c, h, w) to normalised targets (n, t).

`BACKBONES` is the table. To add one: a file `models/<name>.py` with a function `build`, a line here, a block of options
and a name in params.yaml. A backbone imports only `models.blocks`, `models.timm_cpu` and third parties, so that the
dependencies of a run in dvc.yaml are complete.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from models import cnn, heads, resnet
from models.blocks import Trunk
from models.network import Network, fused

BACKBONES: dict[str, Callable[..., Trunk]] = {"cnn": cnn.build, "resnet": resnet.build}


def build(
    name: str,
    in_channels: int,
    num_targets: int,
    num_vectors: int = 0,
    *,
    fusion: str = "none",
    head: Mapping[str, Any] | None = None,
    **options: Any,
) -> Network:
    """The named backbone with its head, freshly initialised from torch's global generator.

    Vectors enter by `fusion` where there are any; `head` is a kind and its options, `{kind: point}` if none is named.
    Raises `ValueError` naming a backbone or an option that does not exist.
    """
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; there are {', '.join(BACKBONES)}")
    _refuse_unknown(options, BACKBONES[name], ("fusion", "head"))
    trunk = BACKBONES[name](in_channels, **options)
    fusing, width = fused(fusion, trunk, num_vectors)
    return Network(trunk, fusing, heads.build(width, num_targets, **(head or {})))


def _refuse_unknown(options: Mapping[str, Any], build_: Callable[..., Trunk], common: tuple[str, ...]) -> None:
    _, *own = signature(build_).parameters
    for option in options:
        if option not in own:
            raise ValueError(f"no option {option!r}; there are {', '.join([*own, *common])}")
