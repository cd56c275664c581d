"""TARP: uniform for right posteriors, not for wrong ones; and why references must know the image."""

import numpy as np
import pytest
from scipy import stats

from pipeline.scores import tarp

LENSES, SAMPLES = 3000, 200
COVARIANCE = np.array([[1.0, 0.8], [0.8, 1.0]])


class World:
    """Two targets, normal about what the image says, with correlated errors."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.image = 2 * generator.normal(size=(LENSES, 2))
        self.generator = generator
        self.truth = self.image + self.noise(LENSES)
        direction = generator.normal(size=(LENSES, 2))
        self.references = self.image + 1.5 * direction

    def noise(self, *shape: int, covariance: np.ndarray = COVARIANCE) -> np.ndarray:
        return self.generator.multivariate_normal(np.zeros(2), covariance, size=shape)

    def p(self, samples: np.ndarray, references: np.ndarray | None = None) -> float:
        """How well the fractions agree with uniform."""
        chosen = self.references if references is None else references
        return stats.kstest(tarp.tarp_fractions(samples, self.truth, chosen), "uniform").pvalue


@pytest.fixture
def world(generator: np.random.Generator) -> World:
    return World(generator)


def test_fractions_count_the_nearer_samples(generator: np.random.Generator) -> None:
    samples, (truth, references) = generator.normal(size=(7, 5, 3)), generator.normal(size=(2, 5, 3))
    for i, found in enumerate(tarp.tarp_fractions(samples, truth, references)):
        limit = np.linalg.norm(truth[i] - references[i])
        nearer = sum(np.linalg.norm(sample - references[i]) < limit for sample in samples[:, i])
        assert found == pytest.approx((nearer + 0.5) / 8)


def test_right_posteriors_pass(world: World) -> None:
    assert world.p(world.image + world.noise(SAMPLES, LENSES)) > 0.01


@pytest.mark.parametrize("wrong", ["narrow", "wide", "uncorrelated"])
def test_wrong_shapes_do_not(wrong: str, world: World) -> None:
    """The last one has both marginals right: each target's own PIT sees nothing."""
    covariance = {"narrow": 0.7 * COVARIANCE, "wide": 1.4 * COVARIANCE, "uncorrelated": np.eye(2)}[wrong]
    assert world.p(world.image + world.noise(SAMPLES, LENSES, covariance=covariance)) < 1e-3


def test_a_bias_across_the_correlation_does_not_pass(world: World) -> None:
    assert world.p(world.image + world.noise(SAMPLES, LENSES) + [0.3, -0.3]) < 1e-3


def test_a_common_bias_is_the_pit_s_to_find(world: World) -> None:
    """What the module warns of: if this fails because TARP has become better, the warning can go."""
    samples = world.image + world.noise(SAMPLES, LENSES) + 0.3
    own = (samples[..., 0] < world.truth[:, 0]).mean(axis=0)
    assert world.p(samples) > 0.01
    assert stats.kstest(own, "uniform").pvalue < 1e-30


def test_references_must_know_the_image(world: World) -> None:
    """The prior, whatever the image: blind references pass it, those about the image's own answer do not."""
    prior = world.generator.multivariate_normal(np.zeros(2), COVARIANCE + 4 * np.eye(2), size=(SAMPLES, LENSES))
    blind = 2 * world.generator.normal(size=(LENSES, 2))
    assert world.p(prior, blind) > 0.01
    assert world.p(prior) < 1e-6


def test_expected_coverage_is_the_diagonal_where_posteriors_are_right(world: World) -> None:
    fractions = tarp.tarp_fractions(world.image + world.noise(SAMPLES, LENSES), world.truth, world.references)
    levels = np.arange(1, 20) / 20
    curve = tarp.expected_coverage(fractions[None], levels, np.arange(LENSES), confidence=0.999)
    assert ((curve.low < levels) & (levels < curve.high)).all()
    for k, level in enumerate(levels):
        hits = int((fractions < level).sum())
        expected = stats.binomtest(hits, LENSES).proportion_ci(0.999, method="exact")
        np.testing.assert_allclose([curve.covered[k], curve.low[k], curve.high[k]], [hits / LENSES, *expected])


def test_narrow_posteriors_cover_too_little_at_high_levels(world: World) -> None:
    samples = world.image + world.noise(SAMPLES, LENSES, covariance=0.25 * COVARIANCE)
    curve = tarp.expected_coverage(
        tarp.tarp_fractions(samples, world.truth, world.references)[None], np.array([0.9]), np.arange(LENSES)
    )
    assert curve.high[0] < 0.9


def test_gaps_are_refused() -> None:
    samples = np.zeros((3, 2, 2))
    samples[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^samples: 1 of 12 values"):
        tarp.tarp_fractions(samples, np.zeros((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"^fractions: 1 of 2 values"):
        tarp.expected_coverage(np.array([[np.nan, 0.5]]), np.array([0.5]), np.arange(2))
