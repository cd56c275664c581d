"""A number a target."""

from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import Perceptron


class Point(nn.Module):
    """Outputs (n, t): the targets. Nothing is said of their uncertainty."""

    loss = None  # whatever the training compares numbers by
    quantile = None
    log_prob = None
    samples_at = None

    def __init__(self, body: Perceptron, num_targets: int) -> None:
        super().__init__()
        self.body, self.last = body, nn.Linear(body.width, num_targets)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n t"]:
        return self.last(self.body(features))

    def point(self, outputs: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        return outputs
