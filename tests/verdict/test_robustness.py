"""Robustness: what was planted in the shifted answers is found, and nothing is passed over."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import false_discovery_control, norm
from sklearn.metrics import root_mean_squared_error

from pipeline import params, tables
from pipeline.compare import compare
from pipeline.errors import InputError
from pipeline.verdict.cells import Cell
from pipeline.verdict.robustness import NOMINAL, Robustness, markdown, record, robustness
from tests.conftest import TINY
from tests.verdict.fabricated import PLACES, WRITTEN, fabricate

SEEDS, LENSES = tuple(range(8)), 400
IDS = np.array([f"lens {i}" for i in range(LENSES)])
DESCRIBED = pd.DataFrame({"id": IDS[::-1], "group": np.arange(LENSES)})
CHOSEN = params.read([], "compare", path=TINY)


def cell(generator: np.random.Generator, name: str = "raw", target: str = "mass", sigma: float | None = None) -> Cell:
    """Errors of unit spread on the test and calibration rows; with a sigma, a normal posterior about each answer."""
    truth = np.random.default_rng(len(target)).normal(size=LENSES)
    prediction = truth + generator.normal(size=(len(SEEDS), LENSES))
    residuals = generator.normal(size=(len(SEEDS), 300))
    quantiles = None if sigma is None else prediction[..., None] + sigma * ndtri(np.array(tables.LEVELS) / 100)
    return Cell(name, "cnn", "all", target, SEEDS, IDS, truth, prediction, residuals, quantiles)


def write(
    folder: Path,
    shift: str,
    cells: Sequence[Cell],
    errors: Callable[[Cell], np.ndarray],
    sigma: float | None = None,
) -> None:
    """The tables of a shift: `errors` (s, n) in place of each cell's own, lenses from the last to the first."""
    for name in dict.fromkeys(one.name for one in cells):
        own = [one for one in cells if one.name == name]
        said = {one.target: one.truth + errors(one) for one in own}
        for row, seed in enumerate(own[0].seeds):
            parts = [_lines(one, said[one.target][row], sigma) for one in own]
            tables.write(pd.concat(parts), folder / shift / f"{name}-{seed}.parquet")


def _lines(one: Cell, prediction: np.ndarray, sigma: float | None) -> pd.DataFrame:
    found = {"truth": one.truth, "prediction": prediction, "spread": np.ones(LENSES)}
    if sigma is not None:
        found |= {f"q{level:g}": prediction + sigma * ndtri(level / 100) for level in tables.LEVELS}
    columns = {name: values[:, None] for name, values in found.items()}
    return tables.lines("test", one.id, [one.target], ["dex(eV)"], columns).iloc[::-1]


def asked(folder: Path, shifts: Sequence[str], cells: Sequence[Cell]) -> Robustness:
    return robustness(folder, shifts, cells, ("raw", "engineered"), DESCRIBED, CHOSEN)


def times(factor: float) -> Callable[[Cell], np.ndarray]:
    return lambda one: factor * one.errors


# the change of the error


@pytest.mark.parametrize(("factor", "word"), [(1.5, "worse"), (0.7, "better"), (1.005, "equivalent")])
def test_what_was_planted_is_found_with_its_sign_and_size(
    tmp_path: Path, generator: np.random.Generator, factor: float, word: str
) -> None:
    one = cell(generator)
    # of the smallest change seeds do not agree which way it goes
    flip = np.where(np.arange(len(SEEDS)) % 2, factor, 2 - factor)[:, None] if word == "equivalent" else factor
    write(tmp_path, "psf_wide", [one], lambda own: flip * own.errors)
    (row,) = record(asked(tmp_path, ["psf_wide"], [one]))
    assert [row[key] for key in ("run", "target", "shift", "word")] == ["raw-cnn-all", "mass", "psf_wide", word]
    rmse = [root_mean_squared_error(one.truth, prediction) for prediction in one.prediction]
    assert row["change"]["value"] == pytest.approx(np.mean((np.ravel(flip) - 1) * rmse), abs=1e-12)
    low, high = row["change"]["low"], row["change"]["high"]
    assert low < row["change"]["value"] < high
    assert (low < 0 < high) == (word == "equivalent")


