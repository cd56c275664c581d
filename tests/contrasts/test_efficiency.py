"""Learning curves that SciPy fits alike, and images saved that were planted."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from pipeline.contrasts.efficiency import area, fitted, images_saved
from pipeline.contrasts.intervals import How, estimates
from pipeline.errors import InputError

SIZES = np.array([250, 500, 1000, 2000, 4000])
FAST = How(draws=500)


@pytest.mark.parametrize("floor", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("exponent", [0.2, 0.5, 1.0])
def test_curves_are_least_squares_curves(floor: float, exponent: float, generator: np.random.Generator) -> None:
    """Against a bounded trust-region fit of the same relative residuals: no worse, from noisy points."""
    points = (3 * SIZES**-exponent + floor) * np.exp(0.02 * generator.normal(size=(4, 5)))
    curves = fitted(SIZES, points)
    for row, measured in enumerate(points):

        def residuals(theta: np.ndarray, measured: np.ndarray = measured) -> np.ndarray:
            return (theta[0] * (SIZES / 250) ** -theta[1] + theta[2]) / measured - 1

        peer = least_squares(residuals, (measured[0], 0.5, 0.01), bounds=([0, 0.02, 0], [np.inf, 4, np.inf]))
        ours = np.array([curves.a[row] * 250.0 ** -curves.b[row], curves.b[row], curves.c[row]])
        assert 0.5 * (residuals(ours) ** 2).sum() <= 1.02 * peer.cost + 1e-8
        assert (ours >= 0).all()


def test_exact_curves_are_found_and_inverted() -> None:
    curves = fitted(SIZES, np.array([2.0, 4.0])[:, None] * SIZES**-0.5 + 0.1)
    np.testing.assert_allclose(curves.b, 0.5, rtol=0.02)
    np.testing.assert_allclose(curves.needed(curves.errors(700.0)), 700, rtol=1e-9)


def test_two_sizes_give_the_power_law_through_both() -> None:
    points = np.array([[0.4, 0.2], [0.3, 0.29]])
    curves = fitted(np.array([100, 800]), points)
    np.testing.assert_allclose(curves.errors(100.0), points[:, 0], rtol=1e-12)
    np.testing.assert_allclose(curves.errors(800.0), points[:, 1], rtol=1e-12)
    assert curves.b[0] == pytest.approx(1 / 3)  # halved by eight times as many
    assert (curves.c == 0).all()


def test_needs_are_held_within_the_sizes() -> None:
    curves = fitted(SIZES, np.array([0.5 * SIZES**-0.5 + 0.1]))
    assert curves.needed(np.array([9.0])) == 250
    assert curves.needed(np.array([0.1])) == curves.needed(np.array([0.05])) == 4000


def trained(
    generator: np.random.Generator, worth: float, sizes: np.ndarray = SIZES, spread: float = 0.01
) -> dict[int, np.ndarray]:
    """Errors by size of an arm to which each image is worth so many."""
    return {
        int(size): (3 * (worth * size) ** -0.4 + 0.05)
        * (1 + spread * generator.normal(size=(8, 1)))
        * np.random.default_rng(7).normal(size=300)
        for size in sizes
    }


@pytest.mark.parametrize("worth", [0.5, 1.0, 1.6, 3.0])
@pytest.mark.parametrize("sizes", [SIZES, SIZES[::2], SIZES[::4]])
def test_planted_images_are_saved(worth: float, sizes: np.ndarray, generator: np.random.Generator) -> None:
    found = images_saved(trained(generator, worth, sizes), trained(generator, 1, sizes), np.arange(300), FAST)
    assert found.reason == ""
    assert found.ratio == pytest.approx(worth, rel=0.12 if len(sizes) > 2 else 0.25)  # two sizes see no floor
    assert found.interval[0] < found.ratio < found.interval[1]
    assert found.interval[1] / found.interval[0] < 2


def test_swapped_arms_invert_the_ratio(generator: np.random.Generator) -> None:
    arm, control = trained(generator, 2), trained(generator, 1)
    there, back = (images_saved(*pair, np.arange(300), FAST) for pair in ((arm, control), (control, arm)))
    assert there.ratio == pytest.approx(1 / back.ratio, rel=1e-9)
    assert there.interval == pytest.approx((1 / back.interval[1], 1 / back.interval[0]), rel=1e-6)


def test_an_arm_that_is_as_good_with_the_fewest_gives_a_bound(generator: np.random.Generator) -> None:
    arm, control = trained(generator, 40), trained(generator, 1)
    better, worse = (images_saved(*pair, np.arange(300), FAST) for pair in ((arm, control), (control, arm)))
    assert better.ratio == pytest.approx(16)
    assert better.reason == "at least this: the arm is that good with the smallest size already"
    assert worse.ratio == pytest.approx(1 / 16)
    assert worse.reason == "at most this: the control is that good with the smallest size already"


def test_what_the_sizes_do_not_tell_is_not_said(generator: np.random.Generator) -> None:
    arm, control = trained(generator, 2), trained(generator, 1)
    backwards = dict(zip(control, reversed(control.values()), strict=True))
    perfect = {size: 0 * errors for size, errors in arm.items()}
    one = images_saved({250: arm[250]}, {250: control[250]}, np.arange(300), FAST)
    assert (one.ratio, one.interval, one.reason) == (None, None, "a learning curve takes at least two training sizes")
    for pair, reason in (
        ((arm, backwards), "the error of the control does not fall with more images"),
        ((backwards, backwards), "the error of the arm and the control does not fall with more images"),
        ((perfect, control), "an error of zero cannot fall"),
    ):
        found = images_saved(*pair, np.arange(300), FAST)
        assert (found.ratio, found.interval, found.reason) == (None, None, reason)
    two = [{size: one[size] for size in (250, 4000)} for one in (arm, backwards)]
    assert images_saved(*two, np.arange(300), FAST).reason == "the error of the control does not fall with more images"


def test_other_sizes_than_the_control_s_are_refused(generator: np.random.Generator) -> None:
    arm, control = trained(generator, 2), trained(generator, 1, SIZES[:3])
    with pytest.raises(InputError, match=r"^train.sizes: the arm has \[250, 500, 1000, 2000, 4000\], its control \["):
        images_saved(arm, control, np.arange(300), FAST)


def test_an_area_is_numpys_trapezoid_over_the_logarithm(generator: np.random.Generator) -> None:
    """Of the RMSE's mean over seeds, whatever the order in which sizes are given."""
    sizes = np.array([200, 700, 1000, 5000])
    arm = trained(generator, 1, sizes)
    rmse = [np.sqrt((arm[size] ** 2).mean(axis=1)).mean() for size in sizes.tolist()]
    expected = np.trapezoid(rmse, np.log(sizes)) / np.log(25)
    found = area(dict(reversed(arm.items())), np.arange(300), FAST)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.interval[0] < found.value < found.interval[1]


