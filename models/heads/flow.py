"""The joint distribution of all targets, of whatever shape."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import Perceptron, single


class Flow(nn.Module):
    """Outputs (n, `context`): what a neural spline flow (Durkan et al. 2019, NeurIPS) is conditioned on.

    The flow is autoregressive over the targets: `transforms` layers of rational-quadratic splines of `bins` pieces
    between -5 and 5 standard deviations (the identity beyond), whose knots a network with layers `hidden` gives. Its
    point and quantiles are those of `draws` quasi-random samples, the same ones of every image, so that they do not
    depend on chance; a level is met to about one in `draws`. `context` is kept small because every sample pays for it.
    """

    nodes: Tensor

    def __init__(
        self,
        body: Perceptron,
        num_targets: int,
        context: int = 64,
        transforms: int = 2,
        bins: int = 8,
        hidden: Sequence[int] = (64, 64),
        draws: int = 256,
    ) -> None:
        counts = {"context": context, "transforms": transforms, "bins": bins, "hidden": min(hidden, default=1)}
        for name, count in {**counts, "draws": draws}.items():
            if count < 1:
                raise ValueError(f"{name}: {count}; it must be at least 1")
        super().__init__()
        self.body, self.last = body, nn.Linear(body.width, context)
        self.flow = _splines(num_targets, context, transforms=transforms, bins=bins, hidden_features=tuple(hidden))
        cube = torch.quasirandom.SobolEngine(num_targets, scramble=True, seed=0).draw(draws)
        self.register_buffer("nodes", torch.special.ndtri(cube)[:, None], persistent=False)  # (draws, 1, t)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n g"]:
        return single(self.last(self.body(features)))

    def log_prob(self, outputs: Float[Tensor, "n f"], targets: Float[Tensor, "*m n t"]) -> Float[Tensor, "*m n"]:
        with torch.autocast(outputs.device.type, enabled=False):
            return self.flow(outputs).log_prob(targets)

    def samples(self, outputs: Float[Tensor, "n f"], count: int) -> Float[Tensor, "n count t"]:
        """So many draws of all targets together, from torch's global generator."""
        return self._targets_of(outputs, self.nodes.new_empty(count, len(outputs), self.nodes.shape[2]).normal_())

    def point(self, outputs: Float[Tensor, "n f"]) -> Float[Tensor, "n t"]:
        """The mean."""
        return self._targets_of(outputs, self.nodes).mean(dim=1)

    def loss(self, outputs: Float[Tensor, "n f"], targets: Float[Tensor, "n t"]) -> Float[Tensor, " n"]:
        return -self.log_prob(outputs, targets)

    def quantile(self, outputs: Float[Tensor, "n f"], levels: Float[Tensor, " q"]) -> Float[Tensor, "n t q"]:
        """Of each target by itself."""
        return self._targets_of(outputs, self.nodes).quantile(levels, dim=1).permute(1, 2, 0)

    def _targets_of(self, outputs: Float[Tensor, "n f"], normal: Float[Tensor, "m _ t"]) -> Float[Tensor, "n m t"]:
        """Where the flow takes numbers that are normally distributed."""
        with torch.autocast(outputs.device.type, enabled=False):
            base = normal.expand(-1, len(outputs), -1)
            return self.flow(outputs).transform.inv(base).movedim(0, 1)


def _splines(num_targets: int, width: int, **options: Any) -> nn.Module:
    """Zuko's neural spline flow, which is imported for no other head."""
    try:
        from zuko.flows import NSF
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "head.kind: flow needs zuko, which is not installed; pip install -c constraints.txt zuko"
        ) from error
    return NSF(num_targets, width, **options)
