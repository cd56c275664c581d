"""Prediction tables: physical units to the last digit, a spread from the calibration rows, whole or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import store, tables
from pipeline.errors import InputError
from pipeline.params import PROBABILITY
from pipeline.store import Array, Store
from tests.store.test_store import files_limited_to

STATISTICS = {"target": {"mean": [-23.5, 4.0], "std": [0.25, 8.0]}}
ROLES = {"fit.zarr": {"train": [0, 4], "validation": [4, 7], "calibration": [7, 12]}, "test.zarr": {"test": [0, 5]}}
UNITS = {"mass": "dex(eV)", "slope": ""}
TABLE = pd.DataFrame({"role": ["test", "test", "validation"], "id": ["a", "b", "ä"], "truth": [1.0, 2.0, np.pi]})


def produce(start: int, stop: int) -> dict[str, np.ndarray]:
    """Row i has the normalised targets i and -2 i, which these statistics turn into exact numbers."""
    row = np.arange(start, stop)
    return {"target": np.stack([row, -2 * row], axis=1).astype(np.float32), "id": np.array([f"lens {i}" for i in row])}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    arrays = [Array("target", "float32", (2,), ("t",)), Array("id", "str")]
    for name, roles in ROLES.items():
        rows = max(stop for _, stop in roles.values())
        manifest = {"roles": roles, "targets": ["mass", "slope"], "statistics": STATISTICS, "target_units": UNITS}
        store.write(tmp_path / name, rows, arrays, produce, **manifest)
    return tmp_path


# normalised errors of the calibration rows: mean square 2 in the first target, 8 in the second
ERRORS = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0], [2.0, 4.0], [2.0, 4.0]])


def answer(opened: Store, start: int, stop: int) -> np.ndarray:
    """The truth, but wrong where the rows are those of calibration."""
    truth = opened.read("target", start, stop)
    return truth + ERRORS if (start, stop) == (7, 12) else truth


def test_predictions_and_truths_are_in_physical_units(prepared: Path) -> None:
    table = tables.predicted(prepared, answer)
    assert list(table.columns) == ["role", "id", "target", "unit", "truth", "prediction", "spread"]
    rows = [("validation", i) for i in (4, 5, 6)] + [("calibration", i) for i in range(7, 12)]
    rows += [("test", i) for i in range(5)]
    for target, physical in (("mass", lambda i: -23.5 + 0.25 * i), ("slope", lambda i: 4.0 - 16.0 * i)):
        lines = table[table["target"] == target]
        assert list(zip(lines["role"], lines["id"], strict=True)) == [(role, f"lens {i}") for role, i in rows]
        assert lines["truth"].tolist() == [physical(i) for _, i in rows]
        right = lines[lines["role"] != "calibration"]
        assert right["prediction"].tolist() == right["truth"].tolist()


def test_a_class_comes_back_as_0_and_1(tmp_path: Path) -> None:
    """Normalised in float32, some of them do not of themselves."""
    truth = np.array([0.0, 1.0, 0.0])
    scale = {"mean": [truth.mean()], "std": [truth.std()]}
    normalised = ((truth - truth.mean()) / truth.std()).astype(np.float32)[:, None]
    assert tables.physical(normalised, scale)[:, 0].tolist() != truth.tolist()
    said = {"roles": {"test": [0, 3]}, "targets": ["vortex"], "statistics": {"target": scale}}
    arrays = [Array("target", "float32", (1,), ("t",)), Array("id", "str")]
    made = {"target": normalised, "id": np.array(["a", "b", "c"])}
    units = {"target_units": {"vortex": PROBABILITY}}
    store.write(tmp_path / "test.zarr", 3, arrays, lambda a, b: {k: v[a:b] for k, v in made.items()}, **said, **units)
    table = tables.of_role(Store(tmp_path / "test.zarr"), "test", tables.Answer(normalised))
    assert table["truth"].tolist() == truth.tolist()
    assert tables.of_classes(table) == {"vortex"}


def test_physical_keeps_the_digits_that_float32_has_not() -> None:
    """0.1 float32 above a mean of a million is lost unless the sum is in float64."""
    found = tables.physical(np.array([[0.1]], dtype=np.float32), {"mean": [1e6], "std": [1.0]})
    assert found.dtype == np.float64
    assert found[0, 0] == 1e6 + float(np.float32(0.1))


def test_the_spread_is_the_error_on_the_calibration_rows(prepared: Path) -> None:
    table = tables.predicted(prepared, answer)
    spreads = table.groupby("target")["spread"].agg(["min", "max"])
    for target, expected in (("mass", 0.25 * np.sqrt(2)), ("slope", 8.0 * np.sqrt(8))):
        assert spreads.loc[target, "min"] == spreads.loc[target, "max"] == pytest.approx(expected)
    perfect = tables.predicted(prepared, lambda opened, start, stop: opened.read("target", start, stop))
    assert (perfect["spread"] == 0).all()


def test_a_calibration_row_without_an_answer_has_no_error(prepared: Path) -> None:
    """And neither has an infinite one: the spread is that of the three other rows, whose mean square is 10 / 3."""
    values = {7: np.nan, 8: np.inf}

    def holed(opened: Store, start: int, stop: int) -> np.ndarray:
        found = answer(opened, start, stop).astype(np.float64)
        for row, value in values.items():
            found[[row == i for i in range(start, stop)], 0] = value
        return found

    with np.errstate(invalid="raise"):
        table = tables.predicted(prepared, holed)
    spreads = table.groupby("target")["spread"].first()
    assert spreads["mass"] == pytest.approx(0.25 * np.sqrt(9 / 3))
    assert spreads["slope"] == pytest.approx(8.0 * np.sqrt(8))


def test_levels_ascend_alike_on_both_sides_of_the_median() -> None:
    levels = np.array(tables.LEVELS)
    assert (np.diff(levels) > 0).all()
    assert np.array_equal(levels, 100 - levels[::-1])
    assert {(100 - central) / 2 for central in (0, 50, 68, 90, 95, 99)} <= set(tables.LEVELS)


def test_an_answer_is_scaled_as_what_it_is() -> None:
    """A quantile as a target, a spread without the mean, a density per unit, a fraction not at all."""
    quantiles = np.broadcast_to(np.arange(len(tables.LEVELS), dtype=np.float32), (1, 2, len(tables.LEVELS)))
    one = np.ones((1, 2), dtype=np.float32)
    said = tables.Answer(one, 2 * one, quantiles, 3 * one, np.array([7.0]), np.array([0.25]))
    found = {name: values[0].tolist() for name, values in tables.columns(said, STATISTICS["target"]).items()}
    assert found["prediction"] == [-23.25, 12.0]
    assert found["spread"] == [0.5, 16.0]
    assert (found["q0.5"], found["q2.5"]) == ([-23.5, 4.0], [-23.0, 20.0])
    assert found["nll"] == pytest.approx([3 - np.log(4), 3 + np.log(8)])
    assert found["nll_joint"] == pytest.approx([7 + np.log(2), 7 + np.log(2)])
    assert found["tarp"] == [0.25, 0.25]
    assert len(found) == 5 + len(tables.LEVELS)


def test_lines_without_an_answer_are_counted_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame(
        {"role": ["test"] * 3 + ["validation"], "truth": 0.0, "prediction": [1.0, np.nan, np.inf, 2.0]}
    )
    assert tables.gaps(table) == {"prediction": 2}
    assert tables.gaps(TABLE) == {}
    tables.write(table, tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "a.parquet"), table)
    assert capsys.readouterr().out == f"{tmp_path}/a.parquet: not finite, of 4 lines: 2 prediction\n"
    assert len(tables.read(tmp_path / "a.parquet", role="validation")) == 1
    assert capsys.readouterr().out == ""


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.parquet"
    tables.write(TABLE, path)
    pd.testing.assert_frame_equal(tables.read(path), TABLE)
    pd.testing.assert_frame_equal(tables.read(path, role="test", id="b"), TABLE[1:2].reset_index(drop=True))
    assert [file.name for file in path.parent.iterdir()] == ["a.parquet"]


def test_a_failing_write_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    tables.write(TABLE, path)
    large = pd.DataFrame({"truth": np.random.default_rng(0).normal(size=50_000)})
    with files_limited_to(100_000), pytest.raises(InputError, match=rf"^{path}: cannot be written: "):
        tables.write(large, path)
    pd.testing.assert_frame_equal(tables.read(path), TABLE)


def test_a_file_where_a_folder_should_be_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(InputError, match=r"data/a\.parquet: cannot be written: "):
        tables.write(TABLE, tmp_path / "data" / "a.parquet")


def test_a_missing_table_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{tmp_path}/a\.parquet: these predictions are missing; run"):
        tables.read(tmp_path / "a.parquet")
