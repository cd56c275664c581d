"""Shortcuts: each reads what it is given and nothing else, from the training rows alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.measure import block_reduce
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline

from pipeline import frames, lenses, params, pca_ridge
from pipeline.errors import InputError
from pipeline.pca_ridge import STRENGTHS
from pipeline.shortcuts import shortcuts
from pipeline.tables import read
from tests.checks.planted import Lenses

N, SIDE = 500, 24
EDGES = {"train": (0, 300), "validation": (300, 350), "calibration": (350, 400), "test": (400, N)}
MODELS = ["constant", "flux", "ring_radius", "profile", "pca_ridge"]
DISTANCE = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2))
UNITS = {"brightness": "dex(electron)", "size": "arcsec", "slope": ""}


class Planted:
    """Rings of light whose flux and radius have nothing to do with each other, as all earlier stages would leave them.

    Targets: `brightness` is the log of the flux, `size` the radius, `slope` neither.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.flux = 10 ** generator.uniform(1, 2, N)
        self.radius = generator.uniform(3, 9, N)
        rings = np.exp(-(((DISTANCE - self.radius[:, None, None]) / 1.2) ** 2) / 2)
        light = rings / rings.sum(axis=(1, 2), keepdims=True) * self.flux[:, None, None]
        self.images = light + generator.normal(0, 0.02, light.shape) + 5.0
        self.targets = np.stack([np.log10(self.flux), self.radius, generator.normal(4, 2, N)], axis=1)
        self.order = generator.permutation(N)

    def rows(self, role: str) -> np.ndarray:
        return self.order[slice(*EDGES[role])]

    def answers(self, targets: tuple[str, ...] = tuple(UNITS), *overrides: str) -> pd.DataFrame:
        """What the stage writes."""
        columns = {
            "images": self.images[:, None].astype(np.float32),
            "targets": self.targets,
            "id": np.array([f"lens-{i}" for i in range(N)]),
        }
        Lenses(columns, {"target_names": list(UNITS), "target_units": UNITS}).write(Path("images.zarr"))
        table: dict[str, Any] = dict.fromkeys(lenses.COLUMNS, "")
        table |= {"row": range(N), "id": columns["id"], "flux": self.flux, "ring_radius": self.radius}
        lenses.write(pd.DataFrame(table), "lenses.parquet")
        decided = {"rows": N, "targets": list(targets), "roles": {role: self.rows(role).tolist() for role in EDGES}}
        Path("split.json").write_text(json.dumps(decided))
        shortcuts("images.zarr", "lenses.parquet", "split.json", "out.parquet", overrides)
        return read("out.parquet")


@pytest.fixture
def planted(tiny: Path, generator: np.random.Generator) -> Planted:
    return Planted(generator)


def skill(table: pd.DataFrame, model: str, target: str) -> float:
    """R2 on the test rows."""
    lines = table[(table["model"] == model) & (table["target"] == target) & (table["role"] == "test")]
    return float(r2_score(lines["truth"], lines["prediction"]))


def test_each_reads_what_it_is_given_and_nothing_else(planted: Planted) -> None:
    table = planted.answers(tuple(UNITS), "baselines.iterations=60")
    for model, reads in {
        "constant": (),
        "flux": ("brightness",),
        "ring_radius": ("size",),
        "profile": ("brightness", "size"),
    }.items():
        for target in UNITS:
            found = skill(table, model, target)
            assert found > 0.9 if target in reads else found < 0.1, f"{target} from {model}"


def test_a_linear_label_is_all_that_the_ridge_needs(planted: Planted) -> None:
    planted.targets[:, 0] = planted.flux
    table = planted.answers()
    assert skill(table, "pca_ridge", "brightness") > 0.99
    assert skill(table, "pca_ridge", "slope") < 0.1


def test_the_table_is_that_of_all_baselines(planted: Planted) -> None:
    """Truths to the last digit, in their own units; the constant is the training mean."""
    table = planted.answers(("size", "slope"))
    assert list(table.columns) == ["role", "id", "target", "unit", "truth", "prediction", "spread", "model"]
    assert list(dict.fromkeys(table["model"])) == MODELS
    for model in MODELS:
        for column, target in ((1, "size"), (2, "slope")):
            for role in ("validation", "calibration", "test"):
                lines = read("out.parquet", model=model, target=target, role=role)
                assert lines["id"].tolist() == [f"lens-{row}" for row in planted.rows(role)]
                assert lines["truth"].tolist() == planted.targets[planted.rows(role), column].tolist()
                assert set(lines["unit"]) == {UNITS[target]}
    assert set(table["role"]) == {"validation", "calibration", "test"}
    (answer,) = read("out.parquet", model="constant", target="size")["prediction"].unique()
    assert answer == pytest.approx(planted.targets[planted.rows("train"), 1].mean(), rel=1e-12)


