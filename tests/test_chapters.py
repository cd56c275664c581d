"""The chapters: every number that the page is told, against a computation of the test's own from what was written."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom, median_abs_deviation

import models
from pipeline.chapters import cost, errors, lenses, making, verdict
from pipeline.chapters.cost import PRICES
from pipeline.chapters.sources import Sources
from pipeline.findings import finding
from pipeline.verdict.cells import Cell
from pipeline.verdict.measures import LEVELS
from tests import reported
from tests.reported import CALIBRATION, CHANNELS, MEMORY, ROWS, SECONDS, SEEDS, TARGETS, TEST, TOOK

TRUTH = reported.labels()[TEST]
RUNS = [f"{name}-cnn-all" for name in CHANNELS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported.made(tmp_path_factory, "chapters")


@pytest.fixture(scope="module")
def known(folder: Path) -> Sources:
    return reported.sources(folder)


def said(folder: Path, run: str, target: str, role: str = "test") -> np.ndarray:
    """What the seeds of a run predict, (s, n), read as anyone would."""
    read = [pd.read_parquet(folder / "predictions" / f"{run}-{seed}.parquet") for seed in SEEDS]
    return np.stack([one[(one["role"] == role) & (one["target"] == target)]["prediction"] for one in read])


def row(details: Mapping[str, Any], name: str, backbone: str, target: str) -> dict[str, Any]:
    rows = verdict.verdict(details, [])["rows"]
    (found,) = [one for one in rows if (one["input"], one["backbone"], one["target"]) == (name, backbone, target)]
    return dict(found)


# ---------------------------------------------------------------------------- the verdict


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CHANNELS)
def test_a_row_is_what_its_predictions_are_worth(folder: Path, known: Sources, name: str, target: str) -> None:
    """Means over seeds; skill is against the constant here, the only shortcut."""
    column = list(TARGETS).index(target)
    off = said(folder, f"{name}-cnn-all", target) - TRUTH[:, column]
    shortcut = pd.read_parquet(folder / "baselines" / "shortcuts.parquet")
    plain = shortcut[(shortcut["role"] == "test") & (shortcut["target"] == target)]["prediction"] - TRUTH[:, column]
    squares = (off**2).mean(axis=1)
    expected = {
        "rmse": np.sqrt(squares).mean(),
        "mae": np.abs(off).mean(),
        "r2": (1 - squares / TRUTH[:, column].var()).mean(),
        "skill": (1 - squares / (plain**2).mean()).mean(),
    }
    found = row(known.details, name, "cnn", target)
    assert {key: found[key]["value"] for key in expected} == pytest.approx(expected, rel=1e-9)
    assert all(found[key]["low"] < found[key]["value"] < found[key]["high"] for key in expected)
    assert found["unit"] == {"mass": "dex", "slope": ""}[target]


@pytest.mark.parametrize("target", TARGETS)
def test_the_contrast_of_a_row_is_its_difference_from_raw(folder: Path, known: Sources, target: str) -> None:
    column = list(TARGETS).index(target)
    rmse = {run: np.sqrt(((said(folder, run, target) - TRUTH[:, column]) ** 2).mean(axis=1)).mean() for run in RUNS}
    contrast = row(known.details, "engineered", "cnn", target)["contrast"]
    assert contrast["difference"]["value"] == pytest.approx(rmse[RUNS[1]] - rmse[RUNS[0]], rel=1e-9)
    assert contrast["against"] == RUNS[0]
    assert row(known.details, "raw", "cnn", target)["contrast"] is None
    others = {one["name"]: one for one in verdict.verdict(known.details, [])["contrasts"]}
    signal = others[f"recipes against their placebos: {RUNS[1]} minus {RUNS[2]}, {target}"]
    assert signal["difference"]["value"] == pytest.approx(rmse[RUNS[1]] - rmse[RUNS[2]], rel=1e-9)


def test_intervals_and_p_values_are_the_corrected_ones(known: Sources) -> None:
    """Of one family each: the interval that a reader sees and the p beside it must say the same."""
    for one in known.details["families"]["features"]["contrasts"]:
        shown = row(known.details, "engineered", "cnn", one["arm"][3])["contrast"]
        assert [shown["difference"]["low"], shown["difference"]["high"]] == one["corrected"]
        assert shown["p"] == one["p_corrected"] != one["p"]
        assert (shown["word"], shown["reason"]) == (one["word"], one["reason"])


def test_what_is_no_network_has_no_interval(folder: Path, known: Sources) -> None:
    table = pd.read_parquet(folder / "baselines" / "shortcuts.parquet")
    lines = table[(table["role"] == "test") & (table["target"] == "slope")]
    found = row(known.details, "none", "constant", "slope")
    assert found["mae"] == {"value": pytest.approx(np.abs(lines["prediction"] - lines["truth"]).mean())}
    assert "contrast" not in found


def test_cautions_and_sentences_are_repeated(known: Sources) -> None:
    said = {"said": ["a run is missing"], "sentences": ["**engineered**: better"]}
    found = verdict.verdict({**known.details, **said}, ["no noise"])
    assert found["cautions"] == ["no noise", "a run is missing"]
    assert found["sentences"] == ["engineered: better"]


def test_the_shortcut_is_the_one_that_is_hardest_to_beat() -> None:
    plain = {"flux": {"m": {"r2": 0.1}, "s": {"r2": 0.4}}, "ring_radius": {"m": {"r2": 0.7}, "s": {"r2": 0.3}}}
    assert [verdict.shortcut({"plain": {"none": plain}}, target) for target in "ms"] == ["ring_radius", "flux"]


def test_several_units_are_not_called_one(known: Sources) -> None:
    assert verdict.common_unit(known.details) == "each target's own unit"
    assert verdict.common_unit({"units": {"mass": " [dex]"}}) == "dex"


def test_parts_of_a_recipe_are_in_the_unit_of_their_own_target(known: Sources) -> None:
    def contrast(target: str) -> dict[str, Any]:
        pair = [[name, "cnn", "all", target] for name in ("whole_without_ridge", "whole")]
        return {
            "arm": pair[0],
            "pair": pair,
            "difference": 0.1,
            "corrected": [0, 1],
            "p_corrected": 0.1,
            "word": "worse",
        }

    def of(*targets: str) -> dict[str, Any]:
        return {"ablations": {"title": "parts", "contrasts": [contrast(target) for target in targets]}}

    found = verdict.ablation({**known.details, "families": of("mass", "slope")})
    assert found["unit"] == "each target's own unit"
    assert [row["name"].rpartition(", ")[2] for row in found["rows"]] == ["mass", "slope"]


def test_efficiency_is_over_sizes_in_order() -> None:
    def cell(name: str, size: str, error: float) -> dict[str, Any]:
        return {"arm": [name, "cnn", size, "m"], "metrics": {"rmse": {"value": error}}}

    cells = [cell("raw", "all", 0.1), cell("raw", "1000", 0.3), cell("raw", "200", 0.5)]
    saved = {"arm": ["raw", "cnn", "all", "m"], "ratio": 2.0, "interval": None, "reason": "why"}
    area = {"arm": ["raw", "cnn", "all", "m"], "value": 0.25, "interval": [0.2, 0.3]}
    details = {"units": {"m": " [dex]"}, "cells": cells, "saved": [saved], "areas": [area]}
    found = verdict.efficiency(details, 5000)
    assert found["arms"][0]["sizes"] == [200, 1000, 5000]
    assert [one["value"] for one in found["arms"][0]["errors"]] == [0.5, 0.3, 0.1]
    assert found["areas"] == [{"name": "raw-cnn, m", "area": {"value": 0.25, "low": 0.2, "high": 0.3}}]
    assert found["saved"][0]["name"] == "raw-cnn, m"
    assert found["saved"][0]["ratio"] == {"value": 2.0, "low": None, "high": None}
    assert verdict.efficiency({**details, "cells": cells[:1]}, 5000) == {}


def test_robustness_tells_what_was_asked_and_nothing_else(known: Sources) -> None:
    one = {"run": "r", "target": "mass", "shift": "seeing", "change": {"value": 0.1}, "coverage": None, "more": 1}
    found = verdict.robustness({**known.details, "robustness": [one]})
    assert found["rows"] == [{key: value for key, value in one.items() if key != "more"}]
    assert verdict.robustness({**known.details, "robustness": []}) == {}


# ---------------------------------------------------------------------------- lenses


def test_the_scatter_is_every_test_lens_in_every_run(folder: Path, known: Sources) -> None:
    found = lenses.scatter(known.cells, known.units, known.lenses)
    assert found["ids"] == [f"lens {row:03d}" for row in TEST]
    assert {name: one["unit"] for name, one in found["targets"].items()} == {"mass": "dex", "slope": ""}
    for column, (target, told) in enumerate(found["targets"].items()):
        np.testing.assert_array_equal(told["truth"], TRUTH[:, column])
        assert list(told["runs"]) == RUNS
        for run, answers in told["runs"].items():
            np.testing.assert_allclose(answers["prediction"], said(folder, run, target).mean(axis=0), rtol=1e-12)


def test_facts_are_of_their_lens_and_unknown_where_they_are(folder: Path, known: Sources) -> None:
    table = pd.read_parquet(folder / "lenses.parquet").set_index("row")
    facts = lenses.scatter(known.cells, known.units, known.lenses)["facts"]
    np.testing.assert_array_equal(facts["S/N"], table.loc[TEST, "signal_to_noise"])
    np.testing.assert_array_equal(facts["ring / PSF"], table.loc[TEST, "ring_over_psf"])
    assert np.flatnonzero(np.isnan(facts["S/N"])).tolist() == [7]


@pytest.mark.parametrize("run", RUNS)
def test_an_interval_without_a_distribution_is_split_conformal(folder: Path, known: Sources, run: str) -> None:
    """Half its width is the ceil((m + 1) 0.68)-th smallest calibration residual of the seeds' mean."""
    truth = reported.labels()[CALIBRATION, 0]
    residuals = np.sort(np.abs(said(folder, run, "mass", "calibration").mean(axis=0) - truth))
    half = residuals[int(np.ceil((len(CALIBRATION) + 1) * 0.68)) - 1]
    told = lenses.scatter(known.cells, known.units, known.lenses)["targets"]["mass"]["runs"][run]
    np.testing.assert_allclose(told["prediction"] - told["low"], half, rtol=1e-9)
    np.testing.assert_allclose(told["high"] - told["prediction"], half, rtol=1e-9)


