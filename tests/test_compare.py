"""Compare: metrics that scikit-learn agrees with, and intervals that hold what they promise."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from pipeline import compare, tables
from pipeline.compare import Cell
from pipeline.errors import InputError
from pipeline.findings import finding, plain
from pipeline.params import Compare

KEYS = [
    (name, backbone, size, target)
    for name in ("raw", "engineered", "placebo")
    for backbone in ("cnn", "resnet")
    for size in ("all", "100")
    for target in ("mass", "slope")
]
FIGURES = {f"{metric}{end}": 1.0 for metric in ("mae", "rmse", "r2") for end in ("", "_std", "_low", "_high")}


@pytest.fixture
def chosen(section: Callable[..., Any]) -> Compare:
    return section("compare")


def cell(errors: np.ndarray, name: str = "engineered") -> Cell:
    """Predictions that are wrong by `errors` (seeds, images)."""
    images = errors.shape[1]
    truth = np.random.default_rng(1).normal(size=images)
    return Cell(name, "cnn", "all", "mass", np.array([f"lens {i}" for i in range(images)]), truth, truth + errors)


def keyed(key: tuple[str, ...]) -> Cell:
    return Cell(*key, np.array(["a"]), np.zeros(1), np.zeros((1, 1)))


# metrics


@pytest.mark.parametrize("images", [2, 3, 17, 1000])
@pytest.mark.parametrize("centre", [0.0, -23.7])
def test_scores_are_scikit_learn_s(images: int, centre: float, generator: np.random.Generator) -> None:
    truth = centre + generator.normal(size=images)
    prediction = truth + generator.normal(size=images)
    found = compare.scores(truth, prediction)
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, prediction), rel=1e-12)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(truth, prediction), rel=1e-12)
    assert found["r2"] == pytest.approx(r2_score(truth, prediction), rel=1e-12)


def test_a_summary_is_mean_and_sample_deviation_over_seeds(generator: np.random.Generator) -> None:
    one = cell(generator.normal(size=(4, 50)) * np.array([[1.0], [2.0], [3.0], [4.0]]))
    found = compare.summary(one)
    by_seed = {
        "mae": [mean_absolute_error(one.truth, p) for p in one.prediction],
        "rmse": [root_mean_squared_error(one.truth, p) for p in one.prediction],
        "r2": [r2_score(one.truth, p) for p in one.prediction],
    }
    for name, values in by_seed.items():
        assert found[name] == pytest.approx(np.sum(values) / 4, rel=1e-12)
        spread = np.sqrt(np.sum((values - np.mean(values)) ** 2) / 3)
        assert found[f"{name}_std"] == pytest.approx(spread, rel=1e-12)


def test_one_seed_has_no_spread(generator: np.random.Generator) -> None:
    assert set(compare.summary(cell(generator.normal(size=(1, 9))))) == {"mae", "rmse", "r2"}


# the paired difference


def test_equal_cells_do_not_differ(chosen: Compare, generator: np.random.Generator) -> None:
    errors = generator.normal(size=(3, 40))
    assert set(compare.difference(cell(errors), cell(errors, "raw"), chosen).values()) == {0.0}


def test_a_difference_is_the_difference_of_the_table(chosen: Compare, generator: np.random.Generator) -> None:
    first, second = cell(generator.normal(size=(5, 40))), cell(2 * generator.normal(size=(5, 40)), "raw")
    found = compare.difference(first, second, chosen)
    for name in ("mae", "rmse"):
        expected = compare.summary(first)[name] - compare.summary(second)[name]
        assert found[name] == pytest.approx(expected, rel=1e-12)
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"] < 0


def test_swapping_the_arguments_mirrors_the_difference(chosen: Compare, generator: np.random.Generator) -> None:
    first, second = cell(generator.normal(size=(5, 40))), cell(generator.normal(size=(5, 40)), "raw")
    there, back = compare.difference(first, second, chosen), compare.difference(second, first, chosen)
    for name in ("mae", "rmse"):
        assert there[name] == -back[name]
        assert there[f"{name}_low"] == pytest.approx(-back[f"{name}_high"], rel=1e-9)
        assert there[f"{name}_high"] == pytest.approx(-back[f"{name}_low"], rel=1e-9)


def test_the_seed_decides_the_interval(chosen: Compare, generator: np.random.Generator) -> None:
    pair = cell(generator.normal(size=(5, 40))), cell(generator.normal(size=(5, 40)), "raw")
    found = [compare.difference(*pair, chosen.model_copy(update={"seed": seed})) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0]["mae"] == found[2]["mae"]
    assert found[0]["mae_low"] != found[2]["mae_low"]


def test_more_confidence_is_a_wider_interval(chosen: Compare, generator: np.random.Generator) -> None:
    pair = cell(generator.normal(size=(5, 40))), cell(generator.normal(size=(5, 40)), "raw")
    half, most = (compare.difference(*pair, chosen.model_copy(update={"confidence": c})) for c in (0.5, 0.99))
    for name in ("mae", "rmse"):
        assert most[f"{name}_low"] < half[f"{name}_low"] < half[f"{name}_high"] < most[f"{name}_high"]


def test_an_interval_covers_the_truth_as_often_as_it_says(chosen: Compare, generator: np.random.Generator) -> None:
    """Two hundred experiments of twenty seeds and 200 images, each with an effect of its own on the difference.

    Either effect alone would give an interval too narrow by sqrt(2), which covers in 83 %; resampling the two inputs
    apart would add the spread of the images' difficulty, ten times as large, and always cover.
    """
    covered = 0
    for _ in range(200):
        difficulty = 20 + generator.normal(size=200)
        seed_effect = generator.normal(size=(20, 1)) * 0.1 * np.sqrt(20 / 200)
        image_effect = generator.normal(size=200) * 0.1
        noise = generator.normal(size=(2, 20, 200)) * 0.02
        control = cell(difficulty + noise[0], "raw")
        found = compare.difference(cell(difficulty - 0.5 + seed_effect + image_effect + noise[1]), control, chosen)
        covered += found["mae_low"] <= -0.5 <= found["mae_high"]
    assert 0.88 <= covered / 200 <= 0.99


def test_inputs_that_answer_for_other_lenses_are_not_paired() -> None:
    """Reordered lenses: every number is there, and each difference would be of two different images."""
    raw = cell(np.ones((2, 5)), "raw")
    other = replace(raw, input="engineered", id=raw.id[::-1], truth=raw.truth[::-1])
    with pytest.raises(InputError, match=r"^engineered-cnn-all: its test lenses are not those of raw-cnn-all"):
        compare.contrasts([raw, other])


def test_contrasts_pair_like_with_like() -> None:
    cells = [keyed(key) for key in KEYS]
    pairs = compare.contrasts(cells[::-1])
    assert len(pairs) == 16
    for one, control in pairs:
        assert one.input != "raw"
        assert control.input == "raw"
        assert replace(one, input="raw", id=control.id, truth=control.truth, prediction=control.prediction) == control


def test_without_raw_there_is_nothing_to_contrast() -> None:
    assert compare.contrasts([keyed(key) for key in KEYS if key[0] != "raw"]) == []


# the error by bin


@pytest.mark.parametrize(("images", "bins"), [(100, 5), (103, 5), (7, 7), (3, 5), (20, 1)])
def test_bins_share_out_the_lenses_and_average_to_the_mae(
    images: int, bins: int, generator: np.random.Generator
) -> None:
    one = cell(generator.normal(size=(3, images)))
    found = compare.error_by_bin(one, bins)
    assert found["lenses"].sum() == images
    assert len(found) == min(bins, images)
    assert found["lenses"].max() - found["lenses"].min() <= 1
    assert np.average(found["mae"], weights=found["lenses"]) == pytest.approx(compare.summary(one)["mae"], rel=1e-12)
    assert np.average(found["truth"], weights=found["lenses"]) == pytest.approx(one.truth.mean(), rel=1e-9)
    assert found["truth"].is_monotonic_increasing


def test_an_error_by_bin_is_that_of_its_lenses(generator: np.random.Generator) -> None:
    """The planted error grows with the truth: pandas' own quantile bins find the same."""
    truth = generator.permutation(np.arange(60.0))
    one = Cell("raw", "cnn", "all", "mass", truth, truth, truth + np.array([[1.0], [3.0]]) * truth)
    found = compare.error_by_bin(one, 4)
    expected = pd.Series(truth).groupby(pd.qcut(truth, 4), observed=True).mean().to_numpy()
    np.testing.assert_allclose(found["truth"], expected)
    np.testing.assert_allclose(found["mae"], 2 * expected)
    np.testing.assert_allclose(found["mae_std"], np.sqrt(2) * expected)
    assert set(found["run"]) == {"raw-cnn-all"}


