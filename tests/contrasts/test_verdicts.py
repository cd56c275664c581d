"""Sign flips, families, equivalence, power and the verdict they make."""

import numpy as np
import pytest
from scipy import stats

from pipeline.contrasts.equivalence import equivalent
from pipeline.contrasts.families import benjamini_hochberg, holm
from pipeline.contrasts.interaction import interactions
from pipeline.contrasts.intervals import How, estimates
from pipeline.contrasts.power import detectable, power
from pipeline.contrasts.sign_flip import sign_flip, smallest
from pipeline.contrasts.verdict import judge
from pipeline.errors import InputError
from tests.contrasts.laboratory import errors

FAST = How(draws=2000)


# sign flips


@pytest.mark.parametrize("seeds", [2, 3, 5, 6, 8, 11])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_sign_flips_are_scipy_s(seeds: int, shift: float, generator: np.random.Generator) -> None:
    for _ in range(5):
        differences = shift + generator.normal(size=seeds)
        peer = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert sign_flip(differences) == pytest.approx(peer.pvalue, rel=1e-12)


def test_ties_count_against_the_claim() -> None:
    """Of 16 patterns of (1, 1, 1, -1), ten have a |sum| of two or more (8) or of four (2)."""
    assert sign_flip(np.array([1.0, 1.0, 1.0, -1.0])) == 10 / 16
    assert sign_flip(np.array([0.1, 0.2, 0.3, -0.1 - 0.2])) == sign_flip(np.array([1.0, 2.0, 3.0, -3.0]))
    assert sign_flip(np.zeros(6)) == 1


@pytest.mark.parametrize(("seeds", "least"), [(1, 1), (5, 0.0625), (6, 0.03125), (8, 0.0078125), (16, 2**-15)])
def test_seeds_that_all_agree_give_the_smallest_p(seeds: int, least: float) -> None:
    assert sign_flip(-np.ones(seeds)) == smallest(seeds) == least


def test_random_flips_agree_with_the_t_test_of_many_seeds(generator: np.random.Generator) -> None:
    differences = 0.4 + generator.normal(size=40)
    assert sign_flip(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=0.15)
    assert sign_flip(np.ones(40)) == smallest(40) == 1e-5  # never zero


# families


def test_holm_is_the_textbook_s() -> None:
    """p = .01, .04, .03, .005 at .05: .005 x 4, .01 x 3, .03 x 2, and .04 no less than the one before it."""
    corrected, levels = holm(np.array([0.01, 0.04, 0.03, 0.005]), 0.05)
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(levels, [0.05 / 3, 0.05, 0.05 / 2, 0.05 / 4])


def test_equal_p_share_a_level_and_p_stay_within_one() -> None:
    corrected, levels = holm(np.array([0.02, 0.9, 0.02, 0.6]), 0.05)
    np.testing.assert_allclose(corrected, [0.08, 1, 0.08, 1])
    np.testing.assert_allclose(levels, [0.05 / 4, 0.05, 0.05 / 4, 0.05 / 2])


@pytest.mark.parametrize("size", [1, 2, 9, 50])
def test_benjamini_and_hochberg_are_scipy_s(size: int, generator: np.random.Generator) -> None:
    p = np.round(generator.random(size) ** 3, 2)  # with ties
    corrected, levels = benjamini_hochberg(p, 0.1)
    np.testing.assert_allclose(corrected, stats.false_discovery_control(p, method="bh"), rtol=1e-12)
    np.testing.assert_allclose(levels, 0.1 * max(1, (corrected <= 0.1).sum()) / size)


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_a_family_of_one_is_not_corrected(correct: object) -> None:
    assert correct(np.array([0.03]), 0.05) == (0.03, 0.05)  # type: ignore[operator]


# equivalence and power


def test_equivalence_is_two_one_sided_t_tests(generator: np.random.Generator) -> None:
    """Errors alike for all lenses: seeds alone, and Schuirmann's p = the larger of two t-tests. Not the borderline."""
    said = []
    for _ in range(150):
        gains = generator.normal(0.01, 0.05, 9)
        arms = {"a": np.repeat(2 + gains[:, None], 5, axis=1), "b": np.full((9, 5), 2.0)}
        one = estimates(arms, {"d": (("a", 1.0), ("b", -1.0))}, np.arange(5), FAST)["d"]
        above = stats.ttest_1samp(gains, -0.04, alternative="greater").pvalue
        below = stats.ttest_1samp(gains, 0.04, alternative="less").pvalue
        if not 0.02 < max(above, below) < 0.1:  # the bootstrap's shape may tilt a borderline case
            said.append(equivalent(one, 0.04, 0.05))
            assert said[-1] == (max(above, below) <= 0.05)
    assert 20 < sum(said) < len(said) - 20