def test_an_interval_of_a_distribution_is_its_own(known: Sources, generator: np.random.Generator) -> None:
    """Between the seeds' mean quantiles at 16 and 84 %."""
    quantiles = np.sort(generator.normal(size=(len(SEEDS), len(TEST), len(LEVELS))), axis=-1)
    low, high = lenses.interval(replace(known.cells[0], quantiles=quantiles))
    np.testing.assert_allclose(low, quantiles[..., list(LEVELS).index(0.16)].mean(axis=0))
    np.testing.assert_allclose(high, quantiles[..., list(LEVELS).index(0.84)].mean(axis=0))


def cell_of(off: np.ndarray) -> Cell:
    truth = np.linspace(-1, 1, off.shape[1])
    ids = np.array([f"lens {i}" for i in range(off.shape[1])])
    return Cell("raw", "cnn", "all", "m", tuple(range(len(off))), ids, truth, truth + off, off)


def test_best_worst_and_outliers_are_what_they_are_called(generator: np.random.Generator) -> None:
    """By the seeds' mean. With a bias the largest errors are not the outliers: these are far from the median error."""
    off = generator.normal(0.5, 0.05, (3, 400))
    off[:, [10, 20]] = -0.4  # small errors, but far from the others
    found = lenses.chosen(cell_of(off), 60, 0)
    mean = off.mean(axis=0)
    tagged = {tag: {row for row, tags in found.items() if tag in tags} for tag in lenses.SHARES}
    order = np.argsort(np.abs(mean))
    assert tagged["best"] == set(order[:12])
    assert tagged["worst"] == set(order[-18:])
    apart = np.abs(mean - np.median(mean)) / median_abs_deviation(mean, scale="normal")
    assert {10, 20} <= tagged["outlier"] <= set(np.flatnonzero(apart > 3))
    assert len(tagged["random"]) == 18


