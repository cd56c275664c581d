"""A loss as the training asks for it: of a batch, of each image, and with what it learns from residuals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.perceptron import single

NORMAL = 1.345  # Huber's delta in standard deviations: 95 % as efficient as the mean if errors are normal
SPREAD = 1.4826  # standard deviations a MAD, of a normal distribution


class Objective(nn.Module):
    """A loss of normalised targets, in float32 whatever the outputs are in.

    `compare` takes outputs and targets (n, t) to losses (n, t), or (n,) where the targets are judged together. Each
    target counts as its weight says, none given as all one; only their ratios matter, so that a learning rate found
    without them stays good.
    """

    weights: Tensor | None
    adapts = False  # whether `adapt` changes anything

    def __init__(self, compare: Callable[..., Tensor], weights: Sequence[float] = ()) -> None:
        super().__init__()
        self.compare, self.equal = compare, len(set(weights)) < 2
        self.register_buffer("weights", _mean_one(weights), persistent=False)

    def forward(self, outputs: Float[Tensor, "n ..."], target: Float[Tensor, "n t"]) -> Float[Tensor, ""]:
        return self.each(outputs, target).mean()

    def each(self, outputs: Float[Tensor, "n ..."], target: Float[Tensor, "n t"]) -> Float[Tensor, " n"]:
        """The loss of each image."""
        losses = self.compare(single(outputs), target, **self.learnt())
        if self.weights is None:
            return losses.flatten(1).mean(dim=1) if losses.ndim > 1 else losses
        if len(self.weights) != target.shape[1]:
            raise ValueError(f"target_weights: {len(self.weights)} for {target.shape[1]} targets; give one each")
        if losses.ndim > 1:
            return (losses * self.weights).mean(dim=1)
        if not self.equal:
            raise ValueError("target_weights: this head judges all targets together; leave them empty, or all equal")
        return losses

    def learnt(self) -> Mapping[str, Any]:
        """Options of `compare` that come from residuals."""
        return {}

    def adapt(self, residuals: Float[Tensor, "n t"]) -> None:
        """Take what can be learnt from the residuals on train: here nothing."""


class Adaptive(Objective):
    """One whose `delta` follows the residuals: 1.345 robust standard deviations (the MAD's) of each target's.

    So Huber's loss takes the same share of images for outliers early and late. Until it has seen any residuals it goes
    by the targets' own spread, which is one.
    """

    delta: Tensor
    adapts = True

    def __init__(self, compare: Callable[..., Tensor], weights: Sequence[float] = ()) -> None:
        super().__init__(compare, weights)
        self.register_buffer("delta", torch.full((1,), NORMAL))
        self.register_load_state_dict_pre_hook(_as_many_deltas)

    def learnt(self) -> Mapping[str, Any]:
        return {"delta": self.delta}

    @torch.no_grad()
    def adapt(self, residuals: Float[Tensor, "n t"]) -> None:
        centred = single(residuals) - single(residuals).median(dim=0).values
        delta = NORMAL * SPREAD * centred.abs().median(dim=0).values
        for target, found in enumerate(delta.tolist()):
            if not 0 < found < torch.inf:
                raise ValueError(
                    f"loss.delta: mad gives {found:g} for target {target}, whose residuals are all but equal or not "
                    "finite; give a number"
                )
        self.delta = delta.to(self.delta)


def _mean_one(weights: Sequence[float]) -> Float[Tensor, " t"] | None:
    if not weights:
        return None
    found = torch.tensor(weights, dtype=torch.float32)
    if not (found.isfinite().all() and (found >= 0).all() and found.any()):
        raise ValueError(f"target_weights: {list(weights)}; they must be finite, none below zero and not all zero")
    return found / found.mean()


def _as_many_deltas(module: Adaptive, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Make room for a saved state's deltas: how many targets there are is first known with the residuals."""
    saved = state.get(f"{prefix}delta")
    if saved is not None:
        module.delta = module.delta.new_empty(saved.shape)
