"""What a head says beyond a number: of one view against the head, of several against torch's mixtures; TARP."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal

from models.heads import spread
from models.heads.spread import said
from tests.models.test_heads import fitted, head

LEVELS = torch.tensor([0.025, 0.16, 0.5, 0.84, 0.975])
ROWS = 2000


def of(module: Any, outputs: Tensor, targets: Tensor, rows: np.ndarray | None = None) -> dict[str, Tensor]:
    """Everything, of outputs that have one view each unless they are (n, v, ...) already."""
    rows = np.arange(len(targets)) if rows is None else rows
    return said(module, outputs, targets, rows, LEVELS)


def gaussian(rows: int = ROWS, num_targets: int = 2, views: int = 1) -> tuple[Any, Tensor]:
    """A Gaussian head and outputs (n, v, t, 2) that differ from row to row by far more than they spread."""
    generator = torch.Generator().manual_seed(3)
    mean = 3 * torch.randn(rows, 1, num_targets, generator=generator)
    apart = 0.3 * torch.randn(rows, views, num_targets, generator=generator) * (views > 1)
    std = 0.05 + torch.rand(rows, views, num_targets, generator=generator)
    return head("gaussian", num_targets), torch.stack([mean + apart, std], dim=3)


def drawn(outputs: Tensor, seed: int = 5, correlation: float = 0.0) -> Tensor:
    """Truths (n, t) of which the first view of the outputs tells the whole truth, but for their correlation."""
    mean, std = outputs[:, 0].unbind(2)
    deviate = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
    if correlation:
        deviate[:, 1] = correlation * deviate[:, 0] + (1 - correlation**2) ** 0.5 * deviate[:, 1]
    return mean + std * deviate


def test_of_one_view_it_is_what_the_gaussian_is() -> None:
    module, outputs = gaussian()
    targets = drawn(outputs)
    mean, std = outputs[:, 0].double().unbind(2)
    found = of(module, outputs, targets)
    torch.testing.assert_close(found["point"].double(), mean)
    torch.testing.assert_close(found["spread"].double(), std, rtol=1e-5, atol=1e-6)
    quantiles = norm.ppf(LEVELS.double(), mean[..., None], std[..., None])
    np.testing.assert_allclose(found["quantiles"], quantiles, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["nll"], -norm.logpdf(targets.double(), mean, std), rtol=1e-4, atol=1e-4)


def test_of_several_views_the_density_is_their_mixture_and_the_quantiles_their_mean() -> None:
    module, outputs = gaussian(rows=50, views=8)
    targets = drawn(outputs)
    found = of(module, outputs, targets)
    mean, std = outputs.transpose(1, 2).unbind(3)  # (n, t, v)
    mixture = MixtureSameFamily(Categorical(torch.ones(50, 2, 8)), Normal(mean, std))
    torch.testing.assert_close(found["nll"], -mixture.log_prob(targets), rtol=1e-4, atol=1e-4)
    each = torch.stack([of(module, outputs[:, v : v + 1], targets)["quantiles"] for v in range(8)])
    torch.testing.assert_close(found["quantiles"], each.mean(dim=0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["point"], mean.mean(dim=2), rtol=1e-5, atol=1e-5)


def test_a_density_far_below_the_smallest_number_is_still_a_number() -> None:
    """exp(-800) is zero in single precision: the mixture has to be formed of logarithms."""
    module, outputs = gaussian(rows=5, views=8)
    found = of(module, outputs, outputs[:, 0, :, 0] + 40)
    assert found["nll"].isfinite().all()
    assert (found["nll"] > 400).all()


@pytest.mark.parametrize("kind", ["gaussian", "quantiles", "flow"])
@pytest.mark.parametrize("views", [1, 8])
def test_quantiles_ascend(kind: str, views: int) -> None:
    module = head(kind, 2)
    levels = torch.arange(1, 200) / 200
    with torch.no_grad():
        outputs = module(torch.randn(views * 40, 6)).unflatten(0, (40, views))
    steps = said(module, outputs, torch.zeros(40, 2), np.arange(40), levels)["quantiles"].diff(dim=2)
    assert (steps >= -1e-6).all()  # rounding
    assert (steps > 0).float().mean() > 0.9


def test_the_flow_s_density_adds_up_to_one_over_the_truths() -> None:
    module = fitted(head("flow", 1, draws=4), torch.randn(64, 6), torch.randn(64, 1), 20)
    grid = torch.linspace(-9, 9, 4001)
    with torch.no_grad():
        outputs = module(torch.randn(3, 6))
    for several in (outputs[:1], outputs):  # alone, and three views in mixture
        found = of(module, several[None].expand(4001, *several.shape), grid[:, None])
        assert set(found) == {"point", "quantiles", "spread", "nll"}
        assert float(torch.trapezoid((-found["nll"][:, 0]).exp(), grid)) == pytest.approx(1, abs=2e-3)


def test_the_flow_of_two_targets_has_one_density_of_both() -> None:
    module = head("flow", 2)
    with torch.no_grad():
        outputs = module(torch.randn(9, 6))
        targets = torch.randn(9, 2)
        found = of(module, outputs[:, None], targets)
        torch.testing.assert_close(found["nll_joint"], -module.log_prob(outputs, targets))
    assert "nll" not in found


# TARP


def uniformity(fractions: Tensor) -> float:
    """Probability of being as far from uniform by chance (Kolmogorov and Smirnov)."""
    return float(kstest(fractions.numpy(), "uniform").pvalue)


@pytest.mark.parametrize("num_targets", [2, 3])
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_tarp_is_uniform_where_the_head_tells_the_truth(num_targets: int, seed: int) -> None:
    module, outputs = gaussian(num_targets=num_targets)
    found = of(module, outputs, drawn(outputs, seed))["tarp"]
    assert uniformity(found) > 0.01
    assert float(found.mean()) == pytest.approx(0.5, abs=4 / (12 * ROWS) ** 0.5)


@pytest.mark.parametrize(("shift", "factor"), [(0.3, 1.0), (-0.3, 1.0), (0.0, 1.3), (0.0, 0.75)])
def test_tarp_is_not_uniform_where_it_is_off(shift: float, factor: float) -> None:
    """By part of a standard deviation, or in how wide it says it is."""
    module, outputs = gaussian()
    mean, std = outputs[:, 0].unbind(2)
    wrong = mean + shift * std + factor * (drawn(outputs) - mean)
    assert uniformity(of(module, outputs, wrong)["tarp"]) < 1e-4


@pytest.mark.parametrize("correlation", [-0.6, 0.6])
def test_tarp_sees_a_correlation_that_no_target_by_itself_shows(correlation: float) -> None:
    module, outputs = gaussian()
    targets = drawn(outputs, correlation=correlation)
    mean, std = outputs[:, 0].unbind(2)
    for each in ((targets - mean) / std).T:
        assert kstest(each.numpy(), "norm").pvalue > 0.01
    assert uniformity(of(module, outputs, targets)["tarp"]) < 1e-4


def test_tarp_s_samples_of_a_flow_are_the_flow_s() -> None:
    """Truths that the flow itself made are told as calibrated; those of another image are not."""
    module = head("flow", 2, draws=64)
    fitted(module, torch.randn(64, 6), torch.randn(64, 2), 40)
    with torch.no_grad():
        outputs = module(2 * torch.randn(400, 6))
        targets = module.samples_at(outputs, torch.randn(400, 1, 2))[:, 0]
    assert uniformity(of(module, outputs[:, None], targets)["tarp"]) > 0.01
    assert uniformity(of(module, outputs[:, None], targets.roll(1, dims=0))["tarp"]) < 1e-4


def test_tarp_s_samples_of_several_views_are_all_theirs() -> None:
    """Of eight views that disagree the truth is one's: calibrated as a mixture, and not as the first view says."""
    module, outputs = gaussian(views=8)
    outputs[..., 1] *= 0.3
    pick = torch.randint(8, (ROWS,), generator=torch.Generator().manual_seed(2))
    targets = drawn(outputs[torch.arange(ROWS), pick][:, None])
    assert uniformity(of(module, outputs, targets)["tarp"]) > 0.01
    assert uniformity(of(module, outputs[:, :1], targets)["tarp"]) < 1e-4


