"""Losses: each against an independent formula, and what they refuse."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import huber as scipy_huber
from scipy.stats import median_abs_deviation
from sklearn.metrics import mean_pinball_loss
from torch import Tensor, nn

import models
from models.training.losses import KINDS, OF_HEADS, objective
from models.training.losses.pointwise import POINTWISE, log_cosh, robust

RESIDUALS = torch.cat([torch.linspace(-5, 5, 201), torch.tensor([-1e-4, 1e-4, 40.0])])[:, None].double()
PLAIN = nn.Linear(3, 2)  # without a head: outputs are targets


def network(kind: str, targets: int = 2, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return models.build("cnn", 1, targets, widths=[4], head={"kind": kind, **options})


def cost(kind: str, residuals: Tensor, **options: Any) -> np.ndarray:
    return objective(kind, PLAIN, **options).each(residuals, torch.zeros_like(residuals)).numpy()


def barron(x: np.ndarray, alpha: float, scale: float) -> np.ndarray:
    """Equation 1 as it is printed."""
    return abs(alpha - 2) / alpha * (((x / scale) ** 2 / abs(alpha - 2) + 1) ** (alpha / 2) - 1)


r = RESIDUALS.numpy()[:, 0]
FORMULAE: dict[str, tuple[str, dict[str, Any], np.ndarray]] = {
    "auto": ("auto", {}, scipy_huber(1.0, r)),
    "auto .3": ("auto", {"delta": 0.3}, scipy_huber(0.3, r)),
    "mse": ("mse", {}, r**2),
    "mae": ("mae", {}, np.abs(r)),
    "huber": ("huber", {}, scipy_huber(1.0, r)),
    "huber 2": ("huber", {"delta": 2}, scipy_huber(2.0, r)),
    "smooth_l1": (
        "smooth_l1",
        {"delta": 0.3},
        nn.SmoothL1Loss(reduction="none", beta=0.3)(RESIDUALS[:, 0], 0 * RESIDUALS[:, 0]).numpy(),
    ),
    "log_cosh": ("log_cosh", {}, np.log(np.cosh(r))),
    "robust": ("robust", {"scale": 0.7}, np.sqrt((r / 0.7) ** 2 + 1) - 1),  # Charbonnier's
    "robust 2": ("robust", {"alpha": 2, "scale": 3}, (r / 3) ** 2 / 2),
    "robust 3": ("robust", {"alpha": 3.0}, barron(r, 3.0, 1.0)),
    "robust 0": ("robust", {"alpha": 0}, np.log((r**2) / 2 + 1)),  # Cauchy's
    "robust -2": ("robust", {"alpha": -2.0, "scale": 2.0}, 2 * (r / 2) ** 2 / ((r / 2) ** 2 + 4)),  # Geman & McClure's
    "robust -5": ("robust", {"alpha": -5.0}, barron(r, -5.0, 1.0)),
    "robust -inf": ("robust", {"alpha": -np.inf}, 1 - np.exp(-(r**2) / 2)),  # Welsch's
}


@pytest.mark.parametrize("name", FORMULAE)
def test_is_its_formula(name: str) -> None:
    kind, options, expected = FORMULAE[name]
    np.testing.assert_allclose(cost(kind, RESIDUALS, **options), expected, rtol=1e-6, atol=1e-11)


def test_every_pointwise_loss_has_a_formula() -> None:
    assert {kind for kind, _, _ in FORMULAE.values()} == set(KINDS)


@pytest.mark.parametrize("kind", [kind for kind in POINTWISE if kind != "mae"])
def test_gradients_are_those_of_differences(kind: str) -> None:
    residuals = torch.tensor([[-3.0, -0.4], [0.0, 0.7], [1.3, 30.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(POINTWISE[kind], residuals)


@pytest.mark.parametrize("alpha", [2.0, 0.0, -np.inf])
@pytest.mark.parametrize("sign", [1, -1])
def test_robust_goes_to_its_limits_smoothly(alpha: float, sign: int) -> None:
    """In single precision, where equation 1 as printed is worth nothing so near."""
    near = alpha + sign * 1e-6 if np.isfinite(alpha) else -1e7
    residuals = RESIDUALS.float()
    torch.testing.assert_close(robust(residuals, near), robust(residuals, alpha), rtol=2e-5, atol=1e-10)


@pytest.mark.parametrize("loss", [log_cosh, robust], ids=["log_cosh", "robust"])
def test_nothing_overflows(loss: Callable[[Tensor], Tensor]) -> None:
    far = torch.tensor([[-1e6], [-200.0], [200.0], [1e6]], requires_grad=True)
    costs = loss(far)
    torch.testing.assert_close(costs / far.abs(), torch.ones(4, 1), rtol=6e-3, atol=0)
    (gradient,) = torch.autograd.grad(costs.sum(), far)
    torch.testing.assert_close(gradient, far.detach().sign(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "auto"])
def test_trains_a_network_below_the_constant_predictor(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 3, generator=generator)
    target = inputs @ torch.tensor([[0.8, 0.0], [0.6, 1.0], [0.0, 0.0]])
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    loss = objective(kind, model)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    constant = float(loss(torch.zeros_like(target), target))
    for _ in range(100):
        optimiser.zero_grad()
        loss(model(inputs), target).backward()
        optimiser.step()
    assert loss(model(inputs), target).item() < 0.1 * constant


# weights


def test_weights_count_as_their_ratios_say() -> None:
    outputs, target = torch.randn(5, 3), torch.randn(5, 3)
    squares = (outputs - target) ** 2
    loss = objective("mse", PLAIN, [2.0, 1.0, 0.0])
    torch.testing.assert_close(loss.each(outputs, target), (2 * squares[:, 0] + squares[:, 1]) / 3)
    torch.testing.assert_close(loss(outputs, target), loss.each(outputs, target).mean())
    for same in ([], [1.0, 1.0, 1.0], [0.3, 0.3, 0.3]):
        torch.testing.assert_close(objective("mse", PLAIN, same)(outputs, target), squares.mean())
    assert "weights" not in loss.state_dict()  # they are the settings', not the run's


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_weights_that_cannot_be_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^target_weights: .* none below zero and not all zero"):
        objective("mse", PLAIN, weights)


@pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "flow"])
def test_as_many_weights_as_targets(kind: str) -> None:
    model = network(kind)
    with pytest.raises(ValueError, match=r"^target_weights: 3 for 2 targets; give one each"):
        objective("auto", model, [1.0, 1.0, 1.0])(model(torch.randn(4, 1, 8, 8)), torch.randn(4, 2))


def test_a_head_that_judges_targets_together_has_no_weights() -> None:
    model, target = network("flow"), torch.randn(4, 2)
    outputs = model(torch.randn(4, 1, 8, 8))
    with pytest.raises(ValueError, match=r"^target_weights: this head judges all targets together"):
        objective("auto", model, [1.0, 2.0])(outputs, target)
    equal = objective("auto", model, [0.3, 0.3])(outputs, target)
    torch.testing.assert_close(equal, -model.head.log_prob(outputs, target).mean())


# heads


def test_a_gaussian_s_likelihood_is_torch_s() -> None:
    model = network("gaussian").eval()
    outputs, target = model(torch.randn(6, 1, 8, 8)), torch.randn(6, 2)
    mean, std = outputs.unbind(2)
    expected = nn.GaussianNLLLoss(reduction="none")(mean, target, std**2)
    for kind in ("auto", "gaussian"):
        torch.testing.assert_close(objective(kind, model).each(outputs, target), expected.mean(1))
        torch.testing.assert_close(objective(kind, model, [0.0, 1.0])(outputs, target), expected[:, 1].mean())


def test_a_gaussian_in_training_is_weighted_by_its_beta() -> None:
    """Whatever the mode was when the loss was made."""
    model = network("gaussian", beta=1.0).eval()
    loss, target = objective("gaussian", model), torch.randn(6, 2)
    outputs = model(torch.randn(6, 1, 8, 8)).detach()
    mean, std = outputs.unbind(2)
    expected = std**2 * (std.log() + ((target - mean) / std) ** 2 / 2)
    model.train()
    torch.testing.assert_close(loss(outputs, target), expected.mean())


def test_pinball_is_scikit_learn_s() -> None:
    model = network("quantiles", levels=[0.1, 0.5, 0.8])
    outputs, target = model(torch.randn(6, 1, 8, 8)).detach(), torch.randn(6, 2)
    expected = np.mean([mean_pinball_loss(target, outputs[..., i], alpha=a) for i, a in enumerate([0.1, 0.5, 0.8])])
    assert float(objective("pinball", model)(outputs, target)) == pytest.approx(expected, rel=1e-5)


def test_point_losses_are_of_the_point_head_s_answers() -> None:
    model, target = network("point"), torch.randn(6, 2)
    outputs = model(torch.randn(6, 1, 8, 8)).detach()
    expected = scipy_huber(0.2, (outputs - target).numpy()).mean()
    for kind in ("auto", "huber"):
        assert float(objective(kind, model, delta=0.2)(outputs, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("head", ["gaussian", "quantiles", "flow"])
def test_a_point_loss_for_a_head_with_its_own_is_refused(head: str) -> None:
    with pytest.raises(ValueError, match=rf"^loss: mae compares numbers, and a head of kind {head} .* choose auto"):
        objective("mae", network(head))


@pytest.mark.parametrize("kind", OF_HEADS)
@pytest.mark.parametrize("head", ["point", "gaussian", "quantiles", "flow"])
def test_a_head_s_loss_is_for_that_head_alone(kind: str, head: str) -> None:
    model = network(head)
    if OF_HEADS[kind] == head:
        assert objective(kind, model).compare == model.head.loss
        return
    with pytest.raises(ValueError, match=rf"^loss: {kind} is that of a head of kind {OF_HEADS[kind]}, not {head}"):
        objective(kind, model)


def test_a_head_s_parameters_are_not_the_loss_s() -> None:
    """They are the model's, and would be saved twice."""
    assert list(objective("auto", network("gaussian")).state_dict()) == []


@pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "flow"])
def test_the_loss_of_bfloat16_is_float32(kind: str) -> None:
    model = network(kind)
    outputs = model(torch.randn(4, 1, 8, 8)).detach().bfloat16()
    loss = objective("auto", model)
    assert loss.each(outputs, torch.randn(4, 2)).dtype == torch.float32
    target = torch.full((4, 2), 1 / 3)
    torch.testing.assert_close(loss(outputs, target), loss(outputs.float(), target), rtol=0, atol=0)


def test_each_names_the_rows_that_are_not_finite() -> None:
    outputs, target = torch.randn(4, 2), torch.randn(4, 2)
    outputs[1, 0], target[3, 1] = torch.inf, torch.nan
    assert objective("huber", PLAIN).each(outputs, target).isfinite().tolist() == [True, False, True, False]


# a delta from the residuals


@pytest.mark.parametrize("kind", ["auto", "huber", "smooth_l1"])
def test_delta_is_as_robust_a_spread_as_scipy_s(kind: str) -> None:
    residuals = torch.randn(1001, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0]) + 3
    residuals[:50] = 1e6  # outliers that a standard deviation would follow
    loss = objective(kind, PLAIN, delta="mad")
    assert loss.adapts
    assert not objective(kind, PLAIN).adapts
    outputs = torch.randn(9, 2) * 4
    before = objective(kind, PLAIN, delta=1.345)(outputs, torch.zeros(9, 2))
    torch.testing.assert_close(loss(outputs, torch.zeros(9, 2)), before)
    loss.adapt(residuals)
    deltas = 1.345 * median_abs_deviation(residuals.numpy(), axis=0, scale="normal")
    np.testing.assert_allclose(loss.delta, deltas, rtol=1e-4)
    each = [
        objective(kind, PLAIN, delta=float(d)).each(outputs[:, [i]], torch.zeros(9, 1)) for i, d in enumerate(deltas)
    ]
    torch.testing.assert_close(loss.each(outputs, torch.zeros(9, 2)), (each[0] + each[1]) / 2, rtol=1e-4, atol=1e-6)


