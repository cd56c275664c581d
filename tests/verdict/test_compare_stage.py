"""Compare: from the files of a pipeline to the verdict, whole and with every part missing."""

import json
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from pipeline import compare, tables
from pipeline.command import run as command
from pipeline.errors import InputError
from pipeline.findings import finding, plain
from tests.verdict.fabricated import PLACES, SHORTCUTS, WRITTEN, fabricate, fingerprint

SIX = (0, 1, 2, 3, 4, 5)
NO_WORD = {"undecided", "equivalent"}


def run(seeds: Sequence[int], *overrides: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Metrics, details and Markdown of the verdict on what is in the working folder."""
    compare.compare(*PLACES, *WRITTEN, [f"train.seeds={list(seeds)}", *overrides])
    metrics, text, _, details = (Path(name).read_text() for name in WRITTEN)
    return strict(metrics), strict(details), text


def strict(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def answers(name: str, seeds: Sequence[int]) -> list[pd.DataFrame]:
    """The test lines of each of a cell's runs."""
    runs = [pd.read_parquet(f"predictions/{name}-{seed}.parquet") for seed in seeds]
    return [table[table["role"] == "test"] for table in runs]


def rows(text: str) -> list[list[str]]:
    """The cells of every line of a table."""
    return [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]


def change(name: str, **columns: Any) -> None:
    """Write columns of a prediction table anew; a function is given the table."""
    path = Path(f"predictions/{name}.parquet")
    tables.write(pd.read_parquet(path).assign(**columns), path)


def lose(name: str, lenses: Sequence[str], value: float = np.nan) -> None:
    change(name, prediction=lambda table: table["prediction"].mask(table["id"].isin(lenses), value))


# whole


def test_the_metrics_are_scikit_learns(tiny: Path) -> None:
    fabricate(tiny, SIX)
    metrics, _, _ = run(SIX)
    found: dict[str, float] = {}
    oracles = {"mae": mean_absolute_error, "rmse": root_mean_squared_error, "r2": r2_score}
    for name, (metric, oracle) in product(("raw", "engineered"), oracles.items()):
        runs = answers(f"{name}-cnn-all", SIX)
        values = [oracle(one["truth"], one["prediction"]) for one in runs]
        network = metrics["network"][name]["cnn"]["all"]["mass"]
        assert network[metric] == pytest.approx(np.mean(values), rel=1e-12)
        assert network[f"{metric}_std"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)
        mean = np.mean([one["prediction"] for one in runs], axis=0)
        together = metrics["ensemble"][name]["cnn"]["all"]["mass"][metric]
        assert together == pytest.approx(oracle(runs[0]["truth"], mean), rel=1e-12)
        found[f"{name} {metric}"] = float(np.mean(values))
    difference = metrics["difference"]["engineered"]["cnn"]["all"]["mass"]
    for metric in ("mae", "rmse"):
        expected = found[f"engineered {metric}"] - found[f"raw {metric}"]
        assert difference[metric] == pytest.approx(expected, rel=1e-9)
        assert difference[f"{metric}_low"] < difference[metric] < difference[f"{metric}_high"] < 0
    assert list(metrics["difference"]) == ["engineered"]
    plain = {name: models["mass"]["mae"] for name, models in metrics["plain"]["none"].items()}
    assert plain == pytest.approx(SHORTCUTS)
    assert metrics["plain"]["engineered"]["tree"]["mass"]["rmse"] == pytest.approx(0.7)
    assert set(metrics["plain"]) == {"none", "engineered"}
    skill = metrics["network"]["raw"]["cnn"]["all"]["mass"]["skill_profile"]
    squares = [((one["prediction"] - one["truth"]) ** 2).mean() for one in answers("raw-cnn-all", SIX)]
    assert skill == pytest.approx(1 - np.mean(squares) / 0.9**2, rel=1e-9)


def test_a_limit_in_dex_is_held_against_targets_in_dex_alone(tiny: Path) -> None:
    """Of a slope a third is no factor of two."""
    fabricate(tiny, (0, 1), targets=("mass", "slope"))
    metrics, _, _ = run((0, 1))
    mass, slope = (metrics["network"]["raw"]["cnn"]["all"][target] for target in ("mass", "slope"))
    assert set(mass) - set(slope) == {"outliers_dex"}
    shares = []
    for one in answers("raw-cnn-all", (0, 1)):
        error = (one["prediction"] - one["truth"])[one["target"] == "mass"]
        shares.append((np.abs(error - error.median()) > 0.3).mean())
    assert mass["outliers_dex"] == pytest.approx(np.mean(shares), rel=1e-12)
    assert 0 < mass["outliers_dex"] < 1


def test_half_the_error_is_better_and_twice_the_error_is_worse(tiny: Path) -> None:
    fabricate(tiny, SIX)
    _, details, text = run(SIX)
    assert "**engineered − raw with cnn: better.**" in text
    (one,) = details["families"]["features"]["contrasts"]
    assert one["word"] == "better"
    assert one["pair"] == [["engineered", "cnn", "all", "mass"], ["raw", "cnn", "all", "mass"]]
    for seed in SIX:
        paths = [Path(f"predictions/{name}-cnn-all-{seed}.parquet") for name in ("raw", "engineered")]
        read = [path.read_bytes() for path in paths]
        for path, other in zip(paths, reversed(read), strict=True):
            path.write_bytes(other)
    _, details, text = run(SIX)
    assert "**engineered − raw with cnn: worse.**" in text


def test_the_same_predictions_are_equivalent(tiny: Path) -> None:
    fabricate(tiny, SIX)
    for seed in SIX:
        path = Path(f"predictions/engineered-cnn-all-{seed}.parquet")
        path.write_bytes(Path(f"predictions/raw-cnn-all-{seed}.parquet").read_bytes())
    _, details, text = run(SIX)
    (one,) = details["families"]["features"]["contrasts"]
    assert (one["word"], one["difference"], one["interval"]) == ("equivalent", 0, [0, 0])
    assert "the 90% interval lies within" in text


def test_a_second_time_gives_the_same_bytes(tiny: Path) -> None:
    fabricate(tiny, SIX, sigma=0.5)
    run(SIX)
    before = [Path(name).read_bytes() for name in WRITTEN]
    run(SIX)
    assert [Path(name).read_bytes() for name in WRITTEN] == before


INPUTS = ("raw", "engineered", "engineered_shuffled")
BIG = ("train.inputs=[raw, engineered, engineered_shuffled]", "train.backbones=[cnn, resnet]", "train.sizes=[all, 100]")


def test_the_verdict_has_a_line_for_every_predictor_and_every_contrast(tiny: Path) -> None:
    backbones, sizes, targets = ("cnn", "resnet"), ("all", "100"), ("mass", "slope")
    fabricate(tiny, (0, 1), INPUTS, backbones, sizes, targets)
    metrics, details, text = run((0, 1), *BIG)
    _, *sections = re.split(r"\*\*(?:mass|slope)\*\*, 60 test lenses", text)
    assert len(sections) == 2
    labels = [(name, backbone + end) for name in INPUTS for backbone in backbones for end in ("", ", 100 images")]
    plain = ["constant", "total flux alone", "ring radius alone", "radial profile, boosted trees"]
    for section, unit in zip(sections, (" [dex]", ""), strict=True):
        found = [tuple(row[:2]) for row in rows(section) if row[0] not in ("input", "inputs")]
        expected = [("none", name) for name in [*plain, "principal components, ridge"]]
        expected += [("engineered", "tree on vectors"), ("engineered_shuffled", "tree on vectors"), *labels]
        expected += [(name, f"{label}: the 2 seeds' mean") for name, label in labels]
        ends = [label for name, label in labels if name == "raw"]
        expected += [("engineered − raw", end) for end in ends if "images" not in end]
        expected += [("engineered − raw", end) for end in ends if "images" in end]
        expected += [("engineered_shuffled − raw", end) for end in ends]
        expected += [("engineered − engineered_shuffled", end) for end in ends]
        expected += list(product(INPUTS, backbones))  # learning curves
        assert found == expected
        assert f"| MAE{unit} |" in section
        assert section.count("better.**") + section.count("undecided.**") == 2, "one sentence a declared question"
        assert "engineered: its difference with cnn less that with resnet is" in section
        assert section.count("of that of the best shortcut") == len(labels)
    assert {name: len(one["contrasts"]) for name, one in details["families"].items()} == {
        "features": 4,
        "sizes": 4,
        "placebos": 8,
        "signal": 8,
    }
    assert [len(details[name]) for name in ("cells", "interactions", "saved", "sentences")] == [24, 2, 8, 4]
    assert list(metrics["difference"]) == ["engineered"]
    first, shown = details["families"]["features"]["contrasts"][0], metrics["difference"]["engineered"]["cnn"]["all"]
    assert [shown["mass"]["rmse_low"], shown["mass"]["rmse_high"]] == first["interval"] != first["corrected"]
    assert set(metrics["network"]["engineered_shuffled"]["resnet"]["100"]) == {"mass", "slope"}


def test_trees_on_the_same_vectors_stand_once(tiny: Path) -> None:
    """A recipe without one of its maps has all of its vectors."""
    inputs = ("raw", "engineered", "engineered_without_ridge", "engineered_shuffled")
    fabricate(tiny, (0, 1), inputs)
    parts = "{raw: {maps: {pixels: {}}}, engineered: {maps: {intensity: {}, ridge: {}}, vectors: {radial_profile: {}}}}"
    metrics, _, text = run((0, 1), f"train.inputs=[{', '.join(inputs)}]", f"features.recipes={parts}")
    told = [row[0] for row in rows(text) if row[1] == "tree on vectors"]
    assert told == ["engineered", "engineered_shuffled"]
    assert set(metrics["plain"]) == {"none", *told}
    assert {"engineered_without_ridge"} <= {row[0] for row in rows(text)}, "its networks are there"


def test_trees_that_say_the_same_of_one_target_alone_stand_whole(tiny: Path) -> None:
    """As constants do, where there is nothing to learn of it: of the other target they are not the same."""
    inputs = ("raw", "engineered", "engineered_shuffled")
    fabricate(tiny, (0,), inputs, targets=("mass", "slope"))
    for name in inputs[1:]:
        path = Path(f"baselines/{name}.parquet")
        table = pd.read_parquet(path)
        tables.write(table.assign(prediction=table["prediction"].mask(table["target"] == "slope", 0.0)), path)
    metrics, _, text = run((0,), f"train.inputs=[{', '.join(inputs)}]")
    found = {name: metrics["plain"][name]["tree"] for name in inputs[1:]}
    assert {name: each["mass"]["mae"] for name, each in found.items()} == pytest.approx(
        dict(zip(inputs[1:], (0.7, 1.4), strict=True))
    )
    assert found["engineered"]["slope"] == found["engineered_shuffled"]["slope"]
    assert sum(row[1] == "tree on vectors" for row in rows(text)) == 4


def test_a_number_below_zero_has_a_real_minus_wherever_people_read_it(tiny: Path) -> None:
    """And machines read ASCII: the verdict, its sentences, and what stands in JSON and CSV."""
    fabricate(tiny, SIX, targets=("mass", "slope"))
    _, details, text = run(SIX)
    assert text.count("−0.") > 10
    assert not re.search(r"-\d", text.replace("-all-", "")), "an ASCII minus"
    assert all("−0." in one for one in details["sentences"])
    for name in ("metrics.json", "by_bin.csv"):
        assert "−" not in Path(name).read_text()
    assert not re.search(r"−\d", json.dumps({**details, "sentences": []}, ensure_ascii=False))


def test_learning_curves_have_an_area_and_say_which_seeds_they_are_of(tiny: Path) -> None:
    """A run of the small size is missing: the curve is of the other seeds at both sizes, and that is said."""
    fabricate(tiny, SIX, sizes=("all", "100"))
    Path("predictions/engineered-cnn-100-2.parquet").unlink()
    _, details, text = run(SIX, "train.sizes=[100, all]")
    areas = {tuple(one["arm"][:2]): one for one in details["areas"]}
    for name, kept in (("raw", SIX), ("engineered", (0, 1, 3, 4, 5))):
        rmse = [
            np.mean([root_mean_squared_error(one["truth"], one["prediction"]) for one in answers(run_, kept)])
            for run_ in (f"{name}-cnn-100", f"{name}-cnn-all")
        ]
        assert areas[name, "cnn"]["value"] == pytest.approx(np.mean(rmse), rel=1e-9)
    fewer = "the arms do not have the same seeds; compared on 0, 1, 3, 4, 5."
    assert f"- Training sizes of engineered with cnn, mass: {fewer}" in text.partition("**mass**")[0]
    assert "Training sizes of raw with cnn" not in text
    table = rows(text.partition("Learning curves: ")[2])
    assert [row[:2] for row in table[:3]] == [["input", "backbone"], ["raw", "cnn"], ["engineered", "cnn"]]
    assert table[1][2].startswith(f"{areas['raw', 'cnn']['value']:.4f} [")
    assert [row[3][:4] for row in table[1:3]] == ["–", f"{details['saved'][0]['ratio']:.2f}"]


def test_a_curve_loses_no_seed_that_only_its_control_lacks(tiny: Path) -> None:
    """Its area is of its own seeds; images saved, of those that both have: each is said of what it holds for."""
    fabricate(tiny, SIX, sizes=("all", "100"))
    Path("predictions/raw-cnn-100-2.parquet").unlink()
    _, _, text = run(SIX, "train.sizes=[100, all]")
    fewer = "cnn, mass: the arms do not have the same seeds; compared on 0, 1, 3, 4, 5."
    assert f"- Training sizes of raw with {fewer}" in text
    assert f"- Images saved by engineered with {fewer}" in text
    assert "Training sizes of engineered" not in text


def test_sizes_without_a_seed_in_common_are_said_and_stop_nothing(tiny: Path) -> None:
    fabricate(tiny, (0, 1), sizes=("all", "100"))
    Path("predictions/raw-cnn-100-0.parquet").unlink()
    Path("predictions/engineered-cnn-100-1.parquet").unlink()
    for name, seed in (("raw", 1), ("engineered", 0)):
        Path(f"predictions/{name}-cnn-100-{seed}.parquet").rename(f"predictions/{name}-cnn-100-0.parquet")
    Path("predictions/raw-cnn-all-0.parquet").unlink()
    _, details, text = run((0, 1), "train.sizes=[100, all]")
    assert [one["arm"][0] for one in details["areas"]] == ["engineered"]
    assert details["saved"][0]["reason"] == "no seed is common to all sizes of it and of raw"
    assert "Training sizes of raw with cnn, mass: the arms do not have the same seeds; not compared" in text


def test_gains_of_two_backbones_say_which_seeds_they_are_of(tiny: Path) -> None:
    fabricate(tiny, (0, 1, 2), backbones=("cnn", "resnet"))
    Path("predictions/engineered-resnet-all-1.parquet").unlink()
    _, details, text = run((0, 1, 2), "train.backbones=[cnn, resnet]")
    assert [one["seeds"] for one in details["interactions"]] == [2]
    assert "Gains of one backbone against another's: the arms do not have the same seeds; compared on 0, 2." in text


def test_a_shortcut_to_what_nobody_is_asked_for_is_no_caution(tiny: Path) -> None:
    """That the ring tells of the ring's radius is no news, unless it is trained; nor what tells classes."""
    fabricate(tiny, (0,))
    said = {"mass": "shortcut_label", "einstein_radius": "shortcut_label", "class": "shortcut_class"}
    found = [finding(code, f"{label} can be read", label=label) for label, code in said.items()]
    Path("audit.json").write_text(json.dumps({"findings": plain(found)}))
    _, details, text = run((0,))
    assert [label for label in said if f"{label} can be read" in text] == ["mass"]
    assert details["labels"] == ["mass"]


def test_the_audits_cautions_stand_at_the_top(tiny: Path) -> None:
    fabricate(tiny, SIX)
    _, _, text = run(SIX)
    top = "Of these images the audit says:\n\n- `noise_free`: no noise in 60 of 60 images\n\n**mass**"
    assert text.startswith(top)
    assert "float64" not in text, "a note is not worth the reader's time here"


def test_an_arm_with_another_budget_is_marked_at_the_top(tiny: Path) -> None:
    fabricate(tiny, SIX)
    for name, seed in product(("raw", "engineered"), SIX):
        fingerprint(tiny / "runs", f"{name}-cnn-all-{seed}", epochs=40 if name == "engineered" else 20)
    _, details, text = run(SIX)
    assert [line["differs"] for line in details["manifest"]] == ["", "epochs"]
    assert "`engineered-cnn-all`: trained with other epochs than" in text.partition("**mass**")[0]


def test_the_errors_by_bin_are_of_all_lenses(tiny: Path) -> None:
    fabricate(tiny, (0, 1))
    lenses = pd.read_parquet("lenses.parquet")
    tables.write(lenses.assign(ring_over_psf=lenses["ring_over_psf"].mask(lenses["group"] < 3)), "lenses.parquet")
    metrics, _, _ = run((0, 1), "compare.bins=3")
    found = pd.read_csv("by_bin.csv")
    for (name, covariate), lines in found.groupby(["run", "covariate"]):
        assert lines["lenses"].sum() == 60
        mae = metrics["network"][name.partition("-")[0]]["cnn"]["all"]["mass"]["mae"]
        assert np.average(lines["mae"], weights=lines["lenses"]) == pytest.approx(mae, rel=1e-5), covariate
    unknown = found[found["bin"] == "unknown"]
    assert unknown["covariate"].tolist() == ["ring_over_psf"] * 2
    assert unknown["lenses"].tolist() == [6, 6], "the lenses of three groups"


def test_a_network_that_says_a_distribution_is_judged_by_it(tiny: Path) -> None:
    fabricate(tiny, SIX, sigma=1.0)
    _, details, _ = run(SIX)
    for cell, scale in zip(details["cells"], (1.0, 0.5), strict=True):
        own = cell["spreads"]["own"]["0.68"]
        errors = [one["prediction"] - one["truth"] for one in answers(cell["run"], SIX)]
        assert own["value"] == pytest.approx((np.abs(errors) <= 0.9945).mean(), abs=5e-3)
        assert own["width"] == pytest.approx(2 * 0.9945, abs=1e-3)
        assert {"conformal", "crps", "nll", "pit"} <= set(cell["spreads"])
        assert (own["value"] > 0.8) == (scale < 1), "half the error in an interval of the same width"


def test_the_density_of_all_targets_together_is_told_once(tiny: Path) -> None:
    """As the tables have it, the same on each target's line; only of the network that says one."""
    fabricate(tiny, (0, 1), targets=("mass", "slope"), sigma=1.0)
    _, _, text = run((0, 1))
    assert "All targets together" not in text
    joint = np.random.default_rng(8).normal(size=60)
    for seed in (0, 1):
        change(f"raw-cnn-all-{seed}", nll_joint=lambda table, seed=seed: _by_lens(table, joint + seed))
    _, details, text = run((0, 1))
    told = [cell["spreads"].get("nll_joint") for cell in details["cells"]]
    assert told[0] == told[1]
    assert told[2:] == [None, None]
    assert told[0]["value"] == pytest.approx(joint.mean() + 0.5, rel=1e-12)
    assert told[0]["low"] < told[0]["value"] < told[0]["high"]
    (line,) = rows(text.partition("**All targets together**")[2])[1:]
    assert line[:2] == ["raw", "cnn"]
    assert float(line[2].split()[0].replace("−", "-")) == pytest.approx(told[0]["value"], abs=5e-5)


def _by_lens(table: pd.DataFrame, values: np.ndarray) -> pd.Series:
    """A column of the lines of test lenses, by the number in their name; of other lines 0."""
    number = table["id"].str.rpartition(" ")[2].astype(int)
    return pd.Series(values[number], index=table.index).where(table["role"] == "test", 0.0)


# too little to decide


def test_five_seeds_call_nothing_better_or_worse(tiny: Path) -> None:
    fabricate(tiny, SIX)
    _, details, text = run(SIX[:5])
    (one,) = details["families"]["features"]["contrasts"]
    assert one["word"] in NO_WORD
    assert one["reason"] == "fewer than 6 seeds"
    assert one["corrected"][1] < 0, "though the difference is plain to see"
    assert one["detectable"] is None
    assert "corrected p = 0.062: fewer than 6 seeds. No difference, however large, could have been found" in text
    assert "From fewer than 6 seeds no input is called better or worse" in text
    assert "From fewer than 6 seeds" not in run(SIX)[2]


def test_one_seed_has_no_spread_and_no_ensemble(tiny: Path) -> None:
    fabricate(tiny, (0,))
    metrics, _, text = run((0,))
    assert metrics["ensemble"] == {}
    assert "mae_std" not in metrics["network"]["raw"]["cnn"]["all"]["mass"]
    assert "60 test lenses, 1 seed\n" in text
    assert "±" not in text
    assert "1 seeds" not in text


def test_what_is_undefined_is_null(tiny: Path) -> None:
    """A shortcut that is always right leaves no error to take away."""
    fabricate(tiny, SIX)
    path = Path("baselines/shortcuts.parquet")
    table = pd.read_parquet(path)
    right = table["model"] == "flux"
    tables.write(table.assign(prediction=table["prediction"].mask(right, table["truth"])), path)
    metrics, details, _ = run(SIX)
    assert metrics["network"]["raw"]["cnn"]["all"]["mass"]["skill_flux"] is None
    assert details["cells"][0]["metrics"]["skill_flux"] == {"value": None, "low": None, "high": None}


def test_an_input_alone_has_nothing_to_be_compared_with(tiny: Path) -> None:
    fabricate(tiny, SIX)
    metrics, details, text = run(SIX, "train.inputs=[engineered]")
    assert "Nothing to compare: that takes raw and another input." in text
    assert (metrics["difference"], details["families"], details["sentences"]) == ({}, {}, [])


# something is missing


def test_a_missing_run_is_named_and_its_arm_marked(tiny: Path) -> None:
    fabricate(tiny, range(8))
    for seed in (2, 3):
        Path(f"predictions/engineered-cnn-all-{seed}.parquet").unlink()
    _, details, text = run(range(8))
    top = text.partition("**mass**")[0]
    assert "- `engineered-cnn-all`: no predictions of seed 2, 3; compared on seeds 0, 1, 4, 5, 6, 7.\n" in top
    assert "Recipes against raw pixels: the arms do not have the same seeds; compared on 0, 1, 4, 5, 6, 7." in top
    assert "**mass**, 60 test lenses, 6 to 8 seeds" in text
    assert [row[1] for row in rows(text) if row[0] == "engineered"][1] == "cnn (6 of 8 seeds)"
    (one,) = details["families"]["features"]["contrasts"]
    assert one["seeds"] == 6
    kept = (0, 1, 4, 5, 6, 7)
    rmse = [
        np.mean([root_mean_squared_error(one["truth"], one["prediction"]) for one in answers(f"{name}-cnn-all", kept)])
        for name in ("engineered", "raw")
    ]
    assert one["difference"] == pytest.approx(rmse[0] - rmse[1], rel=1e-9)
    assert [cell["seeds"] for cell in details["cells"]] == [list(range(8)), list(kept)]


def test_arms_without_a_seed_in_common_are_refused(tiny: Path) -> None:
    fabricate(tiny, (0, 1))
    for name in ("raw-cnn-all-0", "engineered-cnn-all-1"):
        Path(f"predictions/{name}.parquet").unlink()
    found = "no seed is common to what is to be compared (raw-cnn-all has 1, engineered-cnn-all has 0)"
    with pytest.raises(InputError, match=f"^train.seeds: {re.escape(found)}"):
        run((0, 1))


def test_without_any_run_there_is_no_verdict(tiny: Path) -> None:
    fabricate(tiny, (7,))
    with pytest.raises(InputError, match=r"^predictions: none of the runs of params\.yaml has predictions there"):
        run(SIX)


def test_lenses_without_an_answer_are_left_out_of_every_arm(tiny: Path) -> None:
    fabricate(tiny, SIX)
    lose("engineered-cnn-all-3", ["lens 5", "lens 40"])
    metrics, details, text = run(SIX)
    line = (
        "- `engineered-cnn-all-3`: no finite mass for 2 of 60 test lenses (lens 5, lens 40); left out of every run.\n"
    )
    assert line in text.partition("**mass**")[0]
    assert "**mass**, 58 test lenses" in text
    assert [cell["lenses"] for cell in details["cells"]] == [58, 58]
    kept = [one[~one["id"].isin(["lens 5", "lens 40"])] for one in answers("raw-cnn-all", SIX)]
    expected = np.mean([mean_absolute_error(one["truth"], one["prediction"]) for one in kept])
    assert metrics["network"]["raw"]["cnn"]["all"]["mass"]["mae"] == pytest.approx(expected, rel=1e-12)


def test_what_is_no_network_is_judged_by_the_lenses_that_are_left(tiny: Path) -> None:
    """The networks stand beside it in one table."""
    fabricate(tiny, SIX)
    for name in ("shortcuts", "engineered"):
        path = tiny / "baselines" / f"{name}.parquet"
        table = pd.read_parquet(path)
        tables.write(table.assign(prediction=table["prediction"] + 100 * (table["id"] == "lens 5")), path)
    lose("engineered-cnn-all-3", ["lens 5"])
    metrics, _, _ = run(SIX)
    plain = {name: models["mass"]["mae"] for name, models in metrics["plain"]["none"].items()}
    assert plain == pytest.approx(SHORTCUTS)
    assert metrics["plain"]["engineered"]["tree"]["mass"]["mae"] == pytest.approx(0.7)


def test_a_run_without_any_answer_is_refused_by_name(tiny: Path) -> None:
    fabricate(tiny, SIX)
    change("raw-cnn-all-4", prediction=np.nan)
    with pytest.raises(InputError, match=r"^raw-cnn-all-4: no finite mass for any of the 60 test lenses"):
        run(SIX)


def test_a_run_that_answers_for_other_lenses_is_refused_by_name(tiny: Path) -> None:
    fabricate(tiny, (0, 1))
    change("engineered-cnn-all-1", id=lambda table: table["id"] + "'")
    with pytest.raises(InputError, match=r"^predictions/engineered-cnn-all-1\.parquet: other test lenses than seed 0"):
        run((0, 1))
    change("engineered-cnn-all-0", id=lambda table: table["id"] + "'")
    with pytest.raises(InputError, match=r"^engineered-cnn-all: its test lenses are not those of raw-cnn-all"):
        run((0, 1))


@pytest.mark.parametrize("name", ["baselines/engineered.parquet", "baselines/shortcuts.parquet"])
def test_a_missing_table_is_refused_by_name(tiny: Path, name: str) -> None:
    fabricate(tiny, (0,))
    Path(name).unlink()
    with pytest.raises(InputError, match=f"^{name}: these predictions are missing"):
        run((0,))


@pytest.mark.parametrize("name", ["lenses.parquet", "split.json", "audit.json"])
def test_a_missing_file_is_one_line(tiny: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fabricate(tiny, (0,))
    Path(name).unlink()
    monkeypatch.setattr("sys.argv", ["compare", *PLACES, *WRITTEN])
    with pytest.raises(SystemExit, match=rf"^compare: {name}: no such file") as found:
        command(compare.compare, "PREDICTIONS BASELINES LENSES RUNS SPLIT AUDIT SHIFTED METRICS VERDICT BY_BIN DETAILS")
    assert "\n" not in str(found.value)
    assert not Path("metrics.json").exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("lenses.parquet", "lenses: no line for lens 7; dvc repro describe"),
        ("baselines/shortcuts.parquet", "shortcuts, constant: no line for lens 7; run dvc repro shortcuts"),
    ],
)
def test_a_lens_that_a_table_lacks_is_named(tiny: Path, path: str, said: str) -> None:
    fabricate(tiny, (0,))
    table = pd.read_parquet(path)
    tables.write(table.assign(id=table["id"].replace("lens 7", "another")), path)
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        run((0,))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table: table.iloc[1:], "made for 59 rows, but the images have 60; python -m pipeline.describe writes"),
        (lambda table: table.iloc[::-1], "line 0 is of row 59; lines must be the images' rows in order; python -m"),
        (lambda table: table.drop(columns="flux"), "not a table of lenses"),
    ],
)
def test_a_table_of_lenses_that_is_not_of_these_images_is_refused(tiny: Path, spoil: Any, said: str) -> None:
    """The groups and the bins of every interval are looked up in it."""
    fabricate(tiny, (0,))
    tables.write(spoil(pd.read_parquet("lenses.parquet")), "lenses.parquet")
    with pytest.raises(InputError, match=rf"^lenses\.parquet: {re.escape(said)}"):
        run((0,))