def test_the_area_of_a_constant_curve_is_that_error_with_its_interval(generator: np.random.Generator) -> None:
    """The same errors at every size: the mean over sizes knows as much as one, and no more."""
    errors = generator.normal(size=(8, 300))
    one = estimates({"a": errors}, {"a": (("a", 1.0),)}, np.arange(300), FAST)["a"]
    found = area(dict.fromkeys((100, 300, 5000), errors), np.arange(300), FAST)
    assert found.value == pytest.approx(one.value, rel=1e-12)
    assert found.interval == pytest.approx(one.interval(FAST.confidence), rel=1e-9)


def test_half_the_error_has_half_the_area(generator: np.random.Generator) -> None:
    arm = trained(generator, 1)
    whole, half = (area({n: f * one for n, one in arm.items()}, np.arange(300), FAST) for f in (1, 0.5))
    assert half.value == pytest.approx(whole.value / 2, rel=1e-12)
    assert half.interval == pytest.approx(tuple(end / 2 for end in whole.interval), rel=1e-9)


def test_one_size_has_no_area(generator: np.random.Generator) -> None:
    with pytest.raises(InputError, match=r"^train\.sizes: \[250\] is no learning curve"):
        area({250: generator.normal(size=(2, 9))}, np.arange(9), FAST)
