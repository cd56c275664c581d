"""Heads: from features (n, f) to what is said of t targets.

A head is a multilayer perceptron (`models.heads.perceptron`; by default nothing but a linear layer) with outputs of its
kind, all in units of the normalised targets. Its file says what its outputs are; everyone else asks it for

- `point(outputs)` (n, t): the targets they amount to;
- `loss(outputs, targets)` (n, t), or (n,) where the targets are judged together: what it is trained with, of each
  image. In evaluation it is a proper score, fit to pick an epoch by. None leaves the choice to the training;
- `quantile(outputs, levels)` (n, t, q): each target's quantiles at levels (q,) between 0 and 1, in evaluation and
  without chance; with levels .16 and .84 a spread, with many the calibration. None where it says a number alone;
- `log_prob(outputs, targets)` (n, t), or (n,) where the targets are judged together: the logarithm of the density, with
  its constant. None where it has no density;
- `samples_at(outputs, normal)` (n, m, t): what it makes of numbers (n, m, t) that are normally distributed, so that who
  asks decides what is left to chance: samples of all targets together. None where it has none.

`models.heads.spread` is what all of that says of rows whose truth is known.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from torch import nn

from models.blocks.options import one_of
from models.heads.flow import Flow
from models.heads.gaussian import Gaussian
from models.heads.perceptron import Perceptron
from models.heads.point import Point
from models.heads.quantiles import Quantiles

HEADS: dict[str, Callable[..., nn.Module]] = {
    "point": Point,
    "gaussian": Gaussian,
    "quantiles": Quantiles,
    "flow": Flow,
}


def build(width: int, num_targets: int, kind: str = "point", **options: Any) -> nn.Module:
    """A head for features of so many columns, from options of its own and of its perceptron.

    Raises `ValueError` naming a kind, an option or a value that cannot be.
    """
    one_of("head.kind", kind, HEADS)
    _, *shared = signature(Perceptron).parameters
    _, _, *own = signature(HEADS[kind]).parameters
    for option in options:
        if option not in shared + own:
            raise ValueError(f"head: no option {option!r}; there are {', '.join(['kind', *shared, *own])}")
    try:
        body = Perceptron(width, **{name: value for name, value in options.items() if name in shared})
        return HEADS[kind](body, num_targets, **{name: value for name, value in options.items() if name in own})
    except ValueError as error:
        raise ValueError(f"head.{error}") from error
