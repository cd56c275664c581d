"""normalise.target: another shift and scale for networks to answer in, and the same answers in physical units."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import median_abs_deviation, norm
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from models.heads.gaussian import Gaussian
from models.heads.perceptron import Perceptron
from models.heads.spread import said
from pipeline import store, tables
from pipeline.baselines import baselines
from pipeline.errors import InputError
from pipeline.normalise import normalise
from pipeline.params.split import Normalise
from pipeline.scaling import TARGETS, line
from pipeline.store import Array, Store
from tests.conftest import complaint

KINDS = ("standard", "robust", "range", "none")
ROWS = 90
ROLES = {"train": range(50), "validation": range(50, 60), "calibration": range(60, 70), "test": range(70, 90)}
TARGETS_AND_UNITS = {"slope": "", "mass": "dex(eV)"}


def drawn() -> dict[str, np.ndarray]:
    """Lenses whose columns tell their targets, all but some noise; both targets skewed, so that no two kinds agree."""
    generator = np.random.default_rng(5)
    vectors = generator.normal(size=(ROWS, 3))
    clear = vectors @ generator.normal(size=(3, 2)) + 0.1 * generator.normal(size=(ROWS, 2))
    return {
        "maps": generator.normal(size=(ROWS, 1, 4, 4)).astype(np.float32),
        "vectors": vectors.astype(np.float32),
        "targets": np.exp(0.3 * clear) * [3.0, 0.02] + [40.0, -23.7],
        "id": np.array([f"lens {i}" for i in range(ROWS)]),
        "noise": np.ones(ROWS, dtype=np.float32),
    }


def prepare(values: dict[str, np.ndarray], kind: str) -> dict[str, Store]:
    """Run the stage in the working folder, into a folder called after the kind."""
    of_images = [Array("targets", "float64", (2,), ("t",)), Array("id", "str"), Array("noise", "float32")]
    of_input = [Array("maps", "float32", (1, 4, 4), ("c", "h", "w")), Array("vectors", "float32", (3,), ("k",))]
    about = {"target_names": [*TARGETS_AND_UNITS], "target_units": TARGETS_AND_UNITS, "pixel_scale": 0.1}
    made = {"channels": ["pixels"], "columns": ["a", "b", "c"], "missing": [], "symmetries": {}}
    for name, arrays, manifest in (("images.zarr", of_images, about), ("input.zarr", of_input, made)):
        chosen = {array.name: values[array.name] for array in arrays}
        store.write(
            name,
            ROWS,
            arrays,
            lambda a, b, chosen=chosen: {key: part[a:b] for key, part in chosen.items()},
            **manifest,
        )
    roles = {role: [*rows] for role, rows in ROLES.items()}
    Path("split.json").write_text(json.dumps({"targets": [*TARGETS_AND_UNITS], "rows": ROWS, "roles": roles}))
    normalise("images.zarr", "input.zarr", "split.json", kind, [f"normalise.target={kind}"])
    return {name: Store(Path(kind) / name) for name in ("fit.zarr", "test.zarr")}


def expected(kind: str, targets: np.ndarray) -> np.ndarray:
    """By scikit-learn and scipy, of the training rows."""
    train = targets[ROLES["train"]]
    if kind == "standard":
        return StandardScaler().fit(train).transform(targets)
    if kind == "robust":
        return (targets - np.median(train, axis=0)) / median_abs_deviation(train, axis=0, scale="normal")
    if kind == "range":
        return MinMaxScaler((-1, 1)).fit(train).transform(targets)
    return targets


def test_every_kind_of_params_yaml_is_one_that_can_be_made() -> None:
    assert set(TARGETS) == set(KINDS) == set(get_args(Normalise.model_fields["target"].annotation))


@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_scaled_as_other_libraries_do_when_shown_the_training_rows(kind: str, tiny: Path) -> None:
    values = drawn()
    stores = prepare(values, kind)
    wanted = expected(kind, values["targets"])
    for name, rows in (("fit.zarr", slice(0, 70)), ("test.zarr", slice(70, 90))):
        np.testing.assert_allclose(stores[name].read("target"), wanted[rows], rtol=1e-4, atol=1e-5)
    assert stores["fit.zarr"].read("target", 0, 50).std() > 0.005


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_rows_teach_nothing(kind: str, tiny: Path) -> None:
    values = drawn()
    before = prepare(values, kind)["fit.zarr"].attributes["statistics"]
    values["targets"][50:] *= 1e4
    assert prepare(values, kind)["fit.zarr"].attributes["statistics"] == before


def test_inputs_are_the_same_whatever_the_targets_are(tiny: Path) -> None:
    stores = [prepare(drawn(), kind) for kind in KINDS]
    for name in ("fit.zarr", "test.zarr"):
        for array in ("maps", "vectors", "row"):
            assert len({one[name].read(array).tobytes() for one in stores}) == 1
        assert len({one[name].read("target").tobytes() for one in stores}) == len(KINDS)


def test_wild_labels_move_the_mean_and_not_the_median(tiny: Path) -> None:
    """Three of fifty labels a thousand times too large."""
    calm, wild = drawn(), drawn()
    wild["targets"][[3, 14, 15]] += 1000
    moved = {}
    for kind in ("standard", "robust", "range"):
        (a, unit), (b, wide) = (
            line(prepare(values, kind)["fit.zarr"].attributes["statistics"]["target"]) for values in (calm, wild)
        )
        moved[kind] = (np.abs(b - a) / unit).max(), (wide / unit).max()
    assert max(moved["robust"]) < 1.3
    assert min(moved["standard"]) > 50
    assert min(moved["range"]) > 50


def test_a_linear_fit_says_the_same_in_physical_units_under_every_kind(tiny: Path) -> None:
    """Least squares do not care for shift and scale: what comes out is the fit to the labels themselves."""
    values = drawn()
    train = slice(0, 50)
    oracle = LinearRegression().fit(values["vectors"][train], values["targets"][train])
    for kind in KINDS:
        fit = prepare(values, kind)["fit.zarr"]
        own = LinearRegression().fit(fit.read("vectors", 0, 50), fit.read("target", 0, 50))
        table = tables.predicted(kind, lambda opened, a, b, own=own: own.predict(opened.read("vectors", a, b)))
        for i, name in enumerate(TARGETS_AND_UNITS):
            lines = table[(table["target"] == name) & (table["role"] == "test")]
            np.testing.assert_allclose(lines["truth"], values["targets"][70:, i], rtol=1e-6)
            np.testing.assert_allclose(lines["prediction"], oracle.predict(values["vectors"][70:])[:, i], rtol=1e-6)
            calibration = values["targets"][60:70, i] - oracle.predict(values["vectors"][60:70])[:, i]
            np.testing.assert_allclose(lines["spread"], np.sqrt((calibration**2).mean()), rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gaussian_head_has_its_spread_and_density_in_the_targets_own_units(kind: str, tiny: Path) -> None:
    """A physical distribution, put into a kind's units, comes back as scipy has it: nothing assumes a spread of one."""
    values = drawn()
    test = prepare(values, kind)["test.zarr"]
    shift, unit = line(test.attributes["statistics"]["target"])
    mean, std = values["targets"][70:] + np.array([0.7, -0.004]), np.array([1.5, 0.01])
    outputs = torch.from_numpy(np.stack([(mean - shift) / unit, np.tile(std / unit, (20, 1))], axis=2))
    head, levels = Gaussian(Perceptron(3), 2), torch.tensor(tables.LEVELS, dtype=torch.float64) / 100
    found = said(head, outputs[:, None], torch.from_numpy(test.read("target")).double(), test.read("row"), levels)
    answer = tables.Answer(**{name: each.numpy() for name, each in found.items()})
    columns = tables.columns(answer, test.attributes["statistics"]["target"])
    truth = tables.physical(test.read("target"), test.attributes["statistics"]["target"])
    np.testing.assert_allclose(columns["prediction"], mean, rtol=1e-9)
    np.testing.assert_allclose(columns["spread"], np.tile(std, (20, 1)), rtol=1e-6)
    np.testing.assert_allclose(columns["q2.5"], norm.ppf(0.025, mean, std), rtol=1e-9)
    np.testing.assert_allclose(columns["nll"], -norm.logpdf(truth, mean, std), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_constant_is_the_training_mean_under_every_kind(kind: str, tiny: Path) -> None:
    values = drawn()
    prepare(values, kind)
    baselines(kind, "out.parquet")
    table = pd.read_parquet("out.parquet").query("model == 'constant'")
    for i, name in enumerate(TARGETS_AND_UNITS):
        answers = table.loc[table["target"] == name, "prediction"]
        np.testing.assert_allclose(answers, values["targets"][:50, i].mean(), rtol=1e-6)


def test_a_spread_of_zero_is_refused_by_name(tiny: Path) -> None:
    """Of a class that most images are of, the deviation from the median is mostly none."""
    values = drawn()
    values["targets"][:, 1] = np.arange(ROWS) % 3 == 0
    said = complaint(lambda: prepare(values, "robust"))
    assert said.startswith("normalise.target: robust finds no spread: mass is 0 in more than half of the training rows")
    assert not Path("robust").exists()
    prepare(values, "range")


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_target_is_refused_under_every_kind(kind: str, tiny: Path) -> None:
    values = drawn()
    values["targets"][:50, 0] = 4.0
    with pytest.raises(InputError, match=r"^split\.targets: slope is 4 in every training row"):
        prepare(values, kind)