@pytest.mark.parametrize("values", [[5.0], [1.0, 2.0], [1.0, 1.0, 1.0, 9.0]])
def test_repeated_truths_share_a_bin(values: list[float], generator: np.random.Generator) -> None:
    truth = np.tile(values, 10)
    one = replace(cell(generator.normal(size=(2, len(truth)))), truth=truth)
    found = compare.error_by_bin(one, 5)
    assert found["lenses"].sum() == len(truth)
    assert np.average(found["mae"], weights=found["lenses"]) == pytest.approx(np.abs(one.errors).mean())


# what is written


@pytest.mark.parametrize("target", ["mass", "slope"])
def test_leaves_undo_nested(target: str) -> None:
    flat = {key: {"mae": float(i)} for i, key in enumerate(KEYS)}
    found = dict(compare.leaves(compare.nested(flat), target))
    assert found == {key: value for key, value in flat.items() if key[3] == target}
    assert list(found) == [key for key in KEYS if key[3] == target]


UNITS = {"mass": " [dex]", "slope": ""}


@pytest.fixture
def found() -> dict[str, Any]:
    return {
        "constant": {target: FIGURES for target in ("mass", "slope")},
        "tree": {"engineered": {target: FIGURES for target in ("mass", "slope")}},
        "network": compare.nested({key: FIGURES for key in KEYS}),
        "ensemble": compare.nested({key: FIGURES for key in KEYS}),
        "difference": compare.nested({key: FIGURES for key in KEYS if key[0] != "raw"}),
    }


