"""Heads: their losses against other libraries, their distributions against known ones."""

import builtins
import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from torch import Tensor, nn

from models import heads

KINDS: dict[str, dict[str, Any]] = {
    "point": {},
    "gaussian": {"beta": 0.5},
    "quantiles": {"levels": [0.1, 0.3, 0.5, 0.9]},
    "flow": {"context": 8, "hidden": [16], "draws": 64},
}
PROBABILISTIC = [kind for kind in KINDS if kind != "point"]
every_kind = pytest.mark.parametrize("kind", KINDS)
LEVELS = torch.tensor([0.05, 0.16, 0.5, 0.84, 0.95])
DEVIATES = torch.special.ndtri(LEVELS)


def head(kind: str, num_targets: int = 2, width: int = 6, **options: Any) -> Any:
    torch.manual_seed(0)
    return heads.build(width, num_targets, kind, **KINDS[kind] | options)


def loss(module: Any, features: Tensor, targets: Tensor) -> Tensor:
    """A head's own, or squared errors."""
    outputs = module(features)
    return (module.point(outputs) - targets).square() if module.loss is None else module.loss(outputs, targets)


def fitted(module: Any, features: Tensor, targets: Tensor, steps: int, rate: float = 0.02) -> Any:
    """The head after so many whole-batch steps of Adam, the rate falling to nothing; in evaluation."""
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(module, features, targets).mean().backward()
        optimiser.step()
        schedule.step()
    return module.eval()


# every head


@every_kind
@pytest.mark.parametrize("num_targets", [1, 3])
def test_says_a_number_a_target(kind: str, num_targets: int) -> None:
    module, features = head(kind, num_targets, widths=[5], norm="layer"), torch.randn(7, 6)
    outputs, targets = module(features), torch.randn(7, num_targets)
    assert len(outputs) == 7
    assert module.point(outputs).shape == (7, num_targets)
    if module.loss is not None:
        assert module.loss(outputs, targets).shape in {(7, num_targets), (7,)}
    if module.quantile is not None:
        assert module.quantile(outputs, LEVELS).shape == (7, num_targets, 5)


@every_kind
def test_every_parameter_has_a_finite_gradient(kind: str) -> None:
    module = head(kind, widths=[5], norm="batch", activation="gelu")
    loss(module, torch.randn(32, 6), torch.randn(32, 2)).mean().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_kind
def test_in_evaluation_an_image_does_not_see_the_others_and_nothing_is_left_to_chance(kind: str) -> None:
    module = fitted(head(kind, widths=[5], norm="batch", dropout=0.2), torch.randn(32, 6), torch.randn(32, 2), 3)
    features = torch.randn(8, 6)
    with torch.no_grad():
        whole, alone = module(features), module(features[:1])
        torch.testing.assert_close(module.point(alone), module.point(whole)[:1])
        assert torch.equal(module.point(whole), module.point(whole))
        if module.quantile is not None:
            torch.testing.assert_close(module.quantile(alone, LEVELS), module.quantile(whole, LEVELS)[:1])


@every_kind
def test_half_precision_is_finite_and_close(kind: str) -> None:
    module, features, targets = head(kind, widths=[16]), 3 * torch.randn(64, 6), torch.randn(64, 2)
    exact = loss(module, features, targets)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = loss(module, features, targets)
    coarse.mean().backward()
    assert coarse.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())
    assert (coarse - exact).abs().mean() < 0.05 * exact.abs().mean() + 0.02


@every_kind
@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_absurd_features_give_finite_losses(kind: str, scale: float) -> None:
    module, targets = head(kind), 10 * torch.randn(64, 2)
    found = loss(module, scale * torch.randn(64, 6), targets)
    found.mean().backward()
    assert found.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@every_kind
def test_weights_survive_a_file(kind: str) -> None:
    module, features = head(kind, widths=[5], norm="batch"), torch.randn(9, 6)
    fitted(module, features, torch.randn(9, 2), 2)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = heads.build(6, 2, kind, widths=[5], norm="batch", **KINDS[kind]).eval()
    with torch.no_grad():
        expected = module.point(module(features))
        assert not torch.equal(other.point(other(features)), expected)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other.point(other(features)), expected)


