"""Which parameters are decayed, and whose learning rate is lower."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

# places and tokens of transformers: tables of what is added, of several dimensions, and no matrices
TABLES = {"position", "pos_embed", "token", "cls_token", "table", "relative_position_bias_table", "bias"}
# the weights β̃ and γ̃ of proxy normalisation, the only vectors that Labatie et al. 2021 decay
PROXIES = {"proxy_gamma", "proxy_beta"}


def groups(model: nn.Module, discriminative: float = 1.0) -> list[dict[str, Any]]:
    """Parameter groups: `params`, whether they are `decayed`, and `scale`, which multiplies their learning rate.

    Matrices and kernels are decayed; scales, shifts, tables of places and what a module's `no_weight_decay()` names (as
    in timm) are not. Of 1.0 there are two groups, first what is decayed.

    With `discriminative` below 1 the learning rate falls with depth (Howard & Ruder 2018, ULMFiT; they take 1 / 2.6):
    1 for the head and what fuses, and one factor more for every part of the trunk that has parameters, from the neck
    back to the stem; groups without parameters are left out. Raises `ValueError` for a factor that is not in (0, 1].
    """
    if not 0 < discriminative <= 1:
        raise ValueError(f"discriminative: {discriminative} is not above 0 and at most 1; 1.0 is one rate for all")
    spared = _spared(model)
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    depths = _depths(model, list(named)) if discriminative < 1 else dict.fromkeys(named, 0)
    made = [
        {
            "params": [p for name, p in named.items() if depths[name] == depth and _decays(name, p, spared) == decayed],
            "decayed": decayed,
            "scale": discriminative**depth,
        }
        for depth in sorted({0, *depths.values()}, reverse=True)
        for decayed in (True, False)
    ]
    return made if discriminative == 1 else [group for group in made if group["params"]]


def _decays(name: str, parameter: nn.Parameter, spared: set[str]) -> bool:
    own = name.rpartition(".")[2]
    return own in PROXIES or (parameter.ndim > 1 and own not in TABLES and name not in spared)


def _spared(model: nn.Module) -> set[str]:
    """What modules ask to have spared, by its whole name."""
    found: set[str] = set()
    for path, module in model.named_modules():
        names: Iterable[str] = getattr(module, "no_weight_decay", set)()
        found |= {f"{path}.{name}".lstrip(".") for name in names}
    return found


def _depths(model: nn.Module, names: list[str]) -> dict[str, int]:
    """How many parts each parameter is away from the head; what belongs to the trunk and to no part is at its stem."""
    paths = [path for path in _parts(model) if any(name.startswith(f"{path}.") for name in names)]
    last = len(paths)
    depths = {}
    for name in names:
        belongs = [last - place for place, path in enumerate(paths) if name.startswith(f"{path}.")]
        depths[name] = belongs[0] if belongs else last if name.startswith("trunk.") else 0
    return depths


def _parts(model: nn.Module) -> Iterator[str]:
    """The parts of the trunk from stem to neck: its children, and where these are a list of stages, each of them."""
    for name, child in getattr(model, "trunk", nn.Module()).named_children():
        stages = list(child.named_children()) if isinstance(child, nn.ModuleList) else []
        yield from [f"trunk.{name}.{stage}" for stage, _ in stages] or [f"trunk.{name}"]
