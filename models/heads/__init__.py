"""Heads: from features (n, f) to what is said of t targets.

Every head is a module with `point(outputs)`, the targets (n, t) that its outputs amount to. A head of a likelihood has
`loss(outputs, targets)` (n, t) to be trained with; one without (`loss` is None) leaves the choice to the training.
"""

from collections.abc import Callable

from torch import nn

from models.heads.point import Point

HEADS: dict[str, Callable[..., nn.Module]] = {"point": Point}
