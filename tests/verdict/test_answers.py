"""What is no number counts against the run that said it, by name; a difference is of the same lenses."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.verdict.answers import answered, check_same_lenses
from pipeline.verdict.cells import Cell
from tests.verdict.fabricated import cell


def pair(generator: np.random.Generator, lenses: int = 8) -> list[Cell]:
    return [cell(generator.normal(size=(2, lenses)), name) for name in ("raw", "engineered")]


def test_finite_answers_are_left_alone(generator: np.random.Generator) -> None:
    cells = pair(generator)
    found, said = answered(cells)
    assert said == []
    for one, before in zip(found, cells, strict=True):
        np.testing.assert_array_equal(one.prediction, before.prediction)


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_a_lens_without_an_answer_of_one_run_is_left_out_of_all(generator: np.random.Generator, nothing: float) -> None:
    raw, engineered = pair(generator)
    engineered.prediction[1, [2, 5]] = nothing
    found, said = answered([raw, engineered])
    for one, before in zip(found, (raw, engineered), strict=True):
        assert one.id.tolist() == [f"lens {i}" for i in (0, 1, 3, 4, 6, 7)]
        np.testing.assert_array_equal(one.prediction, np.delete(before.prediction, [2, 5], axis=1))
    assert said == [
        "`engineered-cnn-all-1`: no finite mass for 2 of 8 test lenses (lens 2, lens 5); left out of every run."
    ]


def test_many_lost_lenses_are_counted_and_the_first_named(generator: np.random.Generator) -> None:
    raw, engineered = pair(generator)
    raw.prediction[0, :5] = np.nan
    _, (line,) = answered([raw, engineered])
    assert "5 of 8 test lenses (lens 0, lens 1, lens 2, …)" in line


def test_half_a_distribution_is_no_answer(generator: np.random.Generator) -> None:
    quantiles = np.sort(generator.normal(size=(2, 8, 3)))
    quantiles[0, 3, 2] = np.nan
    (found,), (line,) = answered([cell(generator.normal(size=(2, 8)), quantiles=quantiles)])
    assert "engineered-cnn-all-0" in line
    assert "lens 3" not in found.id
    assert found.quantiles is not None
    assert np.isfinite(found.quantiles).all()


def test_a_run_without_any_answer_is_refused_by_name(generator: np.random.Generator) -> None:
    raw, engineered = pair(generator)
    raw.prediction[1] = np.nan
    with pytest.raises(InputError, match=r"^raw-cnn-all-1: no finite mass for any of the 8 test lenses; train it"):
        answered([raw, engineered])


def test_runs_without_a_lens_in_common_are_refused(generator: np.random.Generator) -> None:
    raw, engineered = pair(generator)
    raw.prediction[1, :4] = engineered.prediction[0, 4:] = np.nan
    with pytest.raises(InputError, match=r"^predictions: no test lens has a finite answer of every run"):
        answered([raw, engineered])


def test_a_calibration_row_without_an_answer_widens_nothing(generator: np.random.Generator) -> None:
    """The others stay, of every seed; the test lenses have nothing to do with it."""
    raw, engineered = pair(generator)
    residuals = generator.normal(size=(2, 5))
    residuals[1, 3] = np.nan
    (found, _), (line,) = answered([replace(raw, residuals=residuals), engineered])
    np.testing.assert_array_equal(found.residuals, residuals[:, [0, 1, 2, 4]])
    assert len(found.id) == 8
    assert line.startswith("`raw-cnn-all`: no finite mass for 1 of 5 calibration lenses")


@pytest.mark.parametrize("name", ["nll", "nll_joint", "tarp"])
def test_an_infinite_score_is_said_and_not_averaged(generator: np.random.Generator, name: str) -> None:
    scores = {"nll": generator.normal(size=(2, 8)), "tarp": generator.uniform(size=(2, 8))}
    scores["nll_joint"] = generator.normal(size=(2, 8))
    scores[name][1, 4] = np.inf
    (found,), (line,) = answered([cell(generator.normal(size=(2, 8)), **scores)])
    assert len(found.id) == 8
    assert [key for key in scores if getattr(found, key) is None] == [name]
    assert line == f"`engineered-cnn-all`: {name} of mass is not finite for 1 answer; it is not averaged."


def test_inputs_that_answer_for_other_lenses_are_not_paired(generator: np.random.Generator) -> None:
    """Reordered lenses: every number is there, and each difference would be of two different images."""
    raw, engineered = pair(generator)
    reordered = replace(engineered, id=raw.id[::-1], truth=raw.truth[::-1])
    for other in (reordered, replace(engineered, truth=raw.truth + 1e-6), cell(np.zeros((2, 7)))):
        with pytest.raises(InputError, match=r"^engineered-cnn-all: its test lenses are not those of raw-cnn-all"):
            answered([raw, other])


def test_targets_share_lenses_and_not_truths(generator: np.random.Generator) -> None:
    mass, slope = (cell(generator.normal(size=(2, 8)), target=target) for target in ("mass", "slope"))
    check_same_lenses([mass, slope])
    with pytest.raises(InputError, match="its test lenses are not those of"):
        check_same_lenses([mass, replace(slope, id=slope.id[::-1])])