def test_without_a_shift_nothing_changes(tmp_path: Path, generator: np.random.Generator) -> None:
    one = cell(generator)
    write(tmp_path, "identity", [one], times(1))
    (row,) = record(asked(tmp_path, ["identity"], [one]))
    assert row["change"] == pytest.approx({"value": 0, "low": 0, "high": 0}, abs=1e-12)
    assert row["coverage"]["value"] == pytest.approx(NOMINAL, abs=0.03)


def test_a_lens_is_held_against_itself(tmp_path: Path, generator: np.random.Generator) -> None:
    """What makes a lens hard cancels: unpaired, the interval would be some ten times as wide as this bound."""
    one = cell(generator)
    write(tmp_path, "psf_wide", [one], times(1.02))
    (row,) = record(asked(tmp_path, ["psf_wide"], [one]))
    assert row["change"]["high"] - row["change"]["low"] < 0.01
    assert row["word"] == "worse"


def test_all_shifts_and_cells_are_corrected_together(tmp_path: Path, generator: np.random.Generator) -> None:
    """By scipy's Benjamini and Hochberg; and each row is of its own shift, input and target."""
    cells = [cell(generator, name, target) for name, target in product(("raw", "engineered"), ("mass", "slope"))]
    factors = {"psf_wide": 1.0, "noise_high": 1.4, "clumpy": 0.98}
    for shift, factor in factors.items():
        noisy = [replace(one, prediction=one.prediction + generator.normal(0, 0.2, one.errors.shape)) for one in cells]
        write(tmp_path, shift, noisy, times(factor))
    found = asked(tmp_path, list(factors), cells)
    assert [(row.shift, row.cell.key) for row in found.rows] == [(shift, one.key) for shift in factors for one in cells]
    p = np.array([row.change.p for row in found.rows])
    assert len(set(p)) > 3
    np.testing.assert_allclose([row["p"] for row in record(found)], false_discovery_control(p))
    assert [row.change.word for row in found.rows if row.shift == "noise_high"] == ["worse"] * 4


# coverage


@pytest.mark.parametrize("factor", [1.0, 1.5, 3.0])
def test_intervals_of_the_calibration_rows_hold_less_as_errors_grow(
    tmp_path: Path, generator: np.random.Generator, factor: float
) -> None:
    one = cell(generator)
    write(tmp_path, "noise_high", [one], times(factor))
    (row,) = record(asked(tmp_path, ["noise_high"], [one]))
    rank = int(np.ceil(301 * NOMINAL)) - 1
    held = np.abs(factor * one.errors) <= np.sort(np.abs(one.residuals))[:, [rank]]
    assert row["coverage"]["value"] == pytest.approx(held.mean(), abs=1e-12)
    expected = 2 * norm.cdf(norm.ppf((1 + NOMINAL) / 2) / factor) - 1
    assert row["coverage"]["low"] < expected < row["coverage"]["high"]


@pytest.mark.parametrize(("sigma", "expected"), [(1.0, 2 * norm.cdf(norm.ppf(0.84) / 2) - 1), (2.0, NOMINAL)])
def test_a_network_with_a_distribution_is_judged_by_what_it_says_under_the_shift(
    tmp_path: Path, generator: np.random.Generator, sigma: float, expected: float
) -> None:
    """Errors twice as large: who says so loses no coverage. What the calibration rows would promise is far too wide."""
    one = cell(generator, sigma=1.0)
    wide = replace(one, residuals=9 * one.residuals)
    write(tmp_path, "noise_high", [one], times(2), sigma)
    found = record(asked(tmp_path, ["noise_high"], [wide]))[0]["coverage"]
    assert found["value"] == pytest.approx(expected, abs=0.02)
    assert found["low"] < expected < found["high"]


