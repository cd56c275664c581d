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
        self.register_buffer("nodes", torch.special.ndtri(cube), persistent=False)  # (draws, t)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n g"]:
        return single(self.last(self.body(features)))

    def log_prob(self, outputs: Float[Tensor, "n f"], targets: Float[Tensor, "*m n t"]) -> Float[Tensor, "*m n"]:
        with torch.autocast(outputs.device.type, enabled=False):
            return self.flow(outputs).log_prob(targets)

    def samples_at(self, outputs: Float[Tensor, "n f"], normal: Float[Tensor, "n m t"]) -> Float[Tensor, "n m t"]:
        with torch.autocast(outputs.device.type, enabled=False):
            return self.flow(outputs).transform.inv(normal.movedim(1, 0)).movedim(0, 1)

    def point(self, outputs: Float[Tensor, "n f"]) -> Float[Tensor, "n t"]:
        """The mean."""
        return self._settled(outputs).mean(dim=1)

    def loss(self, outputs: Float[Tensor, "n f"], targets: Float[Tensor, "n t"]) -> Float[Tensor, " n"]:
        return -self.log_prob(outputs, targets)

    def quantile(self, outputs: Float[Tensor, "n f"], levels: Float[Tensor, " q"]) -> Float[Tensor, "n t q"]:
        """Of each target by itself.

        The i-th sample, from 0, stands in the middle of its share of the probability, at the level (i + 1/2) / `draws`
        (Hazen 1914); counted from the first sample to the last, the outer intervals would be too narrow.
        """
        count = len(self.nodes)
        places = ((levels * count - 0.5) / max(count - 1, 1)).clamp(0, 1)
        return self._settled(outputs).quantile(places, dim=1).permute(1, 2, 0)

    def _settled(self, outputs: Float[Tensor, "n f"]) -> Float[Tensor, "n draws t"]:
        """The samples that chance has no part in."""
        return self.samples_at(outputs, self.nodes.expand(len(outputs), -1, -1))


def _splines(num_targets: int, width: int, **options: Any) -> nn.Module:
    """Zuko's neural spline flow, which is imported for no other head."""
    try:
        from zuko.flows import NSF
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "head.kind: flow needs zuko, which is not installed; pip install -c constraints.txt zuko"
        ) from error
    return NSF(num_targets, width, **options)