def test_the_spread_is_the_error_on_the_calibration_rows(planted: Planted) -> None:
    planted.answers(("size",))
    for model in MODELS:
        lines = read("out.parquet", model=model, role="calibration")
        error = np.sqrt(np.mean((lines["prediction"] - lines["truth"]) ** 2))
        assert lines["spread"].to_numpy() == pytest.approx(error, rel=1e-12)


def test_a_target_has_the_same_answers_alone(planted: Planted) -> None:
    together, alone = planted.answers(), planted.answers(("size",))
    again = together[together["target"] == "size"].reset_index(drop=True)
    assert again["prediction"].to_numpy() == pytest.approx(alone["prediction"].to_numpy(), rel=1e-9)
    assert again["id"].tolist() == alone["id"].tolist()


def test_nothing_of_the_test_rows_enters(planted: Planted) -> None:
    """Other images, columns and labels of the test rows: the same answers for the others; of the training rows: not."""
    before = planted.answers()
    test = planted.rows("test")
    planted.images[test] = planted.images[test][::-1] * 7 - 3
    planted.flux[test] *= 100
    planted.radius[test] = np.nan
    after = planted.answers()
    others = before["role"] != "test"
    pd.testing.assert_frame_equal(after[others], before[others])
    changed = (after["prediction"] != before["prediction"]) & ~others
    assert set(after[changed]["model"]) == set(MODELS) - {"constant"}
    planted.targets[test] = 5 * planted.targets[test] + 3
    assert planted.answers()["prediction"].equals(after["prediction"])
    planted.targets[np.concatenate([planted.rows("train"), planted.rows("validation")])] += 1
    moved = planted.answers()["prediction"] - after["prediction"]
    assert moved.to_numpy() == pytest.approx(1.0, abs=1e-6)


def test_the_ridge_alone_looks_at_validation(planted: Planted) -> None:
    before = planted.answers(("slope",))
    planted.targets[planted.rows("validation"), 2] = planted.radius[planted.rows("validation")] * 100
    after = planted.answers(("slope",))
    changed = after["prediction"] != before["prediction"]
    assert set(after[changed]["model"]) <= {"pca_ridge"}


def test_a_ring_that_was_not_found_is_missing_and_not_zero(planted: Planted) -> None:
    """Whether it was found is told apart from every radius; a radius of zero would be the nearest one's."""
    lost = np.arange(N) % 2 == 0
    planted.radius[lost] = np.nan
    planted.targets[:, 1] = np.where(lost, 6.0, np.abs(np.nan_to_num(planted.radius) - 6.0))
    assert skill(planted.answers(("size",), "baselines.iterations=60"), "ring_radius", "size") > 0.9


@pytest.mark.parametrize("missing", [np.nan, -1.0])
def test_where_nothing_is_known_the_answer_is_the_constant(missing: float, planted: Planted) -> None:
    """No ring in any image; fluxes below zero, which have no logarithm."""
    planted.radius[:], planted.flux[:] = np.nan, missing
    table = planted.answers(("size",))
    constant = table[table["model"] == "constant"]["prediction"].to_numpy()
    for model in ("flux", "ring_radius"):
        assert table[table["model"] == model]["prediction"].to_numpy() == pytest.approx(constant, rel=1e-9)
    assert table["prediction"].notna().all()


def test_the_same_data_give_the_same_bytes(planted: Planted) -> None:
    planted.answers()
    before = Path("out.parquet").read_bytes()
    planted.answers()
    assert Path("out.parquet").read_bytes() == before


def test_the_parameters_arrive(planted: Planted) -> None:
    """More components and more trees follow closer."""
    for model, worse, better in (
        ("pca_ridge", "baselines.components=1", "baselines.components=12"),
        ("flux", "baselines.iterations=1", "baselines.iterations=60"),
    ):
        target = "size" if model == "pca_ridge" else "brightness"
        less, more = (skill(planted.answers((target,), option), model, target) for option in (worse, better))
        assert more > less + 0.05


