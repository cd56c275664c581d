"""Mixup: one lambda for image, target and vectors, of the distribution that it says."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from models.training.mixup import mixup


def rows(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows whose every value is a linear function of their number: mixed ones must be that function too."""
    number = torch.arange(float(count))
    return (
        number[:, None, None, None].expand(-1, 2, 3, 3),
        number[:, None] * 2,
        number[:, None] * torch.tensor([1.0, -1]),
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_maps_targets_and_vectors_are_mixed_alike_and_partners_are_rows() -> None:
    maps, target, vectors = rows(200)
    mixed, truth, beside = mixup(maps, target, vectors, 1.0, seeded())
    assert beside is not None
    number = mixed[:, 0, 0, 0]
    assert (number != maps[:, 0, 0, 0]).float().mean() > 0.9
    torch.testing.assert_close(mixed, number[:, None, None, None].expand_as(maps))
    torch.testing.assert_close(truth[:, 0], 2 * number)
    torch.testing.assert_close(beside, number[:, None] * torch.tensor([1.0, -1]))
    assert 0 <= number.min() <= number.max() <= 199
    assert torch.equal(maps, rows(200)[0])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_is_beta_distributed(alpha: float) -> None:
    """Kolmogorov and Smirnov, of lambdas read from targets that are 1 in a place of their own."""
    one_hot = torch.eye(2000)
    share = mixup(torch.zeros(2000, 1, 1, 1), one_hot, None, alpha, seeded(1))[1].diagonal()
    assert stats.kstest(share.double().numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_without_alpha_nothing_changes_and_nothing_is_drawn() -> None:
    maps, target, vectors = rows(5)
    generator = seeded()
    mixed = mixup(maps, target, vectors, 0.0, generator)
    assert mixed[0] is maps
    assert mixed[1] is target
    assert mixed[2] is vectors
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_the_generator_decides() -> None:
    maps, target, _ = rows(20)
    first, second, third = (mixup(maps, target, None, 0.4, seeded(seed)) for seed in (0, 0, 1))
    assert first[2] is None
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], third[0])


@pytest.mark.parametrize("alpha", [1e-3, 1e-6])
def test_a_tiny_alpha_is_finite_and_leaves_rows_as_they_were_or_exchanges_them(alpha: float) -> None:
    maps, target, _ = rows(500)
    mixed, truth, _ = mixup(maps, target, None, alpha, seeded())
    assert mixed.isfinite().all()
    whole = ((mixed[:, 0, 0, 0] - mixed[:, 0, 0, 0].round()).abs() < 0.05).float().mean()
    assert whole > 0.95
    torch.testing.assert_close(truth[:, 0], 2 * mixed[:, 0, 0, 0])


def test_a_negative_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^mixup: alpha is -1; it must be at least 0"):
        mixup(*rows(4), -1.0, seeded())