def test_no_outliers_are_made_up() -> None:
    assert all("outlier" not in tags for tags in lenses.chosen(cell_of(np.linspace(-1, 1, 50)[None]), 20, 0).values())


def test_the_random_draw_knows_nothing_of_the_errors(generator: np.random.Generator) -> None:
    """Whatever the predictions: the seed alone decides it."""

    def drawn(off: np.ndarray, seed: int) -> set[int]:
        return {row for row, tags in lenses.chosen(cell_of(off), 40, seed).items() if "random" in tags}

    first, second = generator.normal(size=(2, 1, 200))
    assert drawn(first, 0) == drawn(second, 0) != drawn(first, 1)


def test_a_picture_is_of_its_lens_and_its_channels(known: Sources) -> None:
    """Every pixel says of which row, input and channel it is; of the placebo only the image that it keeps is shown."""
    told = lenses.lenses(known, lenses.chosen(known.cells[0], 20, 0))
    names = ["raw: pixels", "engineered: intensity", "engineered: ridge", "engineered_shuffled: intensity"]
    assert told["channels"] == ["image", *names]
    sources = [("images", 0), ("raw", 0), ("engineered", 0), ("engineered", 1), ("engineered_shuffled", 0)]
    for one in told["shown"]:
        assert one["image"][:, 5, 5].tolist() == [reported.shade(TEST[one["row"]], *source) for source in sources]
        assert (one["image"][:, 0, -1] - one["image"][:, 5, 5] == 0.25).all()  # the right way up
    assert RUNS[0] in told["note"]


