"""Backbones: networks from normalised maps (n, c, h, w) to normalised targets (n, t).

`BACKBONES` is the table. To add one: a file `models/<name>.py` with a function `build`, a line here, a block of options
and a name in params.yaml. A backbone imports only `models.blocks`, `models.timm_cpu` and third parties, so that the
dependencies of a run in dvc.yaml are complete.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from models import alternet, cnn, resnet, xalternet
from models.blocks import Trunk
from models.heads import HEADS
from models.network import Network, fused

BACKBONES: dict[str, Callable[..., Trunk]] = {
    "alternet": alternet.build,
    "cnn": cnn.build,
    "resnet": resnet.build,
    "xalternet": xalternet.build,
}


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
    return Network(trunk, fusing, _head(width, num_targets, **(head or {})))


def _head(width: int, num_targets: int, kind: str = "point", **options: Any) -> Any:
    if kind not in HEADS:
        raise ValueError(f"head.kind: no {kind!r}; there are {', '.join(HEADS)}")
    return HEADS[kind](width, num_targets, **options)


def _refuse_unknown(options: Mapping[str, Any], build_: Callable[..., Trunk], common: tuple[str, ...]) -> None:
    _, *own = signature(build_).parameters
    for option in options:
        if option not in own:
            raise ValueError(f"no option {option!r}; there are {', '.join([*own, *common])}")