def test_the_verdict_has_a_line_for_every_predictor_and_every_contrast(found: dict[str, Any]) -> None:
    sections = compare.markdown(found, UNITS, 450, 6, 0.95).split("**slope**")
    assert len(sections) == 2
    for text in sections:
        lines = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if "1.0000" in line]
        predictors, ensembles, contrasts = lines[:14], lines[14:26], lines[26:]
        assert [line[:2] for line in predictors[:2]] == [["none", "constant"], ["engineered", "tree on vectors"]]
        labels = [
            [name, backbone + end]
            for name in ("raw", "engineered", "placebo")
            for backbone in ("cnn", "resnet")
            for end in ("", ", 100 images")
        ]
        assert [line[:2] for line in predictors[2:]] == labels
        assert [line[:2] for line in ensembles] == [[a, f"{b}: the 6 seeds' mean prediction"] for a, b in labels]
        assert [line[:2] for line in contrasts] == labels[4:]
        assert all(line[2] == "+1.0000 [+1.0000, +1.0000]" for line in contrasts)


def test_the_verdict_warns_of_few_seeds(found: dict[str, Any]) -> None:
    caution = "From fewer than 6 seeds no input is called better or worse"
    assert caution in compare.markdown(found, UNITS, 450, 5, 0.95)
    assert caution not in compare.markdown(found, UNITS, 450, 6, 0.95)


def test_the_verdict_says_when_there_is_nothing_to_compare(found: dict[str, Any]) -> None:
    assert "Nothing to compare: " in compare.markdown(found | {"difference": {}}, UNITS, 450, 6, 0.95)


# the stage


OVERRIDES = ["train.seeds=[0, 1]", "compare.bins=3"]


def table(prediction: np.ndarray, truth: np.ndarray, **columns: Any) -> pd.DataFrame:
    """Test lines, and calibration lines that must not count."""
    ids = [f"lens {i}" for i in range(len(truth))]
    lines = pd.DataFrame(
        {"id": ids, "target": "mass", "unit": "dex(eV)", "truth": truth, "prediction": prediction, "spread": 1.0}
    )
    return pd.concat([lines.assign(role="test"), lines.assign(role="calibration", prediction=99.0)]).assign(**columns)