@pytest.mark.parametrize("freedom", [5.0, 7.0, 30.0, 1000.0])
@pytest.mark.parametrize("effect", [0.0, 0.5, 3.0, -3.0, 12.0])
def test_power_is_the_noncentral_t_s(freedom: float, effect: float, generator: np.random.Generator) -> None:
    drawn = (generator.normal(size=200_000) + effect / 2) / np.sqrt(generator.chisquare(freedom, 200_000) / freedom)
    expected = (np.abs(drawn) > stats.t.ppf(0.975, freedom)).mean()
    assert power(effect, 2.0, freedom, 0.05) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("freedom", "off"), [(5.0, 0.06), (7.0, 0.04), (30.0, 0.01)])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 6])
def test_what_is_detectable_is_found_with_that_power(freedom: float, off: float, alpha: float) -> None:
    assert power(detectable(0.3, freedom, alpha), 0.3, freedom, alpha) == pytest.approx(0.8, abs=off)


# the verdict


def named(arms: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(("raw", "engineered", "placebo", "other"), arms, strict=False))


def test_the_four_words(generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, 0.8, 1.2), 8, 1000, spread=0.01))
    arms |= {"same": arms["raw"] * (1 + 0.003 * generator.normal(size=(8, 1)))}
    arms |= {"noisy": arms["raw"] * (1 + 0.3 * generator.normal(size=(8, 1)))}
    found = judge(arms, {arm: (arm, "raw") for arm in arms if arm != "raw"}, np.arange(1000), FAST)
    words = {arm: one.word for arm, one in found.items()}
    assert words == {"engineered": "better", "placebo": "worse", "same": "equivalent", "noisy": "undecided"}
    assert found["engineered"].reason == "the corrected interval lies below zero and the corrected p is .031"
    assert found["placebo"].reason.startswith("the corrected interval lies above zero")
    assert found["same"].reason.startswith("the 90% interval lies within ±")
    assert found["noisy"].reason == "the corrected interval crosses zero"
    assert (found["engineered"].chance, found["placebo"].chance) == (1, 0)
    one = found["engineered"]
    rmse = {arm: np.sqrt((arms[arm] ** 2).mean(axis=1)).mean() for arm in arms}
    assert one.difference == pytest.approx(rmse["engineered"] - rmse["raw"], rel=1e-12)
    assert one.margin == pytest.approx(0.05 * rmse["raw"], rel=1e-12)
    assert one.corrected[0] < one.interval[0] < one.difference < one.interval[1] < one.corrected[1] < 0


def test_swapping_a_pair_turns_the_word(generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, 0.8), 8, 500))
    there, back = (
        judge(arms, {"x": pair}, np.arange(500), FAST)["x"] for pair in (("engineered", "raw"), ("raw", "engineered"))
    )
    assert (there.word, back.word) == ("better", "worse")
    assert (there.p, there.chance, there.difference) == (back.p, 1 - back.chance, -back.difference)


@pytest.mark.parametrize("scale", [0.5, 1.0])
@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_few_seeds_decide_nothing(seeds: int, scale: float, generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, scale), seeds, 500, spread=0.001))
    found = judge(arms, {"x": ("engineered", "raw")}, np.arange(500), FAST)["x"]
    assert (found.word, found.reason, found.detectable) == ("undecided", "fewer than 6 seeds", np.inf)


def test_six_seeds_allow_one_contrast_and_eight_six(generator: np.random.Generator) -> None:
    for seeds, allowed in ((6, 1), (8, 6)):
        for size in (allowed, allowed + 1):
            arms = dict(enumerate(errors(generator, (1.0,) + (0.5,) * size, seeds, 400, spread=0.005)))
            found = judge(arms, {k: (k, 0) for k in range(1, size + 1)}, np.arange(400), FAST)
            assert {one.word for one in found.values()} == {"better" if size == allowed else "undecided"}
            assert all(np.isinf(one.detectable) == (size > allowed) for one in found.values())
            if size > allowed:
                assert found[1].reason.startswith(f"{seeds} seeds are too few for a family of {size}")
            explored = judge(arms, {k: (k, 0) for k in found}, np.arange(400), FAST, benjamini_hochberg)
            assert {one.word for one in explored.values()} == {"better"}