def test_asked_for_more_lenses_than_there_are_all_are_shown_once(known: Sources) -> None:
    told = lenses.lenses(known, lenses.chosen(known.cells[0], 300, 0))
    assert sorted(one["row"] for one in told["shown"]) == list(range(len(TEST)))


# ---------------------------------------------------------------------------- errors


@pytest.mark.parametrize("target", TARGETS)
def test_bins_are_the_error_of_their_lenses(folder: Path, known: Sources, target: str) -> None:
    """Two bins of equal number: below the median of the truth, and above."""
    views = {(view["tab"], view["target"]): view for view in errors.bins(known.bins, known.details)["views"]}
    assert set(views) == {(tab, name) for tab in ("truth", "signal-to-noise", "ring / PSF") for name in TARGETS}
    view, truth = views["truth", target], TRUTH[:, list(TARGETS).index(target)]
    assert view["y"] == {"mass": "RMSE [dex]", "slope": "RMSE"}[target]
    order = np.argsort(truth)
    for run in RUNS:
        off = said(folder, run, target) - truth
        halves = [np.sqrt((off[:, half] ** 2).mean(axis=1)).mean() for half in (order[:22], order[22:])]
        assert view["runs"][run]["value"] == pytest.approx(halves, rel=1e-4)
        assert view["runs"][run]["lenses"] == [22, 22]


def test_lenses_without_a_covariate_are_in_no_bin_of_it(known: Sources) -> None:
    views = {view["tab"]: view for view in errors.bins(known.bins, known.details)["views"]}
    assert sum(views["signal-to-noise"]["runs"][RUNS[0]]["lenses"]) == len(TEST) - 1


def test_a_plateau_stands_where_truths_are_and_in_its_target_alone(known: Sources) -> None:
    cells = [dict(cell) for cell in known.details["cells"]]
    (mine,) = [cell for cell in cells if cell["arm"] == ["engineered", "cnn", "all", "slope"]]
    mine["plateaus"] = [{"low": 1.8, "high": 1.9, "slope": 0.0}]
    views = errors.bins(known.bins, {**known.details, "cells": cells})["views"]
    flat = {(view["tab"], view["target"]): view["plateaus"] for view in views if view["plateaus"]}
    assert flat == {("truth", "slope"): [{"low": 1.8, "high": 1.9, "label": "engineered-cnn-all: plateau"}]}


