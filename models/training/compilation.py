"""torch.compile, where it works."""

import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from models.blocks.options import one_of

MODES: dict[str, str | None] = {
    "none": None,
    "default": "default",
    "reduce-overhead": "reduce-overhead",
    "max-autotune": "max-autotune",
}
COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch", "torch.fx", "triton")  # who may fail at it


class Compiled(nn.Module):
    """A network that is compiled when it first sees a batch, and stays plain if that fails.

    The compiler runs at the first call with a new shape or mode. When it fails, at the first batch or a later one,
    the plain network answers instead and from then on; `reason` then says why, and is empty until then. Gradients are
    compiled when they are first asked for: whoever asks tells `gives_up` of an error. Errors of the network itself pass
    through. `plain` is the network: its `state_dict` has names that others know.
    """

    def __init__(self, plain: nn.Module, mode: str) -> None:
        super().__init__()
        self.plain, self.reason = plain, ""
        # one shape a call site: the loop's batches are whole, so that every shape is worth its own code
        self._fast: Callable[..., Any] = torch.compile(plain.forward, mode=mode, dynamic=False)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.reason:
            return self.plain(*inputs)
        try:
            return self._fast(*inputs)
        except Exception as error:
            if not self.gives_up(error):
                raise
        return self.plain(*inputs)

    def gives_up(self, error: BaseException) -> bool:
        """Go on with the plain network if the compiler raised the error, in the forward pass or the backward one."""
        if self.reason or not _of_the_compiler(error):
            return False
        self.reason = f"compile: the plain network instead; {_line(error)}"
        return True


def compiled(model: nn.Module, wanted: str, device: str) -> tuple[nn.Module, str]:
    """The network, compiled in a mode of torch's; and, where that cannot be, the plain one and why, in a line.

    What only shows at a batch is found in `Compiled.reason` after it. Hooks of `model` itself are not called.
    """
    one_of("compile", wanted, MODES)
    mode = MODES[wanted]
    if mode is None:
        return model, ""
    if device.startswith("cpu") and not any(map(shutil.which, _cpp_compilers())):
        return model, "compile: the plain network instead; there is no C++ compiler (install g++, or set CXX)"
    try:
        return Compiled(model, mode), ""
    except RuntimeError as error:  # a Python or a system that torch.compile is not made for
        return model, f"compile: the plain network instead; {_line(error)}"


def _cpp_compilers() -> list[str]:
    """What torch would look for; CXX is the first where it is set."""
    from torch._inductor import config  # seconds

    named = config.cpp.cxx
    return [name for name in (named if isinstance(named, list | tuple) else [named]) if name]


def _of_the_compiler(error: BaseException) -> bool:
    """Whether the compiler raised it, or something that it stands on."""
    return any(kind.__module__.startswith(COMPILERS) for kind in type(error).__mro__)


def _line(error: BaseException) -> str:
    """The first line of an error that says something, with its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'no reason given'}"
