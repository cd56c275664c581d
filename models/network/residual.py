"""Where the residual branches of a network end, seen by sending images through it.

A layer's output, and whatever is made of it without another layer, is marked with the layer and its depth (layers from
the input). Where two marked maps of one shape are added, the deeper is the branch and the other the shortcut, which
may hold layers of its own. A small factor (squeeze and excitation, a layer scale) does not hide the layer behind it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from models.blocks.passes import watched_pass

ADDITIONS = {"add", "add_", "__add__", "__iadd__", "__radd__"}


class Mark(NamedTuple):
    """How many layers deep a tensor lies, and the last of them."""

    depth: int
    layer: nn.Module | None


class Marks(TorchFunctionMode):
    """Marks everything that torch makes of the inputs, and collects the last layers of residual branches."""

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        super().__init__()
        self.ends: list[nn.Module] = []
        # with the tensors themselves, so that no other takes the address of one
        self.marks = {id(tensor): (tensor, Mark(0, None)) for tensor in inputs}

    def after(self, layer: nn.Module, _: object, output: Tensor) -> None:
        """Hook of a layer."""
        _, mark = self.marks.get(id(output), (output, Mark(0, None)))
        self.marks[id(output)] = output, Mark(mark.depth + 1, layer)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        known = [self.marks[id(tensor)] for tensor in _tensors([args, kwargs]) if id(tensor) in self.marks]
        if getattr(func, "__name__", "") in ADDITIONS:
            self._note(*known)
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made) if known else ():
            carried = [mark for source, mark in known if source.numel() == tensor.numel()]
            self.marks[id(tensor)] = tensor, max(carried or [mark for _, mark in known], key=lambda mark: mark.depth)
        return made

    def _note(self, *terms: tuple[Tensor, Mark]) -> None:
        if len(terms) != 2 or terms[0][0].shape != terms[1][0].shape:
            return
        shortcut, branch = sorted((mark for _, mark in terms), key=lambda mark: mark.depth)
        if branch.depth > shortcut.depth and branch.layer is not None and branch.layer not in self.ends:
            self.ends.append(branch.layer)


def branch_ends(network: nn.Module, *inputs: Tensor) -> list[nn.Module]:
    """The last layer with a `weight` of each residual branch: a normalisation, or in pre-activation a convolution."""
    marks = Marks(inputs)
    layers = [module for module in network.modules() if weighted(module)]
    hooks = [layer.register_forward_hook(marks.after) for layer in layers]
    with marks:
        watched_pass(network, inputs, hooks)
    return marks.ends


def weighted(module: nn.Module) -> bool:
    """Whether a layer has a weight of its own, which makes a normalisation, a convolution or a matrix of it."""
    return isinstance(getattr(module, "weight", None), nn.Parameter) and not isinstance(module, nn.PReLU)


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
