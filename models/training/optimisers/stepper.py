"""One way to drive every optimiser."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from models.training.optimisers.kinds import Kind


class Stepper:
    """An optimiser with its weight decay and the learning rate of every group.

    The decay is decoupled (Loshchilov & Hutter 2019, AdamW): a step takes lr · weight_decay of every decayed weight
    that has a gradient, before the optimiser's own part, or after it where that still needs the weights of which the
    gradients are. What the library would do is switched off, and AdamW's bits are those of torch's fused one.
    Schedule-free optimisers, which keep three sequences of weights together, decay them themselves, decoupled too.
    """

    def __init__(
        self,
        kind: Kind,
        optimiser: Optimizer,
        scales: Sequence[float],  # of the learning rate, a number a group of the optimiser
        decayed: Sequence[tuple[list[Tensor], float]],  # parameters and the scale of their learning rate
        lr: float,
        weight_decay: float,
    ) -> None:
        self.kind, self.optimiser, self.scales, self.decayed = kind, optimiser, scales, decayed
        self.lr, self.weight_decay = lr, weight_decay
        # zero is off, and not for a schedule to switch on; a schedule-free optimiser needs the one it began with
        groups = [] if kind.schedule_free else optimiser.param_groups
        self.has_momentum = any(group.get("momentum") or group.get("betas", [0])[0] for group in groups)

    def step(self, closure: Callable[[bool], Tensor]) -> Tensor:
        """One step; returns the (first) loss.

        `closure(create_graph)` computes the loss and adds its gradients to parameters that have none, with their graph
        where it is asked for, and returns the loss without it. It may be called several times.
        """
        self.train()
        taken: Callable[..., Any] = self.optimiser.step
        if self.kind.closure:
            loss = taken(lambda: self._evaluated(closure))
            self._decay()
            return loss
        self.optimiser.zero_grad(set_to_none=True)
        create_graph = self._differentiates()
        with _without_warning() if create_graph else nullcontext():
            loss = closure(create_graph)
        if not self.kind.create_graph:
            self._decay()
        with _numpy_from_torch() if self.kind.numpy_random else nullcontext():
            taken(lambda: loss)  # a few adapt to it
        if self.kind.create_graph:  # not before: the gradients' graph is of the weights as they were
            self._decay()
            self.optimiser.zero_grad(set_to_none=True)  # a gradient and its graph keep one another in memory
        return loss

    def set(self, lr: float, momentum: float | None = None) -> None:
        """The learning rate of the next steps, times each group's scale, and the momentum where there is one."""
        self.lr = lr
        for group, scale in zip(self.optimiser.param_groups, self.scales, strict=True):
            group["lr"] = lr * scale
            if momentum is not None and self.has_momentum:
                if group.get("momentum"):
                    group["momentum"] = momentum
                if group.get("betas", [0])[0]:
                    group["betas"] = (momentum, *group["betas"][1:])

    def train(self) -> None:
        """Put the weights where gradients are taken; only schedule-free optimisers have two places."""
        if self.kind.schedule_free:
            self.optimiser.train()  # type: ignore[attr-defined]

    def eval(self) -> None:
        """Put the weights where they are best: for evaluation, and for keeping."""
        if self.kind.schedule_free:
            self.optimiser.eval()  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on but the weights and torch's random state: no copy, as torch's."""
        return {"optimiser": self.optimiser.state_dict(), "lr": self.lr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state; it goes with the weights of the same moment, whether in training or evaluation."""
        self.optimiser.load_state_dict(deepcopy(state["optimiser"]))  # or steps would change the caller's tensors
        self.lr = state["lr"]

    def _evaluated(self, closure: Callable[[bool], Tensor]) -> Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        loss = closure(False)
        for group in self.optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:  # L-BFGS views gradients as one vector; channels-last ones cannot be
                    parameter.grad = parameter.grad.contiguous()
        return loss

    def _differentiates(self) -> bool:
        """Whether the next step looks at second derivatives, which some do only every so many steps."""
        period = getattr(self.optimiser, "update_period", 1)
        return self.kind.create_graph and self.optimiser.param_groups[0].get("step", 0) % period == 0

    @torch.no_grad()
    def _decay(self) -> None:
        if self.kind.own_decay or self.weight_decay == 0:
            return
        for parameters, scale in self.decayed:
            moving = [parameter for parameter in parameters if parameter.grad is not None]
            if moving:
                torch._foreach_mul_(moving, 1 - self.lr * scale * self.weight_decay)


@contextmanager
def _without_warning() -> Iterator[None]:
    """Torch warns of the memory that a gradient's graph keeps; `step` frees it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Using backward\(\) with create_graph=True")
        yield


@contextmanager
def _numpy_from_torch() -> Iterator[None]:
    """Numpy's global generator, seeded by torch's, so that torch's state is all there is to keep; then as it was."""
    before = np.random.get_state()  # noqa: NPY002  # the library's choice
    np.random.seed(int(torch.randint(2**31, ())))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