def test_an_adapted_delta_is_resumed_from_a_file() -> None:
    loss, again = objective("huber", PLAIN, delta="mad"), objective("huber", PLAIN, delta="mad")
    again.load_state_dict(loss.state_dict())  # before it has seen residuals
    loss.adapt(torch.randn(101, 2))
    torch.save(loss.state_dict(), file := io.BytesIO())
    file.seek(0)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert again.delta.shape == (2,)
    assert torch.equal(again.delta, loss.delta)


@pytest.mark.parametrize("fault", [0.0, float("nan")], ids=["zero", "nan"])
def test_residuals_without_a_spread_are_refused(fault: float) -> None:
    residuals = torch.randn(101, 2)
    residuals[:60, 1] = fault
    with pytest.raises(ValueError, match=r"^loss\.delta: mad gives (0|nan) for target 1, .* give a number"):
        objective("huber", PLAIN, delta="mad").adapt(residuals)


# what is refused


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("hubber", {}, r"^loss: no 'hubber'; there are auto, mse, mae, huber, .*, pinball$"),
        ("huber", {"detla": 1.0}, r"^loss: no option 'detla' for huber; there are delta$"),
        ("robust", {"delta": 1.0}, r"^loss: no option 'delta' for robust; there are alpha, scale$"),
        ("mse", {"delta": 1.0}, r"^loss: no option 'delta' for mse; it has none$"),
        ("gaussian", {"beta": 0.5}, r"^loss: no option 'beta' for gaussian; it has none$"),
        ("huber", {"delta": 0.0}, r"^loss\.delta: 0\.0; it must be a positive number, or mad$"),
        ("smooth_l1", {"delta": float("inf")}, r"^loss\.delta: inf; it must be"),
        ("huber", {"delta": "made"}, r"^loss\.delta: 'made'; it must be a positive number, or mad$"),
        ("robust", {"scale": -1}, r"^loss\.scale: -1; it must be a positive number$"),
        ("robust", {"alpha": float("inf")}, r"^loss\.alpha: inf; it must be a number, or -\.inf$"),
        ("robust", {"alpha": float("nan")}, r"^loss\.alpha: nan; it must be"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        objective(kind, PLAIN, **options)
