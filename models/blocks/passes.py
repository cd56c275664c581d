"""A pass through a network that is only watched."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def watched_pass(network: nn.Module, inputs: Sequence[Tensor], hooks: Sequence[RemovableHandle]) -> None:
    """Send inputs through once, in evaluation mode and without gradients, and take the hooks that watched away."""
    training = network.training
    with torch.no_grad():
        network.eval()(*inputs)
    network.train(training)
    for hook in hooks:
        hook.remove()
