"""A number a target."""

from jaxtyping import Float
from torch import Tensor, nn


class Point(nn.Module):
    """One linear layer."""

    loss = None  # whatever the training compares numbers by

    def __init__(self, width: int, num_targets: int) -> None:
        super().__init__()
        self.last = nn.Linear(width, num_targets)

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n t"]:
        return self.last(features)

    def point(self, outputs: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        return outputs