def test_one_seed_that_disagrees_is_heard() -> None:
    """Eight seeds gain, the ninth loses a little: the interval would claim it, p = 4 / 2^9 of seven would not."""
    gains = np.array([-1.2, -1.1, -1, -1, -0.9, -0.9, -0.8, -0.5, 0.02])[:, None]
    raw = np.full((9, 50), 5.0)
    arms = {"raw": raw} | {name: raw + gains for name in "abcdefg"}
    found = judge(arms, {name: (name, "raw") for name in "abcdefg"}, np.arange(50), FAST)["a"]
    assert found.corrected[1] < 0
    assert found.p == 4 / 2**9
    assert (found.word, found.reason) == ("undecided", "the corrected p is .055")


def test_lenses_that_disagree_are_heard(generator: np.random.Generator) -> None:
    """All seeds agree, as they see the same few lenses; that other lenses would, the interval does not grant."""
    raw = 1 + 0.01 * generator.normal(size=(8, 12))
    arm = raw * np.tile([0.5, 1.3], 6)  # half of the lenses gain a little more than the others lose
    found = judge({"raw": raw, "arm": arm}, {"x": ("arm", "raw")}, np.arange(12), FAST)["x"]
    assert found.difference < 0
    assert found.p == 2 / 2**8
    assert (found.word, found.reason) == ("undecided", "the corrected interval crosses zero")


def test_a_small_difference_that_is_sure_is_said_to_be_small(generator: np.random.Generator) -> None:
    raw = errors(generator, (1,), 8, 300, spread=0.02)[0]
    found = judge({"raw": raw, "arm": 0.98 * raw}, {"x": ("arm", "raw")}, np.arange(300), FAST)["x"]
    assert found.word == "better"
    assert found.reason.endswith("by less than the margin")


def test_the_metric_can_decide(generator: np.random.Generator) -> None:
    """A few gross errors: worse by RMSE, better by MAE."""
    raw = 1 + 0.05 * generator.normal(size=(8, 500))
    arm = 0.8 * raw
    arm[:, ::50] = 6
    found = {
        m: judge({"r": raw, "a": arm}, {"x": ("a", "r")}, np.arange(500), How(2000, metric=m))["x"].word
        for m in ("mae", "rmse")
    }
    assert found == {"mae": "better", "rmse": "worse"}


def test_an_unknown_arm_names_the_known_ones(generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, 1), 6, 20))
    with pytest.raises(InputError, match=r"^x: no arm rwa; there are raw, engineered"):
        judge(arms, {"x": ("engineered", "rwa")}, np.arange(20), FAST)
    with pytest.raises(InputError, match=r"^x: no arm rwa; there are raw, engineered"):
        interactions(arms, {"x": ("engineered", "raw", "raw", "rwa")}, np.arange(20), FAST)
    assert judge(arms, {}, np.arange(20), FAST) == interactions(arms, {}, np.arange(20), FAST) == {}


# interactions


def test_an_interaction_is_the_difference_of_differences(generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, 0.7, 1, 0.95), 8, 500, spread=0.01))
    there = interactions(arms, {"x": ("engineered", "raw", "other", "placebo")}, np.arange(500), FAST)["x"]
    pairs = judge(arms, {"a": ("engineered", "raw"), "b": ("other", "placebo")}, np.arange(500), FAST)
    assert there.difference == pytest.approx(pairs["a"].difference - pairs["b"].difference, rel=1e-9)
    assert (there.word, there.reason) == ("decided", "the corrected interval lies below zero")
    assert there.interval[0] < there.difference < there.interval[1] < 0


def test_equal_gains_do_not_interact(generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, 0.8, 1, 0.8), 8, 500))
    found = interactions(arms, {"x": ("engineered", "raw", "other", "placebo")}, np.arange(500), FAST)["x"]
    assert (found.word, found.reason) == ("undecided", "the corrected interval crosses zero")


def test_with_a_shared_control_an_interaction_is_a_difference(generator: np.random.Generator) -> None:
    arms = named(errors(generator, (1, 0.9, 0.8), 6, 200))
    there = interactions(arms, {"x": ("engineered", "raw", "placebo", "raw")}, np.arange(200), FAST)["x"]
    pair = judge(arms, {"x": ("engineered", "placebo")}, np.arange(200), FAST)["x"]
    assert there.interval == pytest.approx(pair.interval, rel=1e-9)
    assert there.p == pair.p