@every_kind
@pytest.mark.parametrize("widths", [[], [8]])
def test_dropout_acts_in_training_alone(kind: str, widths: list[int]) -> None:
    module, features = head(kind, dropout=0.5, widths=widths), torch.randn(4, 6)
    assert not torch.equal(module(features), module(features))
    module.eval()
    assert torch.equal(module(features), module(features))


# the perceptron


def test_without_options_a_head_is_a_linear_layer() -> None:
    module = head("point", width=512)
    assert sum(parameter.numel() for parameter in module.parameters()) == 2 * 513
    features = torch.randn(3, 512)
    assert torch.equal(module(features), module.last(features))


def test_the_perceptron_has_the_layers_it_was_asked_for() -> None:
    body = heads.Perceptron(6, [5, 4], dropout=0.1, norm="layer", activation="mish")
    layer = [nn.Dropout, nn.Linear, nn.LayerNorm, nn.Mish]
    assert [type(module) for module in body] == [*layer, *layer, nn.Dropout]
    assert [module.weight.shape for module in body if isinstance(module, nn.Linear)] == [(5, 6), (4, 5)]
    assert body.width == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "gauss"}, r"^head\.kind: no 'gauss'; there are point, gaussian, quantiles, flow$"),
        ({"kind": "gaussian", "betta": 1}, r"^head: no option 'betta'; there are kind, widths, dropout, .*, beta$"),
        ({"levels": [0.5]}, r"^head: no option 'levels'; there are kind, widths, dropout, norm, activation$"),
        ({"norm": "group"}, r"^head\.norm: no 'group'; there are none, layer, batch$"),
        ({"activation": "swash"}, r"^head\.activation: no 'swash'; there are "),
        ({"widths": [8, 0]}, r"^head\.widths: \[8, 0\]; each must be at least 1$"),
        ({"dropout": 1.0}, r"^head\.dropout: 1; it must be at least 0 and below 1$"),
        ({"kind": "gaussian", "beta": 2.0}, r"^head\.beta: 2; it must lie between 0"),
        ({"kind": "quantiles", "levels": [0.1, 0.9]}, r"^head\.levels: .* with 0\.5 between others$"),
        ({"kind": "quantiles", "levels": [0.9, 0.5, 0.1]}, r"^head\.levels: .* must ascend"),
        ({"kind": "quantiles", "levels": [0.0, 0.5, 0.9]}, r"^head\.levels: .* must ascend"),
        ({"kind": "flow", "bins": 0}, r"^head\.bins: 0; it must be at least 1$"),
    ],
)
def test_a_wrong_option_is_refused_with_what_would_be_right(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        heads.build(4, 1, **options)


# gaussian


def test_gaussian_at_beta_zero_is_torch_s_likelihood() -> None:
    module, targets = head("gaussian", beta=0.0), torch.randn(50, 2)
    outputs = module(torch.randn(50, 6))
    mean, std = outputs.unbind(2)
    expected = nn.functional.gaussian_nll_loss(mean, targets, std**2, reduction="none")
    torch.testing.assert_close(module.loss(outputs, targets), expected)


def gradients(beta: float, mean: float, std: float, target: float) -> list[float]:
    outputs = torch.tensor([[[mean, std]]], requires_grad=True)
    head("gaussian", 1, beta=beta).loss(outputs, torch.tensor([[target]])).sum().backward()
    assert outputs.grad is not None
    return outputs.grad.flatten().tolist()


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("std", [0.1, 1.0, 4.0])
def test_beta_weighs_the_gradients_by_the_variance_to_its_power(beta: float, std: float) -> None:
    """d/dmean = (mean - y) / s^(2 - 2 beta): with beta 1 that of half the squared error. d/ds likewise, by hand."""
    mean, target = 0.7, -0.4
    residual = mean - target
    by_hand = [residual / std ** (2 - 2 * beta), (1 / std - residual**2 / std**3) * std ** (2 * beta)]
    assert gradients(beta, mean, std, target) == pytest.approx(by_hand, rel=1e-5)


def test_in_evaluation_the_gaussian_s_score_is_proper() -> None:
    """The best spread is the true one; under the weights of training it would be exp(-1/2), or none at all."""
    module, targets = head("gaussian", 1, beta=1.0), torch.randn(20_000, 1)
    spreads = torch.linspace(0.3, 1.7, 29)
    best = {}
    for training in (True, False):
        module.train(training)
        losses = [module.loss(torch.tensor([0.0, std]).expand(20_000, 1, 2), targets).mean() for std in spreads]
        best[training] = float(spreads[int(torch.stack(losses).argmin())])
    assert best == pytest.approx({True: 0.6, False: 1.0}, abs=0.051)


def test_the_spread_is_above_its_floor_whatever_the_network_says() -> None:
    module = head("gaussian", 1, width=1)
    nn.init.ones_(module.last.weight)
    nn.init.zeros_(module.last.bias)
    std = module(torch.tensor([[-1e30], [-100.0], [0.0], [100.0], [1e30]])).detach()[:, 0, 1]
    assert (std >= 1e-3).all()
    assert std.isfinite().all()
    assert std[2] == pytest.approx(1.001)  # nothing known: the spread of a normalised target


def test_the_gaussian_s_density_and_samples_are_torch_s() -> None:
    module, targets, normal = head("gaussian"), torch.randn(50, 2), torch.randn(50, 7, 2)
    outputs = module(torch.randn(50, 6))
    mean, std = outputs.unbind(2)
    torch.testing.assert_close(
        module.log_prob(outputs, targets), torch.distributions.Normal(mean, std).log_prob(targets)
    )
    samples = torch.distributions.AffineTransform(mean[:, None], std[:, None])(normal)
    torch.testing.assert_close(module.samples_at(outputs, normal), samples)


def test_in_evaluation_the_gaussian_s_loss_is_its_density_without_the_constant() -> None:
    module, targets = head("gaussian").eval(), torch.randn(50, 2)
    outputs = module(torch.randn(50, 6))
    constant = -module.log_prob(outputs, targets) - module.loss(outputs, targets)
    torch.testing.assert_close(constant, torch.full((50, 2), 0.5 * float(np.log(2 * np.pi))))


# quantiles


def test_the_pinball_loss_is_scikit_learn_s() -> None:
    module, targets = head("quantiles", 2), torch.randn(40, 2)
    outputs = module(torch.randn(40, 6)).detach()
    found = module.loss(outputs, targets).mean(dim=0)
    for target in range(2):
        levels = KINDS["quantiles"]["levels"]
        each = [
            mean_pinball_loss(targets[:, target], outputs[:, target, q], alpha=level) for q, level in enumerate(levels)
        ]
        assert float(found[target]) == pytest.approx(np.mean(each), rel=1e-5)


def test_quantiles_cannot_cross() -> None:
    module = head("quantiles", 3, levels=[0.01, 0.1, 0.5, 0.6, 0.99])
    for scale in (1.0, 1e2, 1e4):
        outputs = module(scale * torch.randn(500, 6))
        assert (outputs.diff(dim=2) >= 0).all()
        assert torch.equal(module.point(outputs), outputs[..., 2])
    assert (module(torch.randn(500, 6)).diff(dim=2) > 0).all()


def test_zero_outputs_are_the_quantiles_of_a_standard_normal_and_between_them_too() -> None:
    module = head("quantiles", 1)
    nn.init.zeros_(module.last.weight)
    nn.init.zeros_(module.last.bias)
    outputs = module(torch.randn(2, 6))
    torch.testing.assert_close(outputs[0, 0], torch.special.ndtri(module.levels))
    torch.testing.assert_close(module.quantile(outputs, LEVELS)[1, 0], DEVIATES)  # two of them beyond the last level


@pytest.mark.parametrize("kind", PROBABILISTIC)
def test_recovers_a_spread_that_varies(kind: str) -> None:
    """y = x/2 + s(x) e with s = 0.2 + 0.6 x^2 and e normal: sigma and quantiles at every x."""
    x = torch.linspace(-1, 1, 2000)[:, None]
    features = torch.cat([x, x**2], dim=1)
    spread = 0.2 + 0.6 * x**2
    targets = x / 2 + spread * torch.randn(2000, 1, generator=torch.Generator().manual_seed(1))
    options = {"flow": {"transforms": 1}, "quantiles": {"levels": [0.05, 0.16, 0.5, 0.84, 0.95]}}.get(kind, {})
    module = fitted(head(kind, 1, width=2, widths=[16], activation="gelu", **options), features, targets, 200, 0.03)
    with torch.no_grad():
        outputs = module(features[100:-100])
        found = module.quantile(outputs, LEVELS)[:, 0]
        truth, width = x[100:-100] / 2 + spread[100:-100] * DEVIATES, spread[100:-100]
        assert ((found - truth) / width).abs().mean() < 0.12
        assert ((found - truth) / width).abs().max() < 0.5
        assert ((module.point(outputs) - x[100:-100] / 2) / width).abs().mean() < 0.1
        sigma = (found[:, 3] - found[:, 1]) / (DEVIATES[3] - DEVIATES[1])
        assert ((sigma - width[:, 0]) / width[:, 0]).abs().mean() < 0.1


# flow


def test_the_flow_s_probability_adds_up_to_one() -> None:
    module = head("flow", 1)
    fitted(module, torch.randn(64, 6), torch.randn(64, 1), 20)  # away from where it began
    grid = torch.linspace(-9, 9, 4001)
    with torch.no_grad():
        density = module.log_prob(module(torch.randn(5, 6)), grid[:, None, None].expand(-1, 5, 1)).exp()
    torch.testing.assert_close(torch.trapezoid(density, grid, dim=0), torch.ones(5), rtol=0, atol=2e-3)


def test_the_flow_of_two_targets_adds_up_to_one() -> None:
    module = head("flow", 2)
    fitted(module, torch.randn(64, 6), torch.randn(64, 2), 20)
    axis = torch.linspace(-8, 8, 321)
    plane = torch.cartesian_prod(axis, axis)[:, None]
    with torch.no_grad():
        density = module.log_prob(module(torch.randn(1, 6)), plane).exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1, abs=5e-3)


