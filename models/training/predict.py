"""A network's answers, in evaluation mode."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

BATCH = 512


def predict(
    model: nn.Module, maps: Float[Tensor, "n c h w"], vectors: Float[Tensor, "n v"] | None = None
) -> Float[Tensor, "n t"]:
    """Predictions for all maps: the points of the model's head, or what a model without one says."""
    return answers(model, maps, vectors, point_of(model))


def point_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """What makes targets of the model's outputs: its head, or nothing where it has none."""
    return getattr(getattr(model, "head", None), "point", _as_they_are)


def _as_they_are(outputs: Tensor) -> Tensor:
    return outputs


@torch.no_grad()
def answers(
    model: nn.Module,
    maps: Float[Tensor, "n c h w"],
    vectors: Float[Tensor, "n v"] | None = None,
    read: Callable[[Tensor], Tensor] = _as_they_are,
) -> Float[Tensor, "n ..."]:
    """The outputs for all maps, or what `read` makes of them; float32 on the CPU. Leaves the model in evaluation mode.

    The rows are moved to the model's device a batch at a time; the last batch is as good as the first, because
    evaluation looks at one image at a time.
    """
    model.eval()
    device = next(model.parameters()).device
    parts = [maps.split(BATCH)] if vectors is None else [maps.split(BATCH), vectors.split(BATCH)]
    batches = ([part.to(device) for part in batch] for batch in zip(*parts, strict=True))
    return torch.cat([read(model(*batch).float()).cpu() for batch in batches])