def test_other_peoples_splits_and_tables_are_refused(planted: Planted) -> None:
    planted.answers()
    Path("split.json").write_text(json.dumps({"rows": 3, "targets": ["size"], "roles": {}}))
    with pytest.raises(InputError, match=r"split\.json: made for 3 rows; images\.zarr has 500"):
        shortcuts("images.zarr", "lenses.parquet", "split.json", "out.parquet")
    planted.targets[planted.rows("train"), 1] = 3
    with pytest.raises(InputError, match=r"split\.targets: size is 3 in every training row"):
        planted.answers()


def test_no_recipe_may_have_the_name_of_the_table(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"train\.inputs: 'shortcuts' is what the shortcut baselines are called"):
        params.read(["train.inputs=[shortcuts]", "features.recipes={shortcuts: {maps: {ridge: {}}}}"])
    with pytest.raises(InputError, match=r"baselines\.components: 0 is not valid"):
        params.read(["baselines.components=0"])


# The ridge on principal components


def correlated(generator: np.random.Generator, n: int, pixels: int = 60) -> np.ndarray:
    """Rows that vary in some ways much more than in others, far from zero."""
    return generator.normal(size=(n, pixels)) * np.logspace(1, -1, pixels) @ MIXED[:pixels, :pixels] + 1e3


MIXED = np.linalg.qr(np.random.default_rng(1).normal(size=(60, 60)))[0]


@pytest.mark.parametrize("block", [1024, 13])
@pytest.mark.parametrize(("rows", "number"), [(200, 10), (200, 60), (40, 20)])
def test_it_is_scikit_learns_pipeline(
    rows: int, number: int, block: int, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fitted at once, with every strength: the same answers, and the best of them on the validation rows is chosen."""
    monkeypatch.setattr(pca_ridge, "BLOCK", block)
    train, validation, test = (correlated(generator, n) for n in (rows, 50, 30))
    weights = generator.normal(size=(60, 3)) * [1, 0.01, 0]
    truths = [frames @ weights + generator.normal(size=(len(frames), 3)) for frames in (train, validation)]
    found = pca_ridge.fit((train, truths[0]), (validation, truths[1]), number)
    largest = PCA(1, svd_solver="full").fit(train).singular_values_[0] ** 2
    for target in range(3):
        peers = [
            Pipeline([("pca", PCA(number, svd_solver="full")), ("ridge", Ridge(strength * largest))]).fit(
                train, truths[0][:, target]
            )
            for strength in STRENGTHS
        ]
        errors = [np.mean((peer.predict(validation) - truths[1][:, target]) ** 2) for peer in peers]
        best = int(np.argmin(errors))
        assert found.strengths[target] == STRENGTHS[best]
        assert found.predict(test)[:, target] == pytest.approx(peers[best].predict(test), abs=1e-6)


def test_images_that_are_all_alike_tell_nothing(generator: np.random.Generator) -> None:
    alike, truth = np.full((20, 9), 3.0, dtype=np.float32), generator.normal(size=(20, 2))
    found = pca_ridge.fit((alike, truth), (alike, truth), 4)
    assert found.components.axes.shape == (0, 9)
    assert found.predict(alike[:3]) == pytest.approx(np.tile(truth.mean(axis=0), (3, 1)))


@pytest.mark.parametrize(("shape", "most", "side"), [((1, 64, 64), 4096, 1), ((1, 65, 66), 4096, 2),
                                                     ((1, 150, 150), 4096, 3), ((5, 40, 60), 4096, 2)])  # fmt: skip
def test_pixels_are_averaged_no_more_than_they_must_be(
    shape: tuple[int, int, int], most: int, side: int, generator: np.random.Generator
) -> None:
    images = generator.normal(size=(3, *shape))
    height, width = (size // side * side for size in shape[1:])
    top, left = ((size - size // side * side) // 2 for size in shape[1:])
    inside = images[:, :, top : top + height, left : left + width]
    expected = block_reduce(inside, (1, 1, side, side), np.mean)
    assert frames.pooled(images, most) == pytest.approx(expected.reshape(3, -1))
    if side > 1:
        assert shape[0] * (shape[1] // (side - 1)) * (shape[2] // (side - 1)) > most