def test_the_flow_learns_two_peaks_and_that_the_second_target_follows_the_first() -> None:
    """y1 is -1.5 or 1.5, y2 as y1: the mean is no one's value, the samples lie in two corners of four."""
    generator = torch.Generator().manual_seed(1)
    sign = torch.randint(2, (1000, 1), generator=generator) * 2 - 1
    targets = 1.5 * sign + 0.2 * torch.randn(1000, 2, generator=generator)
    module = head("flow", 2, width=1, hidden=[32])
    features = torch.ones(1000, 1)
    fitted(module, features, targets, 150, 0.02)
    with torch.no_grad():
        outputs = module(features[:1])
        samples = module.samples_at(outputs, torch.randn(1, 4000, 2))[0]
        point = module.point(outputs)
    near = (samples.abs() - 1.5).abs() < 0.8
    assert near.float().mean() > 0.95
    assert (samples[:, 0] > 0).float().mean() == pytest.approx(0.5, abs=0.07)
    assert (samples[:, 0].sign() == samples[:, 1].sign()).float().mean() > 0.95
    assert samples.std(dim=0).tolist() == pytest.approx(targets.std(dim=0).tolist(), rel=0.1)
    torch.testing.assert_close(point[0], samples.mean(dim=0), rtol=0, atol=0.2)


def test_the_flow_s_quantiles_are_met_by_its_samples() -> None:
    """In the tails, too: counted from its first draw to its last, of 256, those would be met 0.25 % too far in."""
    module = head("flow", 1, draws=256)
    fitted(module, torch.randn(64, 6), torch.randn(64, 1), 20)
    levels = torch.tensor([0.005, 0.05, 0.16, 0.5, 0.84, 0.95, 0.995])
    with torch.no_grad():
        outputs = module(torch.randn(1, 6))
        samples = module.samples_at(outputs, torch.randn(1, 400_000, 1))[0]
        met = (samples < module.quantile(outputs, levels)[0]).float().mean(dim=0)
    torch.testing.assert_close(met, levels, rtol=0, atol=0.002)


def test_the_flow_says_how_to_get_zuko(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("zuko"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"^head\.kind: flow needs zuko, .* pip install .* zuko$"):
        head("flow")
    assert head("gaussian") is not None


def test_levels_ascend_in_the_default() -> None:
    levels = heads.build(3, 1, "quantiles").levels.tolist()
    assert all(a < b for a, b in pairwise(levels))
    assert levels == pytest.approx([1 - level for level in reversed(levels)])
