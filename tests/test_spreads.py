"""The predictions of networks that say more than a number, from a prepared store to a table in physical units."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

import models
from models.training.predict import answers
from pipeline import store, tables
from pipeline.answering import load
from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.predict import predict
from pipeline.split import split
from pipeline.store import Array, Store
from pipeline.train import train
from pipeline.verdict.cells import read

MEAN, STD = np.array([-23.5, 40.0]), np.array([0.25, 8.0])
ROLES = {"fit.zarr": {"train": [0, 4], "validation": [4, 9], "calibration": [9, 20]}, "test.zarr": {"test": [0, 30]}}
QUANTILES = [f"q{level:g}" for level in tables.LEVELS]
COMMON = ["role", "id", "target", "unit", "truth", "prediction", "spread"]
SAID = {
    "point": [],
    "quantiles": QUANTILES,
    "gaussian": [*QUANTILES, "nll", "tarp"],
    "flow": [*QUANTILES, "nll_joint", "tarp"],
}


def prepare(folder: Path, maps: np.ndarray, targets: np.ndarray, roles: dict[str, Any] = ROLES) -> None:
    """A prepared input of these images (n, 1, s, s), the fit rows before the test rows; all else is made up."""
    names, num_targets = ["mass", "slope"][: targets.shape[1]], targets.shape[1]
    arrays = [Array("maps", "float32", maps.shape[1:], ("c", "h", "w"))]
    arrays += [Array("target", "float32", (num_targets,), ("t",)), Array("id", "str"), Array("row", "int64")]
    begin = 0
    for name, own in roles.items():
        count = max(stop for _, stop in own.values())
        rows = np.arange(begin, begin + count)
        made = {"maps": maps[rows], "target": targets[rows], "id": np.array([f"lens {i}" for i in rows]), "row": rows}
        manifest = {
            "roles": own,
            "targets": names,
            "target_units": dict(zip(names, ("dex(eV)", ""), strict=False)),
            "statistics": {"target": {"mean": MEAN[:num_targets].tolist(), "std": STD[:num_targets].tolist()}},
            "channels": ["pixels"],
        }
        store.write(
            folder / name, count, arrays, lambda a, b, made=made: {k: v[a:b] for k, v in made.items()}, **manifest
        )
        begin += count


def write_run(folder: Path, kind: str, num_targets: int = 2) -> None:
    """A run whose network is as it began."""
    torch.manual_seed(0)
    options = {"widths": [4, 8], "head": {"kind": kind, **({"draws": 16} if kind == "flow" else {})}}
    model = models.build("cnn", 1, num_targets, **options)
    sizes = {"in_channels": 1, "num_targets": num_targets, "num_vectors": 0}
    folder.mkdir()
    saved = {"backbone": "cnn", "options": options, "state_dict": model.state_dict(), **sizes}
    torch.save(saved, folder / "weights.pt")


@pytest.fixture
def toy(tiny: Path) -> Path:
    """The working folder, with an input `toy` of fifty images of noise and two targets."""
    generator = np.random.default_rng(0)
    maps, targets = generator.normal(size=(50, 1, 12, 12)), generator.normal(size=(50, 2))
    prepare(tiny / "toy", maps.astype(np.float32), targets.astype(np.float32))
    return tiny


def predicted(kind: str, *overrides: str) -> pd.DataFrame:
    if not Path(kind).exists():
        write_run(Path(kind), kind)
    predict(kind, "toy", f"{kind}.parquet", overrides)
    return tables.read(f"{kind}.parquet")


@pytest.mark.parametrize("kind", SAID)
def test_a_table_has_what_its_head_can_say_and_no_hole(toy: Path, kind: str) -> None:
    table = predicted(kind)
    assert list(table.columns) == COMMON + SAID[kind]
    assert len(table) == 2 * 46
    assert tables.gaps(table) == {}
    for name in {"nll_joint", "tarp"} & set(table):
        assert (table.groupby(["role", "id"])[name].nunique() == 1).all()
        assert table[name].nunique() > 5
    if kind == "point":
        assert (table.groupby("target")["spread"].nunique() == 1).all()
    else:
        steps = table[QUANTILES].diff(axis=1).iloc[:, 1:].to_numpy()
        assert (steps >= -1e-6 * STD.max()).all()  # rounding
        assert (table["q16"] < table["q84"]).all()


def test_a_gaussian_is_scipy_s_in_physical_units(toy: Path) -> None:
    table = predicted("gaussian")
    model, opened = load(toy / "gaussian" / "weights.pt"), Store("toy/test.zarr")
    outputs = answers(model, torch.from_numpy(opened.read("maps"))).double().numpy()
    for i, target in enumerate(("mass", "slope")):
        lines = table[(table["target"] == target) & (table["role"] == "test")]
        mean, std = MEAN[i] + STD[i] * outputs[:, i, 0], STD[i] * outputs[:, i, 1]
        np.testing.assert_allclose(lines["truth"], MEAN[i] + STD[i] * opened.read("target")[:, i], rtol=1e-12)
        np.testing.assert_allclose(lines["prediction"], mean, rtol=1e-12)
        np.testing.assert_allclose(lines["spread"], std, rtol=1e-5)
        expected = norm.ppf(np.array(tables.LEVELS) / 100, mean[:, None], std[:, None])
        np.testing.assert_allclose(lines[QUANTILES], expected, rtol=0, atol=2e-6 * STD[i])
        np.testing.assert_allclose(lines["nll"], -norm.logpdf(lines["truth"], mean, std), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "flow"])
def test_the_density_of_a_target_adds_up_to_one_over_physical_truths(tiny: Path, kind: str) -> None:
    """Of one image, whose truths are all there could be: 4001 of them, eighteen standard deviations wide."""
    image = np.random.default_rng(1).normal(size=(1, 1, 12, 12))
    targets = np.concatenate([np.zeros(20), np.linspace(-9, 9, 4001)])[:, None].astype(np.float32)
    roles = {"fit.zarr": ROLES["fit.zarr"], "test.zarr": {"test": [0, 4001]}}
    prepare(tiny / "toy", np.repeat(image, 4021, axis=0).astype(np.float32), targets, roles)
    write_run(tiny / kind, kind, num_targets=1)
    lines = predicted(kind).query("role == 'test'")
    assert not {"nll_joint", "tarp"} & set(lines)
    assert lines["prediction"].to_numpy() == pytest.approx(lines["prediction"].iloc[0], rel=1e-6)
    assert np.trapezoid(np.exp(-lines["nll"]), lines["truth"]) == pytest.approx(1, abs=2e-3)


def test_the_joint_density_is_per_unit_of_both_targets(toy: Path) -> None:
    table = predicted("flow").query("role == 'test' and target == 'mass'")
    model, opened = load(toy / "flow" / "weights.pt"), Store("toy/test.zarr")
    with torch.no_grad():
        outputs = answers(model, torch.from_numpy(opened.read("maps")))
        density = model.head.log_prob(outputs, torch.from_numpy(opened.read("target"))).numpy()
    np.testing.assert_allclose(table["nll_joint"], -density + np.log(STD[0] * STD[1]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "quantiles"])
def test_with_all_orientations_a_table_does_not_know_which_way_up_the_images_lie(toy: Path, kind: str) -> None:
    one, upright = predicted(kind), predicted(kind, "predict.symmetric=true")
    fit, test = (Store(f"toy/{name}") for name in ROLES)
    maps = np.concatenate([fit.read("maps"), test.read("maps")])
    targets = np.concatenate([fit.read("target"), test.read("target")])
    prepare(toy / "toy", np.rot90(maps, 1, axes=(2, 3)).copy(), targets)
    turned = predicted(kind, "predict.symmetric=true")
    assert list(turned.columns) == list(one.columns)
    for name in SAID[kind]:
        loose = {"rtol": 0, "atol": 0.1} if name == "tarp" else {"rtol": 0, "atol": 1e-5 * STD.max()}
        np.testing.assert_allclose(turned[name], upright[name], **loose)
    assert not np.allclose(one["q16"], upright["q16"], rtol=0, atol=1e-4)


def test_the_same_rows_are_told_the_same(toy: Path) -> None:
    """Chance included: the second time, and with half of the test rows gone."""
    whole = predicted("gaussian")
    assert predicted("gaussian").equals(whole)
    fit, test = (Store(f"toy/{name}") for name in ROLES)
    maps = np.concatenate([fit.read("maps"), test.read("maps")])
    targets = np.concatenate([fit.read("target"), test.read("target")])
    prepare(toy / "toy", maps, targets, {**ROLES, "test.zarr": {"test": [0, 15]}})
    half = predicted("gaussian").query("role == 'test'")
    same = whole[whole["id"].isin(half["id"])]
    assert len(same) == 30
    assert same["tarp"].tolist() == half["tarp"].tolist()
    np.testing.assert_allclose(half["nll"], same["nll"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["point", "gaussian"])
def test_a_network_that_answers_nothing_is_named_when_it_is_written_and_whenever_it_is_read(
    toy: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(toy / kind, kind)
    saved = torch.load(io.BytesIO((toy / kind / "weights.pt").read_bytes()), weights_only=True)
    for weights in saved["state_dict"].values():
        if weights.is_floating_point():
            weights.fill_(torch.nan)
    torch.save(saved, toy / kind / "weights.pt")
    table = predicted(kind)
    said = capsys.readouterr().out
    assert f"predict: {kind}: prediction is not finite in 92 of 92 lines" in said
    assert f"{kind}.parquet: not finite, of 92 lines: 92 prediction, 92 spread" in said
    assert set(tables.gaps(table)) == {"prediction", "spread", *SAID[kind]}


# end to end


def test_a_network_with_a_spread_of_its_own_goes_from_images_to_a_verdict_s_cells(tiny: Path) -> None:
    ingest("images.zarr", "quarantine.csv")
    describe("images.zarr", "lenses.parquet")
    audit("images.zarr", "lenses.parquet", "audit.json", "audit")
    split("images.zarr", "audit.json", "audit/pairs.csv", "split.json")
    engineer("raw", "images.zarr", "raw.zarr")
    normalise("images.zarr", "raw.zarr", "split.json", "prepared")
    options = "backbones.cnn={widths: [4, 8], head: {kind: gaussian}}"
    find_lr("cnn", "prepared/fit.zarr", "rate", [options])
    train("cnn", "all", "0", "prepared/fit.zarr", "rate/rate.json", "run", "clock.json", [options])
    predict("run", "prepared", "predictions/raw-cnn-all-0.parquet")
    table = tables.read("predictions/raw-cnn-all-0.parquet")
    assert list(table.columns) == [*COMMON, *QUANTILES, "nll"]
    assert set(table["role"]) == {"validation", "calibration", "test"}
    assert tables.gaps(table) == {}
    assert table["spread"].nunique() == len(table)
    assert (table[["q2.5", "q16", "q50", "q84", "q97.5"]].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    (cell,), said = read(tiny / "predictions", [("raw", "cnn", "all")], [0])
    assert said == []
    assert cell.quantiles.shape == (1, len(cell.truth), len(tables.LEVELS))
    assert len(cell.truth) == (table["role"] == "test").sum()
