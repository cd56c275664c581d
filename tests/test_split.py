"""Stage split: what it refuses, what it writes, and that near-duplicates, folds and held-out names go whole."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from pipeline import store
from pipeline.dealing.schemes import ROLES
from pipeline.errors import InputError
from pipeline.findings import KNOWN, finding, plain
from pipeline.split import split
from pipeline.store import Array

Write = Callable[..., None]
TWO = "split.targets=[log10_axion_mass, f_sub]"


@pytest.fixture
def images(tiny: Path) -> Write:
    """Writes an image store without images, and what an audit that found nothing says of it."""
    return write_images


def write_images(targets: np.ndarray, pairs: list[tuple[int, int]] | None = None, **columns: np.ndarray) -> None:
    n, targets = len(targets), targets.reshape(len(targets), -1)
    arrays = [Array("targets", "float64", targets.shape[1:], ("t",)), Array("group", "int64")]
    arrays += [Array("id", "str"), Array("kind", "str")]
    if "identities" in columns:
        arrays.append(Array("identities", "str", columns["identities"].shape[1:], ("i",)))
    given = {"group": np.arange(n), "id": np.array([f"lens-{i:04d}" for i in range(n)]), "kind": np.full(n, "")}
    given |= {"targets": targets, **columns}
    names = ["log10_axion_mass", "f_sub"][: targets.shape[1]]
    store.write("images.zarr", n, arrays, lambda a, b: {k: v[a:b] for k, v in given.items()}, target_names=names)
    write_audit(n)
    table = pd.DataFrame(pairs or [], columns=["row_a", "row_b"])
    table.assign(similarity=0.99, symmetry="identity").to_csv("pairs.csv", index=False)


def write_audit(rows: int, *codes: str) -> None:
    found = plain(finding(code, f"{code} in 3 images") for code in codes)
    Path("audit.json").write_text(json.dumps({"rows": rows, "findings": found, "statistics": {}}))


def decided(*overrides: str) -> dict[str, Any]:
    split("images.zarr", "audit.json", "pairs.csv", "split.json", overrides)
    return json.loads(Path("split.json").read_text())


def role_of(found: dict[str, Any]) -> dict[int, str]:
    return {row: role for role in ROLES for row in found["roles"][role]}


def test_rows_without_a_target_are_left_out_and_counted(images: Write) -> None:
    targets = np.random.default_rng(0).normal(size=80)
    targets[::4] = np.nan
    images(targets)
    found = decided()
    assert sorted(role_of(found)) == np.flatnonzero(np.isfinite(targets)).tolist()
    assert found["left_out"] == 20
    assert found["counts"] == {"train": 33, "validation": 9, "calibration": 6, "test": 12}
    assert found["roles"]["train"] != sorted(found["roles"]["train"]), "training rows come shuffled"


def test_the_manifest_says_what_was_asked_and_what_came_of_it(images: Write) -> None:
    targets = np.random.default_rng(0).normal(size=(200, 2))
    images(targets)
    found = decided(TWO, "split.strata=5")
    assert found["scheme"] == {"name": "holdout", "seed": 0}
    assert (found["strata"], found["rows"], found["groups"], found["merged"]) == (5, 200, 200, 0)
    ids = "\n".join(f"lens-{row:04d}" for row in sorted(found["roles"]["test"]))
    assert found["test_ids_sha256"] == hashlib.sha256(ids.encode()).hexdigest()
    for name, column in zip(found["targets"], targets.T, strict=True):
        for role, members in found["roles"].items():
            others = np.setdiff1d(np.arange(200), members)
            assert found["ks"][name][role] == pytest.approx(
                ks_2samp(column[members], column[others]).statistic, abs=1e-6
            )
            assert sum(found["bins"][name][role]) == found["counts"][role] == len(members)
            assert found["smallest_bin"][role] <= min(found["bins"][name][role])
        whole = np.sum(list(found["bins"][name].values()), axis=0)
        assert whole.tolist() == [40] * 5, "quantile bins"
        for role, fraction in zip(ROLES, (0.55, 0.15, 0.1, 0.2), strict=True):
            assert np.abs(np.array(found["bins"][name][role]) - 40 * fraction).max() <= 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scheme=st.sampled_from(["holdout", "kfold", "group-out"]), second=st.booleans())
def test_the_same_images_go_the_same_way_whatever_row_they_are_in(
    tiny: Path, seed: int, scheme: str, second: bool
) -> None:
    """Also the order of training, of which runs on fewer rows take the first; near-duplicates move with their rows."""
    generator = np.random.default_rng(seed)
    n = 90
    columns = {
        "targets": generator.normal(size=(n, 2)).round(1),
        "group": generator.integers(0, 60, n),
        "id": np.array([f"lens-{i:04d}" for i in range(n)]),
        "kind": generator.choice(["", "cdm", "axion"], n, p=[0.5, 0.4, 0.1]),
    }
    pairs = generator.integers(0, n, (6, 2))
    overrides = [f"split.scheme={scheme}", *(["split.held_out=[axion]"] if scheme == "group-out" else [])]
    overrides += [TWO] if second else []
    outcome = []
    for order in (np.arange(n), generator.permutation(n)):
        moved = [tuple(pair) for pair in np.argsort(order)[pairs].tolist()]
        write_images(pairs=moved, **{name: column[order] for name, column in columns.items()})
        found = decided(*overrides)
        ids = {role: columns["id"][order][members].tolist() for role, members in found["roles"].items()}
        rest = {key: found[key] for key in ("ks", "bins", "merged", "groups", "test_ids_sha256")}
        outcome.append((ids["train"], {role: sorted(members) for role, members in ids.items()}, rest))
    assert outcome[0] == outcome[1]


def test_near_duplicates_of_different_groups_share_a_role(images: Write) -> None:
    """A planted chain: 3, 40 and 77 are one lens to the audit, with 4, which shares a group with 3."""
    group = np.arange(80)
    group[4] = 3
    values = np.random.default_rng(0).normal(size=80)
    images(values, [(40, 3), (40, 77)], group=group)
    apart = []
    for seed in range(8):
        found = decided(f"split.seed={seed}")
        assert len({role_of(found)[row] for row in (3, 4, 40, 77)}) == 1
        assert (found["merged"], found["groups"]) == (2, 77)
        write_images(values, group=group)
        apart.append(len({role_of(decided(f"split.seed={seed}"))[row] for row in (3, 40, 77)}) > 1)
        write_images(values, [(40, 3), (40, 77)], group=group)
    assert any(apart), "without the pairs they would part"


def test_a_near_duplicate_without_a_target_still_joins_the_two_beside_it(images: Write) -> None:
    values = np.random.default_rng(0).normal(size=80)
    values[40] = np.nan
    images(values, [(3, 40), (40, 77)])
    for seed in range(8):
        found = role_of(decided(f"split.seed={seed}"))
        assert found[3] == found[77]


@pytest.mark.parametrize("targets", [TWO, "split.seed=1"])
def test_the_folds_cover_every_row_once(images: Write, targets: str) -> None:
    images(np.random.default_rng(0).normal(size=(100, 2)), group=np.random.default_rng(1).integers(0, 50, 100))
    found = [decided(targets, "split.scheme=kfold", "split.folds=4", f"split.fold={fold}") for fold in range(4)]
    assert sorted(row for fold in found for row in fold["roles"]["test"]) == list(range(100))
    assert [fold["scheme"]["fold"] for fold in found] == [0, 1, 2, 3]
    assert len({fold["test_ids_sha256"] for fold in found}) == 4
    assert all(sorted(role_of(fold)) == list(range(100)) for fold in found)


def test_a_class_or_an_identity_that_is_held_out_is_the_test_with_its_groups(images: Write) -> None:
    kind = np.array(["cdm", "axion", "no_sub"] * 40)
    halo = np.array([f"halo{i // 5}" for i in range(120)])
    group = np.arange(120)
    group[100] = 1  # shares the group of an image that is held out
    images(np.random.default_rng(0).normal(size=120), kind=kind, identities=halo[:, None], group=group)
    found = decided("split.scheme=group-out", "split.held_out=[axion, halo3]")
    assert found["roles"]["test"] == sorted({100, *np.flatnonzero((kind == "axion") | (halo == "halo3")).tolist()})
    assert found["scheme"] == {"name": "group-out", "seed": 0, "held_out": ["axion", "halo3"]}
    assert found["counts"]["train"] > 3 * found["counts"]["validation"], "the others keep their proportions"


def test_an_audit_with_errors_is_refused_until_they_are_accepted_by_name(images: Write) -> None:
    images(np.random.default_rng(0).normal(size=80))
    write_audit(80, "duplicates", "noise_free", "normalised")
    told = (
        r"^audit\.json: duplicates: duplicates in 3 images \(keep one .*\); normalised: .*; "
        r".* audit\.accept=\[duplicates, normalised\]$"
    )
    with pytest.raises(InputError, match=told):
        decided()
    with pytest.raises(InputError, match=r"^audit\.json: normalised: .*audit\.accept=\[normalised\]$"):
        decided("audit.accept=[duplicates]")
    assert not Path("split.json").exists()
    assert decided("audit.accept=[duplicates, normalised]")["rows"] == 80


def test_warnings_and_notes_pass(images: Write) -> None:
    images(np.random.default_rng(0).normal(size=80))
    write_audit(80, *(code for code, (severity, _) in KNOWN.items() if severity != "error"))
    assert decided()["rows"] == 80


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("audit.json", None, r"^audit\.json: no such file"),
        (
            "audit.json",
            '{"rows": 79, "findings": []}',
            r"^audit\.json: made for 79 rows, but images\.zarr has 80; rerun",
        ),
        ("audit.json", "{", r"^audit\.json: not what"),
        ("pairs.csv", None, r"^pairs\.csv: .*rerun the audit"),
        ("pairs.csv", "", r"^pairs\.csv: not a table with the columns row_a and row_b"),
        ("pairs.csv", "a,b\n1,2\n", r"^pairs\.csv: not a table with the columns row_a and row_b"),
        ("pairs.csv", "row_a,row_b\n1,80\n", r"^pairs\.csv: names rows that images\.zarr does not have: it has 80"),
        ("pairs.csv", "row_a,row_b\n-1,2\n", r"^pairs\.csv: names rows"),
        ("pairs.csv", "row_a,row_b\n1,\n", r"^pairs\.csv: names rows"),
    ],
)
def test_what_the_audit_wrote_must_be_of_this_store(
    images: Write, name: str, content: str | None, message: str
) -> None:
    images(np.random.default_rng(0).normal(size=80))
    Path(name).unlink()
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(InputError, match=message):
        decided()


LINE = np.arange(60.0)
KFOLD, GROUP_OUT = "split.scheme=kfold", "split.scheme=group-out"


@pytest.mark.parametrize(
    ("targets", "override", "message"),
    [
        (np.full(60, -23.0), "split.seed=0", r"split\.targets: log10_axion_mass is -23 in every image"),
        (np.full(60, np.nan), "split.seed=0", r"split\.strata: 4 strata, but only 0 of the 60 images"),
        (LINE[:9], "split.strata=10", r"split\.strata: 10 strata, but only 9 of the 9 images"),
        (LINE, "split.targets=[f_sub]", r"split\.targets: .*no target 'f_sub'; it has log10_axion_mass"),
        (LINE[:8], "split.seed=0", r"split\.fractions\.\w+: only [01] images fall to"),
        (LINE, "audit.accept=[noise]", r"audit\.accept: the audit knows no 'noise'; .*noise_free"),
        (LINE, f"{KFOLD} split.folds=3 split.fold=3", r"split\.fold: 3, but 3 folds are 0 to 2"),
        (LINE, f"{KFOLD} split.folds=70 split.fold=69", r"split\.folds: only 0 images fall to test"),
        (LINE, "split.fold=1", r"split\.fold: 1 means nothing to the scheme holdout; leave it 0"),
        (LINE, "split.held_out=[cdm]", r"split\.held_out: \['cdm'\] means nothing .* leave it \[\]"),
        (LINE, GROUP_OUT, r"split\.held_out: \[\]; the scheme group-out needs"),
        (LINE, f"{GROUP_OUT} split.held_out=[cdn]", r"split\.held_out: .* identity 'cdn'; there are axion, cdm$"),
        (LINE, f"{GROUP_OUT} split.held_out=['']", r"split\.held_out: .* identity ''; there are"),
        (LINE, f"{GROUP_OUT} split.held_out=[cdm,axion]", r"split\.fractions\.train: only 0 images"),
        (
            np.r_[np.full(20, np.nan), LINE],
            f"{GROUP_OUT} split.held_out=[axion]",
            r"split\.held_out: no image .* that has the targets is of class .*'axion'; there are cdm$",
        ),
    ],
    ids=[
        *("no spread", "all unknown", "fewer than strata", "unknown target", "empty role", "unknown code"),
        *("no such fold", "more folds than groups", "fold without folds", "names without their scheme"),
        *("nothing held out", "no such name", "no name", "all held out", "a name without targets"),
    ],
)
def test_refuses_by_name(images: Write, targets: np.ndarray, override: str, message: str) -> None:
    images(targets, kind=np.where(np.arange(len(targets)) < 20, "axion", "cdm"))
    with pytest.raises(InputError, match=f"^{message}"):
        decided(*override.split())
    assert not Path("split.json").exists()