def test_two_calibration_rows_promise_nothing(tmp_path: Path, generator: np.random.Generator) -> None:
    one = replace(cell(generator), residuals=np.ones((len(SEEDS), 2)))
    write(tmp_path, "noise_high", [one], times(2))
    found = asked(tmp_path, ["noise_high"], [one])
    assert record(found)[0]["coverage"] is None
    assert "| too few calibration lenses |" in markdown(found, {"mass": ""}, 0.95)


# what is asked, and what is missing


def test_without_shifts_there_is_nothing(tmp_path: Path, generator: np.random.Generator) -> None:
    found = asked(tmp_path / "nowhere", [], [cell(generator)])
    assert record(found) == []
    assert markdown(found, {"mass": ""}, 0.95) == ""


def test_of_a_placebo_nothing_is_asked(tmp_path: Path, generator: np.random.Generator) -> None:
    cells = [cell(generator), cell(generator, "engineered_noise")]
    write(tmp_path, "psf_wide", cells[:1], times(2))
    assert [row.cell.input for row in asked(tmp_path, ["psf_wide"], cells).rows] == ["raw"]
    assert asked(tmp_path, ["psf_wide"], cells[1:]).rows == []


def test_a_table_that_is_missing_is_named(tmp_path: Path, generator: np.random.Generator) -> None:
    one = cell(generator)
    write(tmp_path, "psf_wide", [one], times(2))
    (tmp_path / "psf_wide" / "raw-cnn-all-3.parquet").unlink()
    with pytest.raises(InputError, match=r"/psf_wide/raw-cnn-all-3\.parquet: these predictions are missing"):
        asked(tmp_path, ["psf_wide"], [one])


def test_a_table_of_other_lenses_is_named(tmp_path: Path, generator: np.random.Generator) -> None:
    one, path = cell(generator), tmp_path / "psf_wide" / "raw-cnn-all-3.parquet"
    write(tmp_path, "psf_wide", [one], times(2))
    table = tables.read(path)
    tables.write(table[table["id"] != "lens 7"], path)
    with pytest.raises(InputError, match=r"/raw-cnn-all-3\.parquet: no line for lens 7; run dvc repro predict_shifted"):
        asked(tmp_path, ["psf_wide"], [one])
    tables.write(table.assign(truth=table["truth"] + 1), path)
    with pytest.raises(InputError, match=r"/raw-cnn-all-3\.parquet: other truths than those of raw-cnn-all"):
        asked(tmp_path, ["psf_wide"], [one])


def test_a_table_without_the_quantiles_is_named(tmp_path: Path, generator: np.random.Generator) -> None:
    one = cell(generator, sigma=1.0)
    write(tmp_path, "psf_wide", [one], times(2))
    with pytest.raises(InputError, match=r"/raw-cnn-all-0\.parquet: it lacks quantiles"):
        asked(tmp_path, ["psf_wide"], [one])


