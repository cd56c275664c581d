"""A network's answers, in evaluation mode."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

BATCH = 512


@torch.no_grad()
def predict(model: nn.Module, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n t"]:
    """Predictions for all maps, float32 on the CPU. Leaves the model in evaluation mode.

    The maps are moved to the model's device a batch at a time; the last batch is as good as the first, because
    evaluation looks at one image at a time.
    """
    model.eval()
    device = next(model.parameters()).device
    return torch.cat([model(batch.to(device)).float().cpu() for batch in maps.split(BATCH)])
