"""Cells: what the files say, seed by seed and lens by lens; and what is missing, by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import tables
from pipeline.errors import InputError
from pipeline.verdict import cells as reading
from tests.verdict.fabricated import cell, ids, run_of, truths

RAW = ("raw", "cnn", "all")


def write(folder: Path, name: str, errors: np.ndarray, targets: tuple[str, ...] = ("mass",), **more: float) -> None:
    table = pd.concat([run_of(errors + i, target, **more) for i, target in enumerate(targets)])
    tables.write(table, folder / f"{name}.parquet")


def test_a_cell_is_what_its_files_say(tmp_path: Path, generator: np.random.Generator) -> None:
    errors = generator.normal(size=(2, 9))
    for seed, own in zip((3, 5), errors, strict=True):
        write(tmp_path, f"raw-cnn-all-{seed}", own)
    (found,), said = reading.read(tmp_path, [RAW], [5, 3])
    assert said == []
    assert (found.key, found.name, found.seeds) == ((*RAW, "mass"), "raw-cnn-all", (5, 3))
    assert found.id.tolist() == ids(9).tolist()
    np.testing.assert_array_equal(found.truth, truths(9))
    np.testing.assert_allclose(found.errors, errors[::-1])
    np.testing.assert_allclose(found.residuals, errors[::-1])
    assert found.quantiles is found.nll is found.tarp is None


def test_a_distribution_comes_with_its_quantiles_in_order(tmp_path: Path, generator: np.random.Generator) -> None:
    errors = generator.normal(size=(2, 9))
    for seed in (0, 1):
        write(tmp_path, f"raw-cnn-all-{seed}", errors[seed], sigma=0.5)
    (found,), _ = reading.read(tmp_path, [RAW], [0, 1])
    assert found.quantiles is not None
    assert found.quantiles.shape == (2, 9, len(tables.LEVELS))
    assert (np.diff(found.quantiles) > 0).all()
    np.testing.assert_allclose(found.quantiles[..., len(tables.LEVELS) // 2], found.prediction)
    assert found.nll is not None
    table = pd.read_parquet(tmp_path / "raw-cnn-all-1.parquet")
    np.testing.assert_array_equal(found.nll[1], table.loc[table["role"] == "test", "nll"])


def test_a_distribution_of_some_seeds_only_is_none(tmp_path: Path, generator: np.random.Generator) -> None:
    write(tmp_path, "raw-cnn-all-0", generator.normal(size=9), sigma=0.5)
    write(tmp_path, "raw-cnn-all-1", generator.normal(size=9))
    (found,), _ = reading.read(tmp_path, [RAW], [0, 1])
    assert found.quantiles is None


def test_every_target_is_a_cell_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "raw-cnn-all-0", np.zeros(5), ("mass", "slope"))
    found, _ = reading.read(tmp_path, [RAW], [0])
    assert [one.target for one in found] == ["mass", "slope"]
    for i, one in enumerate(found):
        np.testing.assert_array_equal(one.truth, truths(5, one.target))
        np.testing.assert_allclose(one.errors, i, atol=1e-12)
    assert list(reading.of_target(found, "slope")) == [RAW]


def test_a_missing_run_is_named_and_its_cell_is_of_the_others(tmp_path: Path) -> None:
    for seed in (0, 2):
        write(tmp_path, f"raw-cnn-all-{seed}", np.full(5, float(seed)))
    found, said = reading.read(tmp_path, [RAW, ("engineered", "cnn", "all")], [0, 1, 2])
    assert [one.seeds for one in found] == [(0, 2)]
    np.testing.assert_allclose(found[0].errors.mean(axis=1), [0, 2], atol=1e-12)
    assert said == [
        "`raw-cnn-all`: no predictions of seed 1; compared on seeds 0, 2.",
        "`engineered-cnn-all`: no predictions of seed 0, 1, 2; left out.",
    ]


def test_without_any_run_there_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path}: none of the runs of params.yaml has predictions there"):
        reading.read(tmp_path, [RAW], [0, 1])


@pytest.mark.parametrize("fault", ["order", "truth", "fewer", "another target"])
def test_a_seed_that_answers_for_other_lenses_is_refused_by_name(tmp_path: Path, fault: str) -> None:
    for seed in (0, 1):
        write(tmp_path, f"raw-cnn-all-{seed}", np.zeros(5))
    path = tmp_path / "raw-cnn-all-1.parquet"
    table = pd.read_parquet(path)
    changed = {
        "order": table.iloc[::-1],
        "truth": table.assign(truth=table["truth"] + 1e-9),
        "fewer": table.iloc[:-1],
        "another target": table.assign(target="slope"),
    }
    tables.write(changed[fault], path)
    with pytest.raises(InputError, match=f"^{path}: other test lenses than seed 0; run both on one split"):
        reading.read(tmp_path, [RAW], [0, 1])


def test_fewer_seeds_and_fewer_lenses_take_all_that_is_theirs(generator: np.random.Generator) -> None:
    """In whichever order; what is marked by seed and lens stays with both."""
    mark = 10.0 * np.arange(3)[:, None] + np.arange(6)
    whole = cell(mark, nll=mark, tarp=mark, quantiles=np.stack([mark, mark], axis=-1), seeds=(7, 8, 9))
    which = np.array([True, False, True, True, False, False])
    there, back = whole.of_seeds([9, 7]).of_lenses(which), whole.of_lenses(which).of_seeds([9, 7])
    expected = np.array([[20.0, 22, 23], [0, 2, 3]])
    for found in (there, back):
        assert found.seeds == (9, 7)
        assert found.id.tolist() == ["lens 0", "lens 2", "lens 3"]
        assert found.nll is not None
        assert found.tarp is not None
        assert found.quantiles is not None
        for values in (found.errors, found.nll, found.tarp, found.quantiles[..., 1]):
            np.testing.assert_allclose(values, expected, atol=1e-12)
        np.testing.assert_array_equal(found.residuals, mark[[2, 0]])


def test_common_seeds_are_those_of_every_cell_in_the_first_ones_order() -> None:
    own = [(4, 1, 3, 2), (1, 2, 4), (2, 9, 4)]
    assert reading.common_seeds([cell(np.zeros((len(seeds), 2)), seeds=seeds) for seeds in own]) == [4, 2]
    assert reading.common_seeds([]) == []


def test_lenses_are_found_by_name_in_the_order_asked_for() -> None:
    lenses = pd.DataFrame({"id": ["c", "a", "d", "b"], "group": [2, 0, 3, 1]})
    assert reading.columns(lenses, np.array(["a", "b", "c"]))["group"].tolist() == [0, 1, 2]
    for absent, said in ((["x"], "x"), (["x", "y"], "x and 1 other"), (["x", "y", "z"], "x and 2 others")):
        with pytest.raises(InputError, match=f"^lenses: no line for {said}; dvc repro describe$"):
            reading.columns(lenses, np.array(["a", *absent]))
    with pytest.raises(InputError, match=r"^lenses: more than one line for a; give every image an id of its own"):
        reading.columns(pd.concat([lenses, lenses[1:2]]), np.array(["c"]))
