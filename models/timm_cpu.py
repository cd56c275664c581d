"""How torch, torchvision and timm are made to agree on a CPU build of torch: here, and nowhere else.

timm imports torchvision without asking. The package index has torchvision for CUDA only, and its compiled library
cannot load beside a CPU build of torch; `import torchvision` then fails, because it goes on to describe two operators
(`nms` and `qnms`) that the library was to define. Declaring these two, without giving them a body, lets everything
else import. Nobody here calls them; whoever does is told by torch that there is no implementation.

With a torchvision that loads, nothing is declared.
"""

import sys
from functools import cache
from types import ModuleType

import torch


@cache
def import_timm() -> ModuleType:
    """The timm module."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
    import timm

    return timm


@cache  # the operators live as long as the library object does
def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
