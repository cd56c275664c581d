"""The L1 penalty: of which weights, how much, and what it is for."""

import pytest
import torch
from torch import Tensor, nn

from models.training.optimisers import groups
from models.training.penalty import Penalty


def l1(model: nn.Module, strength: float) -> Tensor:
    """As the training asks for it."""
    return Penalty([p for group in groups(model) if group["decayed"] for p in group["params"]], strength)()


def test_is_the_sum_of_what_weight_decay_acts_on() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 1))
    for parameter in model.parameters():
        nn.init.constant_(parameter, -2.0)
    found = l1(model, 0.1)
    assert found.item() == pytest.approx(0.1 * 2 * (2 * 9 + 2))
    found.backward()
    assert torch.equal(model[3].weight.grad, torch.full((1, 2), -0.1))
    assert all(p.grad is None for p in (model[0].bias, model[1].weight, model[1].bias, model[3].bias))


def test_selects_as_the_lasso_does() -> None:
    """Of orthogonal inputs: each weight is the least-squares one, less the strength, and not below zero."""
    inputs = torch.linalg.qr(torch.randn(40, 4, generator=torch.Generator().manual_seed(0))).Q
    truth = torch.tensor([[2.0, -1.0, 0.2, -0.3]])
    model = nn.Linear(4, 1, bias=False)
    optimiser = torch.optim.SGD(model.parameters(), lr=2e-2)
    for _ in range(500):
        optimiser.zero_grad()
        (((model(inputs) - inputs @ truth.T) ** 2).sum() / 2 + l1(model, 0.5)).backward()
        optimiser.step()
    torch.testing.assert_close(
        model.weight.data, torch.tensor([[1.5, -0.5, 0.0, 0.0]]), rtol=0, atol=0.021
    )  # a step of the penalty's


def test_a_network_without_matrices_pays_nothing() -> None:
    assert l1(nn.BatchNorm2d(3), 1.0).item() == 0


@pytest.mark.parametrize("strength", [-1.0, float("nan")])
def test_a_strength_that_cannot_be_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"^l1: (-1|nan); it must be zero or above"):
        l1(nn.Linear(2, 1), strength)