def test_a_lens_without_an_answer_under_a_shift_is_left_out_of_all_and_named(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    one, path = cell(generator), tmp_path / "psf_wide" / "raw-cnn-all-3.parquet"
    for shift in ("psf_wide", "noise_high"):
        write(tmp_path, shift, [one], times(2))
    table = tables.read(path)
    tables.write(table.assign(prediction=table["prediction"].where(table["id"] != "lens 7")), path)
    found = asked(tmp_path, ["psf_wide", "noise_high"], [one])
    kept = IDS != "lens 7"
    expected = np.mean(np.sqrt((one.errors[:, kept] ** 2).mean(axis=1)))
    assert [row["change"]["value"] for row in record(found)] == pytest.approx([expected, expected])
    assert [row.cell.id.tolist() for row in found.rows] == [IDS[kept].tolist()] * 2
    text = markdown(found, {"mass": ""}, 0.95)
    assert "- `psf_wide/raw-cnn-all-3`: no finite mass for 1 of 400 test lenses (lens 7)" in text


def twice_as_wrong(folder: Path, generator: np.random.Generator) -> tuple[list[Cell], list[str]]:
    """Two inputs under two shifts, each of which doubles every error."""
    cells, shifts = [cell(generator), cell(generator, "engineered")], ["psf_wide", "noise_high"]
    for shift in shifts:
        write(folder, shift, cells, times(2))
    return cells, shifts


def silence(path: Path) -> None:
    """A network that has nothing to say."""
    tables.write(tables.read(path).assign(prediction=np.nan), path)


def test_a_run_without_any_answer_under_a_shift_is_named_and_its_seed_left_out_of_all(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    """The others are what they would be, had that seed never run."""
    cells, shifts = twice_as_wrong(tmp_path, generator)
    silence(tmp_path / "psf_wide" / "raw-cnn-all-3.parquet")
    found = asked(tmp_path, shifts, cells)
    rest = [one.of_seeds([0, 1, 2, 4, 5, 6, 7]) for one in cells]
    assert record(found) == record(asked(tmp_path, shifts, rest))
    fewer, line = found.said
    assert fewer.endswith("compared on 0, 1, 2, 4, 5, 6, 7.")
    nothing = "no finite mass for any of the 400 test lenses with seed 3"
    assert line == f"`psf_wide/raw-cnn-all`: {nothing}; seed 3 is left out of every run."
    assert line in markdown(found, {"mass": ""}, 0.95)


def test_a_cell_without_any_answer_under_a_shift_is_named_and_costs_no_other_a_seed(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    cells, shifts = twice_as_wrong(tmp_path, generator)
    for seed in SEEDS:
        silence(tmp_path / "psf_wide" / f"raw-cnn-all-{seed}.parquet")
    found = asked(tmp_path, shifts, cells)
    told = [("psf_wide", "engineered"), ("noise_high", "raw"), ("noise_high", "engineered")]
    assert [(row.shift, row.cell.input) for row in found.rows] == told
    assert {row.change.seeds for row in found.rows} == {len(SEEDS)}
    assert found.said == [
        "`psf_wide/raw-cnn-all`: no finite mass for any of the 400 test lenses, with any seed; left out."
    ]


def test_shifts_that_leave_no_seed_to_compare_are_said_and_stop_nothing(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    cells = [cell(generator).of_seeds([0, 1]), cell(generator, "engineered").of_seeds([0, 1])]
    write(tmp_path, "psf_wide", cells, times(2))
    for run in ("raw-cnn-all-0", "engineered-cnn-all-1"):
        silence(tmp_path / "psf_wide" / f"{run}.parquet")
    found = asked(tmp_path, ["psf_wide"], cells)
    assert found.rows == []
    assert found.said[-1].endswith("no seed is left that answers in every run; nothing is compared.")
    text = markdown(found, {"mass": ""}, 0.95)
    assert all(f"- {line}" in text for line in found.said)


def test_cells_are_shifted_on_the_seeds_that_all_have(tmp_path: Path, generator: np.random.Generator) -> None:
    cells = [cell(generator), cell(generator, "engineered").of_seeds([2, 3, 4, 5, 6, 7])]
    write(tmp_path, "psf_wide", cells, times(2))
    found = asked(tmp_path, ["psf_wide"], cells)
    assert ["compared on 2, 3, 4, 5, 6, 7." in line for line in found.said] == [True]
    rows = found.rows
    assert [row.change.seeds for row in rows] == [6, 6]
    for row, own in zip(rows, cells, strict=True):
        six = own.of_seeds(cells[1].seeds).errors
        assert row.change.difference == pytest.approx(np.sqrt((six**2).mean(axis=1)).mean())
    with pytest.raises(InputError, match=r"^train\.seeds: no seed is common"):
        asked(tmp_path, ["psf_wide"], [cells[0].of_seeds([0]), cells[1]])


# what is written


def test_there_is_a_table_for_each_target_and_a_line_for_each_row(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    cells = [cell(generator, name, target) for name in ("raw", "engineered") for target in ("mass", "slope")]
    for shift, factor in {"psf_wide": 1.5, "clumpy": 1.2}.items():
        write(tmp_path, shift, cells, times(factor))
    found = asked(tmp_path, ["psf_wide", "clumpy"], cells)
    text = markdown(found, {"mass": " [dex]", "slope": ""}, 0.9)
    first, mass, slope = text.split("**mass**")[0], *text.split("**mass**")[1].split("**slope**")
    assert first.strip() == ""
    assert "| ΔRMSE [dex], corrected 90% interval | coverage of 68% intervals |" in mass
    assert "| ΔRMSE, corrected 90% interval |" in slope
    expected = [(s, name) for s in ("psf_wide", "clumpy") for name in ("raw", "engineered")]
    for target, section in (("mass", mass), ("slope", slope)):
        told = [
            [part.strip() for part in line.split("|")[1:-1]] for line in section.splitlines() if "**worse**" in line
        ]
        assert [(line[0], line[1]) for line in told] == expected
        rows = [row for row in record(found) if row["target"] == target]
        assert [line[3].split()[0] for line in told] == [f"{row['change']['value']:+.4f}" for row in rows]
        assert [line[4].split()[0] for line in told] == [f"{row['coverage']['value']:.0%}" for row in rows]


def test_the_stage_writes_what_was_found(tiny: Path) -> None:
    """Two recipes and a placebo, with a shift that doubles every error; and without one."""
    seeds, inputs = [0, 1], ("raw", "engineered", "engineered_noise")
    words = [f"train.seeds={seeds}", "train.inputs=[raw, engineered, engineered_noise]"]
    fabricate(tiny, seeds, inputs)
    compare(*PLACES, *WRITTEN, words)
    text = (tiny / "verdict.md").read_text()
    assert json.loads((tiny / "verdict.json").read_text())["robustness"] == []
    for name, seed in product(inputs[:2], seeds):
        table = tables.read(tiny / "predictions" / f"{name}-cnn-all-{seed}.parquet", role="test")
        worse = table.assign(prediction=2 * table["prediction"] - table["truth"], shift="psf_wide")
        tables.write(worse, tiny / "shifted" / "psf_wide" / f"{name}-cnn-all-{seed}.parquet")
    compare(*PLACES, *WRITTEN, [*words, "shift.kinds=[psf_wide]"])
    found = json.loads((tiny / "verdict.json").read_text())
    rmse = {cell["run"]: cell["metrics"]["rmse"]["value"] for cell in found["cells"]}
    assert [row["run"] for row in found["robustness"]] == ["raw-cnn-all", "engineered-cnn-all"]
    for row in found["robustness"]:
        assert row["change"]["value"] == pytest.approx(rmse[row["run"]])
        assert set(row) == {"run", "target", "shift", "change", "coverage", "word", "p"}
    longer = (tiny / "verdict.md").read_text()
    assert longer.startswith(text)
    assert longer.count("| psf_wide |") == 2


def test_a_lens_that_is_lost_under_a_shift_is_told_to_the_report_too(tiny: Path) -> None:
    fabricate(tiny, [0], ("raw",))
    table = tables.read(tiny / "predictions" / "raw-cnn-all-0.parquet", role="test")
    lost = table.assign(prediction=table["prediction"].where(table["id"] != "lens 7"), shift="psf_wide")
    tables.write(lost, tiny / "shifted" / "psf_wide" / "raw-cnn-all-0.parquet")
    compare(*PLACES, *WRITTEN, ["train.seeds=[0]", "train.inputs=[raw]", "shift.kinds=[psf_wide]"])
    said = json.loads((tiny / "verdict.json").read_text())["said"]
    assert any("`psf_wide/raw-cnn-all-0`: no finite mass for 1 of 60 test lenses (lens 7)" in line for line in said)
