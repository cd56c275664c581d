"""Photon counts and read noise against their distributions."""

import numpy as np
import pytest
from scipy import stats

from pipeline.lensing import photons

DRAWS = 400_000


@pytest.mark.parametrize("mean", [0.3, 3.0, 9.99, 10.0, 30.0, 200.0, 5e3, 1e6])
def test_counts_are_poissons(mean: float, generator: np.random.Generator) -> None:
    """In sixty bins, from the one tail to the other; one seed in ten thousand would fail."""
    counts = photons.poisson(np.full((40, DRAWS // 40), mean), generator).ravel()
    law = stats.poisson(mean)
    edges = np.unique(np.linspace(law.ppf(1e-4), law.ppf(1 - 1e-4), 60).astype(int))
    expected = np.diff([0, *law.cdf(edges), 1]) * DRAWS
    seen, _ = np.histogram(counts, [-0.5, *(edges + 0.5), 1e12])
    enough = expected > 5
    chi2 = ((seen - expected)[enough] ** 2 / expected[enough]).sum()
    assert stats.chi2.sf(chi2, enough.sum() - 1) > 1e-4
    assert (counts == np.round(counts)).all()


def test_pixels_of_different_means_do_not_disturb_each_other(generator: np.random.Generator) -> None:
    means = np.array([0.0, 0.5, 12.0, 300.0, 2e4])
    counts = photons.poisson(np.tile(means, (DRAWS // 40, 1)), generator)
    assert counts[:, 0].max() == 0
    error = np.sqrt(means[1:] / len(counts))
    assert (np.abs(counts.mean(axis=0)[1:] - means[1:]) < 5 * error).all()
    assert np.corrcoef(counts[:, 1:].T)[np.triu_indices(4, 1)] == pytest.approx([0] * 6, abs=0.06)


def test_read_noise_is_gaussian_and_white(generator: np.random.Generator) -> None:
    noise = photons.gaussian((401, 999), generator)  # an odd number of them
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-4
    assert abs(stats.kurtosis(noise, axis=None)) < 0.03
    for shift in (1, 2, 500):
        pairs = np.corrcoef(noise.ravel()[shift:], noise.ravel()[:-shift])[0, 1]
        assert abs(pairs) < 5 / noise.size**0.5
    halves = np.corrcoef(noise.ravel()[: noise.size // 2], noise.ravel()[-(noise.size // 2) :])[0, 1]
    assert abs(halves) < 5 / noise.size**0.5  # the sine and the cosine of one turn


def test_the_same_generator_draws_the_same() -> None:
    def drawn() -> np.ndarray:
        return photons.poisson(np.full((8, 8), 100.0), np.random.Generator(np.random.Philox(5)))

    np.testing.assert_array_equal(drawn(), drawn())