@pytest.fixture
def predictions(tiny: Path, generator: np.random.Generator) -> Path:
    """Two inputs, two seeds, thirty test lenses; `engineered` is wrong by half as much as `raw`."""
    truth = generator.normal(size=30)
    for name, size in (("raw", 1.0), ("engineered", 0.5)):
        for seed in (0, 1):
            errors = size * generator.normal(size=30)
            tables.write(table(truth + errors, truth), f"predictions/{name}-cnn-all-{seed}.parquet")
        baselines = [table(np.zeros(30), truth, model="constant")]
        if name == "engineered":
            baselines.append(table(truth + 0.25, truth, model="tree"))
        tables.write(pd.concat(baselines), f"baselines/{name}.parquet")
    grave, light = finding("noise_free", "no noise in 30 of 30 images"), finding("dtype", "float64")
    (tiny / "audit.json").write_text(json.dumps({"findings": plain([grave, light])}))
    return tiny / "predictions"


def run() -> dict[str, Any]:
    places = ("predictions", "baselines", "audit.json", "out/metrics.json", "out/verdict.md", "out/by_bin.csv")
    compare.compare(*places, OVERRIDES)
    return json.loads(Path("out/metrics.json").read_text())


def test_the_stage_scores_the_test_lenses_of_every_run(predictions: Path) -> None:
    found = run()
    maes = {}
    for name in ("raw", "engineered"):
        runs = [pd.read_parquet(predictions / f"{name}-cnn-all-{seed}.parquet") for seed in (0, 1)]
        tests = [lines[lines["role"] == "test"] for lines in runs]
        maes[name] = np.mean([mean_absolute_error(lines["truth"], lines["prediction"]) for lines in tests])
        assert found["network"][name]["cnn"]["all"]["mass"]["mae"] == pytest.approx(maes[name])
        mean = np.mean([lines["prediction"] for lines in tests], axis=0)
        together = found["ensemble"][name]["cnn"]["all"]["mass"]["mae"]
        assert together == pytest.approx(mean_absolute_error(tests[0]["truth"], mean))
        assert together < maes[name]
    difference = found["difference"]["engineered"]["cnn"]["all"]["mass"]
    assert difference["mae"] == pytest.approx(maes["engineered"] - maes["raw"])
    assert difference["mae_high"] < 0
    assert "raw" not in found["difference"]
    r2 = 1 - 0.25**2 / tests[0]["truth"].var(ddof=0)
    assert found["tree"] == {"engineered": {"mass": pytest.approx({"mae": 0.25, "rmse": 0.25, "r2": r2})}}
    assert found["constant"]["mass"]["mae"] == pytest.approx(tests[0]["truth"].abs().mean())
    verdict = Path("out/verdict.md").read_text()
    assert verdict.count("| cnn |") == 3
    assert "| MAE [dex] |" in verdict
    assert verdict.startswith(
        "Of these images the audit says:\n\n- `noise_free`: no noise in 30 of 30 images\n\n**mass**"
    )
    assert "float64" not in verdict, "a note is not worth the reader's time here"
    bins = pd.read_csv("out/by_bin.csv")
    assert bins.groupby("run")["lenses"].sum().to_dict() == {"raw-cnn-all": 30, "engineered-cnn-all": 30}
    assert len(bins) == 6


def test_a_seed_that_answers_for_other_lenses_is_refused_by_name(predictions: Path) -> None:
    path = predictions / "engineered-cnn-all-1.parquet"
    tables.write(pd.read_parquet(path).iloc[::-1], path)
    with pytest.raises(InputError, match=r"^predictions/engineered-cnn-all-1\.parquet: other test lenses than seed 0$"):
        run()


@pytest.mark.parametrize("name", ["predictions/raw-cnn-all-1.parquet", "baselines/engineered.parquet"])
def test_a_missing_table_is_refused_by_name(predictions: Path, name: str) -> None:
    Path(name).unlink()
    with pytest.raises(InputError, match=f"^{name}: these predictions are missing"):
        run()