def test_curves_have_a_line_a_seed(known: Sources) -> None:
    found = errors.curves(known.learning)["runs"]
    assert list(found) == RUNS
    for curve in found.values():
        values = {name: [line["values"] for line in curve["lines"] if line["name"] == name] for name in
                  ("training", "validation")}  # fmt: skip
        np.testing.assert_allclose(values["training"], [[0.5, 0.3], [0.5, 0.29], [0.5, 0.28]])
        np.testing.assert_allclose(values["validation"], [[0.6, 0.4], [0.6, 0.41], [0.6, 0.42]])


def test_coverage_is_how_often_conformal_intervals_hold_the_truth(folder: Path, known: Sources) -> None:
    """Each seed with its own half width."""
    (told,) = [
        one for one in errors.calibration(known.details)["runs"] if (one["run"], one["target"]) == (RUNS[1], "mass")
    ]
    truth = reported.labels()[CALIBRATION, 0]
    residuals = np.sort(np.abs(said(folder, RUNS[1], "mass", "calibration") - truth), axis=1)
    off = np.abs(said(folder, RUNS[1], "mass") - TRUTH[:, 0])
    for point in told["coverage"]:
        half = residuals[:, int(np.ceil(31 * point["nominal"] - 1e-9)) - 1]
        assert point["observed"] == pytest.approx((off <= half[:, None]).mean(), abs=1e-12)
        assert point["low"] <= point["observed"] <= point["high"]
    assert [point["nominal"] for point in told["coverage"]] == [0.5, 0.68, 0.9, 0.95]


def test_a_distribution_is_judged_by_its_own_intervals() -> None:
    point = {"value": 0.7, "low": 0.6, "high": 0.8, "width": 1.0}
    spreads = {"conformal": {"0.5": {**point, "value": 0.1}}, "own": {"0.68": point}, "pit": [30, 50, 20]}
    cells = [
        {"run": "a", "arm": ["a", "b", "c", "m"], "lenses": 25, "spreads": spreads},  # four seeds: 100 answers
        {"run": "too few rows", "arm": ["a", "b", "c", "m"], "spreads": {"conformal": {}}},
    ]
    (told,) = errors.calibration({"cells": cells})["runs"]
    assert told["coverage"] == [{"nominal": 0.68, "observed": 0.7, "low": 0.6, "high": 0.8}]
    assert told["pit"] == [7.5, 12.5, 5.0]
    assert sum(told["pit"]) == 25, "lenses, as the axis says"
    deviation = binom(25, 1 / 3).std()
    assert told["pit_band"] == pytest.approx((25 / 3 - 2 * deviation, 25 / 3 + 2 * deviation))


def test_a_joint_density_is_told_once_however_many_targets_it_is_of() -> None:
    nll = {"value": -1.25, "low": -1.3, "high": -1.2}
    cells = [
        {"run": run, "arm": [run, "cnn", "all", target], "spreads": {"conformal": {}} | more}
        for run, more in (("a", {"nll_joint": nll}), ("b", {}))
        for target in ("mass", "slope")
    ]
    assert errors.calibration({"cells": cells}) == {"runs": [], "joint": [{"run": "a", "nll": nll}]}
    assert errors.calibration({"cells": cells[2:]}) == {}


# ---------------------------------------------------------------------------- cost, audit, card, making