@pytest.mark.parametrize("kind", ["gaussian", "quantiles", "flow"])
def test_what_is_said_of_a_row_depends_on_nobody_else(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = head(kind, 2)
    with torch.no_grad():
        outputs = module(torch.randn(23 * 8, 6)).unflatten(0, (23, 8))
    targets, rows = torch.randn(23, 2), np.arange(100, 123)
    whole = of(module, outputs, targets, rows)
    some = of(module, outputs[5:9], targets[5:9], rows[5:9])
    monkeypatch.setattr(spread, "BATCH", 4)
    blocks = of(module, outputs, targets, rows)
    for name, values in whole.items():
        exact = {"rtol": 0, "atol": 0} if name == "tarp" else {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(some[name], values[5:9], **exact)
        torch.testing.assert_close(blocks[name], values, **exact)
    if "tarp" in whole:
        assert not torch.equal(of(module, outputs, targets, rows + 1)["tarp"], whole["tarp"])


def test_an_answer_that_is_not_a_number_is_none_anywhere() -> None:
    module, outputs = gaussian(rows=4)
    targets = drawn(outputs)
    outputs[1, 0, 0, 0] = torch.nan
    for name, values in of(module, outputs, targets).items():
        assert values[1].isnan().any(), name
        assert values[[0, 2, 3]].isfinite().all(), name


def test_no_rows_are_no_answers() -> None:
    module, outputs = gaussian(rows=0)
    assert {name: len(values) for name, values in of(module, outputs, torch.zeros(0, 2)).items()} == dict.fromkeys(
        ("point", "quantiles", "spread", "nll", "tarp"), 0
    )
