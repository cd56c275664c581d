"""Split: roles that partition the rows, never part a group, and look alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from pipeline import store
from pipeline.errors import InputError
from pipeline.split import ROLES, deal, split
from pipeline.store import Array

FRACTIONS = [0.6, 0.15, 0.1, 0.15]


@st.composite
def rows(draw: Callable[..., Any]) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Values and groups of some rows, a number of strata and a seed."""
    n = draw(st.integers(1, 300))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    groups = generator.integers(-5, draw(st.integers(1, 200)), n)
    return generator.normal(size=n).round(1), groups, draw(st.integers(1, 20)), seed


@given(rows())
def test_no_group_is_parted(case: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    values, groups, strata, seed = case
    role = deal(values, groups, FRACTIONS, strata, seed)
    for group in np.unique(groups):
        assert len(np.unique(role[groups == group])) == 1


@given(rows())
def test_fractions_are_met_to_within_one_group(case: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    values, groups, strata, seed = case
    counts = np.bincount(deal(values, groups, FRACTIONS, strata, seed), minlength=4)
    largest = np.bincount(np.unique(groups, return_inverse=True)[1]).max()
    assert counts.sum() == len(values)
    assert (np.abs(counts - np.array(FRACTIONS) * len(values)) <= largest).all()


@given(rows())
def test_the_order_of_the_rows_does_not_matter(case: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    values, groups, strata, seed = case
    role = deal(values, groups, FRACTIONS, strata, seed)
    order = np.random.default_rng(seed).permutation(len(values))
    np.testing.assert_array_equal(deal(values[order], groups[order], FRACTIONS, strata, seed), role[order])


def test_roles_are_alike_in_the_target() -> None:
    """Closer than chance: the largest distance between role and whole is that of the strata, not of a random draw."""
    values = np.random.default_rng(0).exponential(size=2000)
    role = deal(values, np.arange(2000), FRACTIONS, 20, seed=1)
    for member in range(4):
        assert ks_2samp(values[role == member], values).statistic < 1 / 20


def test_another_seed_is_another_split() -> None:
    values = np.arange(200.0)
    first, second = (deal(values, np.arange(200), FRACTIONS, 10, seed) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.fixture
def images(tiny: Path) -> Callable[[np.ndarray], str]:
    """Writes an image store whose only content is targets."""

    def write(targets: np.ndarray) -> str:
        arrays = [Array("targets", "float64", (1,), ("t",)), Array("group", "int64")]
        columns = {"targets": targets[:, None], "group": np.arange(len(targets))}
        store.write("images.zarr", len(targets), arrays, lambda a, b: columns, target_names=["log10_axion_mass"])
        return "images.zarr"

    return write


def test_the_stage_leaves_out_unknown_targets_and_counts_them(images: Callable[[np.ndarray], str]) -> None:
    targets = np.random.default_rng(0).normal(size=80)
    targets[::4] = np.nan
    split(images(targets), "split.json")
    decided = json.loads(Path("split.json").read_text())
    dealt = [row for role in ROLES for row in decided["roles"][role]]
    assert sorted(dealt) == np.flatnonzero(np.isfinite(targets)).tolist()
    assert decided["left_out"] == 20
    assert decided["counts"] == {"train": 33, "validation": 9, "calibration": 6, "test": 12}
    assert decided["roles"]["train"] != sorted(decided["roles"]["train"]), "training rows come shuffled"


@pytest.mark.parametrize(
    ("targets", "override", "message"),
    [
        (np.full(60, -23.0), "split.seed=0", r"split\.targets: log10_axion_mass is -23 in every image"),
        (np.full(60, np.nan), "split.seed=0", r"split\.strata: 4 strata, but only 0 of the 60 images"),
        (np.arange(9.0), "split.strata=10", r"split\.strata: 10 strata, but only 9 of the 9 images"),
        (np.arange(60.0), "split.targets=[f_sub]", r"split\.targets: .*no target 'f_sub'; it has log10_axion_mass"),
        (np.arange(8.0), "split.seed=0", r"split\.fractions\.\w+: only [01] images fall to it"),
    ],
    ids=["no spread", "all unknown", "fewer than strata", "unknown target", "empty role"],
)
def test_refuses_by_name(images: Callable[[np.ndarray], str], targets: np.ndarray, override: str, message: str) -> None:
    path = images(targets)
    with pytest.raises(InputError, match=message):
        split(path, "split.json", [override])
    assert not Path("split.json").exists()