def convolutions(channels: int, frame: int, widths: list[int]) -> int:
    """Operations of stages of two 3 x 3 convolutions, the first of which halves the frame; then one linear map to 2."""
    total = 0
    for width in widths:
        frame = -(-frame // 2)
        total += 2 * 9 * frame**2 * width * (channels + width)
        channels = width
    return total + 2 * channels * 2


def test_the_work_of_an_image_and_the_parameters_are_those_counted_by_hand(folder: Path, known: Sources) -> None:
    for name, channels in CHANNELS.items():
        size = cost.size(folder / "runs" / f"{name}-cnn-all-0" / "weights.pt", (12, 12))
        assert size.flops == convolutions(len(channels), 12, [4, 6])
        count = sum(
            9 * a * b + 2 * b  # no bias, but batch norm's two
            for a, b in ((len(channels), 4), (4, 4), (4, 6), (6, 6))
        )
        assert size.parameters == count + 6 * 2 + 2


@pytest.mark.parametrize("num_vectors", [0, 5])
def test_vectors_are_counted_too(tmp_path: Path, num_vectors: int) -> None:
    saved = {"backbone": "cnn", "options": {"widths": [4]}, "in_channels": 1, "num_targets": 1}
    data = io.BytesIO()
    torch.save(saved | {"num_vectors": num_vectors, "state_dict": {}}, data)
    (tmp_path / "weights.pt").write_bytes(data.getvalue())
    network = models.build("cnn", 1, 1, num_vectors, widths=[4])
    size = cost.size(tmp_path / "weights.pt", (8, 8))
    assert size.parameters == sum(one.numel() for one in network.parameters())
    linear = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    dense = sum(2 * layer.in_features * layer.out_features for layer in linear)
    assert size.flops == convolutions(1, 8, [4]) - 2 * 4 * 2 + dense
    assert (size.bytes, size.vectors) == (8 * 8 * 4 + num_vectors * 4, num_vectors)


def test_seconds_are_the_median_over_seeds_and_the_error_is_the_verdicts(known: Sources) -> None:
    told = cost.cost(known)
    assert [(one["run"], one["target"]) for one in told["rows"]] == [(cell.name, cell.target) for cell in known.cells]
    for one in told["rows"]:
        assert one["seconds"] == sorted(SECONDS.values())[1] != np.mean(list(SECONDS.values()))
        assert one["memory"] == sorted(MEMORY.values())[1] != np.mean(list(MEMORY.values()))
        assert one["images_per_second"] == 100 / one["seconds"]
        assert one["device"] == "cpu, 2 threads"
        assert one["error"] == row(known.details, one["run"].split("-")[0], "cnn", one["target"])["rmse"]


def test_bytes_are_those_of_the_stores(known: Sources, folder: Path) -> None:
    """What a network reads is a row of its maps; what is stored, the files with the arrays, shared out to the rows."""
    for one in cost.cost(known)["rows"]:
        name = one["run"].split("-")[0]
        (maps,) = [array for array in known.inputs[name].arrays if array.name == "maps"]
        assert one["bytes"] == maps.row_bytes == len(CHANNELS[name]) * 12 * 12 * 4
        files = [path for path in (folder / "engineered" / f"{name}.zarr").rglob("*") if path.is_file()]
        held = sum(path.stat().st_size for path in files if path.name != "zarr.json")
        assert one["stored"] == pytest.approx(held / ROWS, rel=1e-12)


def test_a_gpu_is_named_and_seeds_that_were_trained_elsewhere_are_told_apart(folder: Path, tmp_path: Path) -> None:
    for seed, device in ((0, "cuda"), (1, "cpu"), (2, "cuda")):
        (tmp_path / f"raw-cnn-all-{seed}").mkdir()
        said = json.dumps({"hardware": {"accelerator": device}})
        (tmp_path / f"raw-cnn-all-{seed}" / "fingerprint.json").write_text(said)
    assert cost.trained(folder / "clock", tmp_path, "raw-cnn-all", [0, 2])["device"] == "cuda"
    assert cost.trained(folder / "clock", tmp_path, "raw-cnn-all", [0, 1])["device"] == "cpu, 2 threads; cuda"


def test_features_cost_what_is_shown_to_the_network(known: Sources) -> None:
    """These networks see no vectors; what those take is told all the same."""
    told = cost.cost(known)
    for one in told["rows"]:
        assert one["features"] == pytest.approx(sum(TOOK[label] for label in CHANNELS[one["run"].split("-")[0]]))
    listed = [(one["input"], one["kind"], one["feature"], one["work"]) for one in told["features"]]
    expected = [(name, "map", label, TOOK[label]) for name, labels in CHANNELS.items() for label in labels]
    expected += [(name, "vector", "radial_profile", TOOK["radial_profile"]) for name in CHANNELS if name != "raw"]
    assert sorted(listed) == sorted(expected)


def test_a_network_with_vectors_pays_for_them(known: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "size", lambda *_: cost.Size(1, 1, 1, vectors=3))
    found = {one["run"]: one["features"] for one in cost.cost(known)["rows"]}
    assert found["engineered-cnn-all"] == pytest.approx(
        sum(TOOK[label] for label in (*CHANNELS["engineered"], "radial_profile"))
    )
    assert found["raw-cnn-all"] == TOOK["pixels"]


def test_the_front_is_whom_nobody_beats() -> None:
    """By the definition, pair by pair; on a coarse grid, where many are equal in cost, in error or in both."""
    generator = np.random.default_rng(0)
    for _ in range(300):
        costs, errors = generator.integers(1, 6, (2, generator.integers(1, 12))).astype(float)
        as_good = (costs[:, None] <= costs) & (errors[:, None] <= errors)  # the first of a pair, as the second
        beaten = (as_good & ~as_good.T).any(axis=0)
        np.testing.assert_array_equal(cost.efficient(costs, errors), ~beaten)


def test_an_unknown_error_is_on_no_front_and_beats_nobody() -> None:
    found = cost.efficient(np.array([1.0, 1.0, 2.0]), np.array([np.nan, 3.0, 2.0]))
    assert found.tolist() == [False, True, True]


def test_every_target_has_fronts_of_its_own(known: Sources) -> None:
    """In time and memory all are alike here; raw is the cheapest to compute, and engineered has the least error."""
    rows = cost.cost(known)["rows"]
    assert {one["target"] for one in rows} == set(TARGETS)
    named = {"raw": {"parameters", "flops", "bytes", "features"}, "engineered": set(PRICES)}
    for one in rows:
        assert set(one["front"]) == named.get(one["run"].split("-")[0], set()), one["run"]


def test_marks_stand_at_their_cost_or_beside_what_would_hide_them() -> None:
    costs, errors = np.array([100.0, 1.0, 1.0, 1.0, 1e4]), np.array([1.0, 3.0, 1.0, 2.0, 1.0])
    places = cost.beside(costs, errors)
    assert places[[0, 2, 4]] == pytest.approx(costs[[0, 2, 4]])
    gap = cost.STEP * np.log(1e4)
    assert np.log(places[[3, 1]]) == pytest.approx([gap, 2 * gap])
    assert np.diff(np.log(np.sort(cost.beside(np.ones(3), errors[1:4])))).min() > 0  # an axis of one value


def test_findings_say_whether_they_were_accepted() -> None:
    found = [finding("noise_free", "no noise"), finding("reuse", "one source twice")]
    told = making.audit(found, ["reuse"])["findings"]
    assert [(one["code"], one["severity"], one["accepted"]) for one in told] == [
        ("noise_free", "warning", False),
        ("reuse", "error", True),
    ]


def test_the_card_says_what_is_given_and_nothing_empty(known: Sources) -> None:
    entries = making.card(known.images.attributes, known.split)["entries"]
    assert entries["source"] == {"source": "simulation", "simulation": {"seed": 0}}  # a zero is given
    assert entries["images"]["pixel scale [arcsec]"] == 0.1
    assert (entries["images"]["rows"], entries["images"]["left out"]) == (ROWS, 3)
    assert entries["split"]["rows"] == {"train": 100, "test": len(TEST)}


def test_the_manifest_says_what_every_arm_was_given(folder: Path, known: Sources) -> None:
    told = making.making("a: 1\n", known)
    assert told["params"] == "a: 1\n"
    assert told["versions"] == {"python": "3.11.7", "torch": "2"}
    shard = json.loads((folder / "images.zarr" / "zarr.json").read_text())["attributes"]["shards"]
    pixels = [one["sha256"] for name, one in shard.items() if name.startswith("images")]
    assert list(told["hashes"].values()) == ["abc" * 5 + "a", *(one[:16] for one in pixels)]
    assert [arm["arm"] for arm in told["fairness"]] == RUNS
    assert all(arm["steps"] == 6 and "2 epochs of batches of 16" in arm["budget"] for arm in told["fairness"])
    assert not any(arm["other"] for arm in told["fairness"])


def test_an_arm_that_was_given_something_else_is_marked(known: Sources) -> None:
    manifest = [dict(arm) for arm in known.details["manifest"]]
    manifest[1]["differs"] = "epochs"
    fairness = making.making("", replace(known, details={**known.details, "manifest": manifest}))["fairness"]
    assert [arm["other"] for arm in fairness] == [False, True, False]
    assert fairness[1]["budget"].endswith("differs in epochs")
