"""A study from its data to its table, at the smallest budget; killed, gone on with, and counted again by hand."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import studies.runs
from models.training.record import NotFinite
from pipeline.errors import InputError
from pipeline.store import Store
from pipeline.tables import physical
from pipeline.verdict.words import HEADLINE
from studies import figure, text
from studies.judge import halved, results
from studies.runs import check_budget, runs
from studies.sets import sets
from studies.values import OF_ARM, OF_PROBLEM, OF_STUDY, value
from tests.conftest import TINY, complaint

GIVEN = "rate_3.00e-03"  # of tiny.yaml
PLAN: dict[str, Any] = {
    "budget": "smoke",
    "budgets": {
        "smoke": {"images": 60, "size": 24, "epochs": 1, "seeds": [3, 4], "sizes": ["all"], "range_test": 100},
        "other": {"images": 60, "size": 24, "epochs": 2, "seeds": [3, 4], "sizes": ["all"], "range_test": 100},
    },
    "sets": {
        "few": {
            "problems": {"axion": {"simulation.seed": 7}},
            "variants": {"raw_none": {"normalise.target": "none"}},
        }
    },
    "studies": {
        "loss": {
            "question": "Which loss?",
            "set": "few",
            "control": "huber",
            "arms": {"huber": {}, "mae": {"train.fit.loss": {"kind": "mae"}}},
        },
        "rate": {
            "question": "Which optimiser?",
            "set": "few",
            "rate": "tuned",
            "same": {"train.fit.epochs": 2},
            "arms": {"adam": {"train.fit.optimiser": {"kind": "adam"}}},
        },
        "target": {
            "question": "In what units?",
            "set": "few",
            "control": "standard",
            "arms": {"standard": {}, "none": {"input": "raw_none"}},
        },
    },
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a set and with the study `loss` trained and judged."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copy(TINY, "params.yaml")
        Path("plan.json").write_text(json.dumps(PLAN))
        sets("plan.json", "few", "sets")
        runs("plan.json", "loss", "sets", "runs")
        results("plan.json", "loss", "sets", "runs", "results")
        yield folder


def records(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("records/*.json")}


def with_arm(differs: dict[str, Any]) -> None:
    """The plan with another arm in its loss."""
    tree = json.loads(json.dumps(PLAN))
    tree["studies"]["loss"]["arms"]["mae"] = differs
    Path("other_arm.json").write_text(json.dumps(tree))


def table(name: str = "results") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(name, "table.json").read_text())
    return found


@pytest.mark.proof
def test_the_table_is_what_the_predictions_say(place: Path) -> None:
    (panel,) = table()["panels"]
    for arm in panel["arms"]:
        folder = Path("runs", f"axion-{arm['arm']}-all", GIVEN, "predictions")
        errors = []
        for seed in (3, 4):
            lines = pd.read_parquet(folder / f"raw-cnn-all-{seed}.parquet").query("role == 'test'")
            errors.append((lines["prediction"] - lines["truth"]).to_numpy())
        rmse = np.sqrt((np.stack(errors) ** 2).mean(axis=1))
        assert arm["rmse"] == pytest.approx(rmse.mean(), rel=1e-4)
        assert arm["rmse_std"] == pytest.approx(rmse.std(ddof=1), rel=1e-4, abs=1e-6)
        assert arm["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    huber, mae = panel["arms"]
    assert mae["rmse_difference"]["value"] == pytest.approx(mae["rmse"] - huber["rmse"], abs=1e-5)
    assert "rmse_difference" not in huber
    assert mae["rmse_difference"]["word"] == "undecided"  # of two seeds
    assert table()["seeds"] == [3, 4]


@pytest.mark.parametrize(("losses", "epoch"), [([0.4, 0.3, 0.2, 0.3, 0.1], 3), ([0.4, 0.3], None), ([0.4], None)])
def test_the_epoch_at_which_a_loss_is_halved(losses: list[float], epoch: int | None) -> None:
    assert halved(np.array(losses)) == epoch


@pytest.mark.proof
def test_the_page_and_the_figure_are_those_of_the_table(place: Path) -> None:
    tree = table()
    assert Path("results", "table.md").read_text() == text.page(tree)
    assert Path("results", "figure.svg").read_bytes() == figure.drawn(tree)


@pytest.mark.proof
def test_marks_may_ask_for_all_that_they_list(place: Path) -> None:
    """Of what a stage of studies has written, and not only of what a test has made up."""
    tree = table()
    asked = [[what] for what in OF_STUDY] + [["axion", what] for what in OF_PROBLEM]
    asked += [["axion", "mae", what] for what in OF_ARM] + [["axion", "shortcut", "best", what] for what in HEADLINE]
    assert all(value(tree, words) for words in asked)


@pytest.mark.proof
def test_what_is_finished_is_kept_and_what_is_lost_is_trained_again_to_the_same(place: Path) -> None:
    """As after a kill between two seeds: one record is not there yet."""
    before, own = records(Path("runs")), Path("runs", "axion-mae-all", GIVEN)
    answers = (own / "predictions" / "raw-cnn-all-4.parquet").read_bytes()
    (own / "records" / "raw-cnn-all-4.json").unlink()
    (own / "predictions" / "raw-cnn-all-4.parquet").unlink()
    runs("plan.json", "loss", "sets", "runs")
    after = records(Path("runs"))
    again = {name for name in before if before[name] != after[name]}
    assert again == {f"axion-mae-all/{GIVEN}/records/raw-cnn-all-4.json"}
    assert (own / "predictions" / "raw-cnn-all-4.parquet").read_bytes() == answers


@pytest.mark.proof
def test_a_changed_arm_is_trained_again_and_no_other(place: Path) -> None:
    shutil.copytree("runs", "changed")
    with_arm({"train.fit.loss": {"kind": "mse"}})
    before = records(Path("changed"))
    runs("other_arm.json", "loss", "sets", "changed")
    after = records(Path("changed"))
    assert {name.split("/")[0] for name in before if before[name] != after[name]} == {"axion-mae-all"}


@pytest.mark.proof
def test_a_tuned_rate_is_the_one_that_did_best_on_validation(place: Path) -> None:
    runs("plan.json", "rate", "sets", "tuned")
    cell = json.loads(Path("tuned", "axion-adam-all", "cell.json").read_text())
    best = min(cell["tried"], key=lambda run: run["validation_rmse"])
    *first, low, high = (run["learning_rate"] for run in cell["tried"])
    assert high / low == pytest.approx(10)
    assert any(low * high == pytest.approx(rate**2) for rate in first)
    assert [run["seed"] for run in cell["runs"]] == [3, 4]
    assert {run["learning_rate"] for run in cell["runs"]} == {best["learning_rate"]}


@pytest.mark.proof
def test_decades_are_tried_where_the_range_test_finds_no_rate(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise InputError("the range test found no rate")

    monkeypatch.setattr(studies.runs, "find_lr", none)
    runs("plan.json", "rate", "sets", "decades")
    cell = json.loads(Path("decades", "axion-adam-all", "cell.json").read_text())
    *first, low, high = (run["learning_rate"] for run in cell["tried"])
    assert first == [1e-4, 1e-3, 1e-2, 1e-1]
    best = min(cell["tried"][:4], key=lambda run: run["validation_rmse"])["learning_rate"]
    assert (low * 10**0.5, high / 10**0.5) == pytest.approx((best, best))
    results("plan.json", "rate", "sets", "decades", "decades_results")
    (arm,) = table("decades_results")["panels"][0]["arms"]
    assert arm["tried"] == 6


@pytest.mark.proof
def test_a_loss_that_is_not_finite_is_a_result(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(backbone: str, *words: Any) -> None:
        if any("mae" in said for said in words[-1]):
            raise InputError("the loss is not finite") from NotFinite("finite, so the weights have run away", [0])
        real(backbone, *words)

    real = studies.runs.train
    monkeypatch.setattr(studies.runs, "train", train)
    runs("plan.json", "loss", "sets", "failing")
    results("plan.json", "loss", "sets", "failing", "failed")
    page = Path("failed", "table.md").read_text()
    assert "| `mae` | the loss is not finite |" in page
    assert "Without a result, because a loss was not finite: `mae`." in page


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["serial", "processes"])
def test_an_arm_that_cannot_be_trained_is_named(kind: str, place: Path) -> None:
    with_arm({"backbones.cnn": {"activation": "tea"}})
    said = complaint(lambda: runs("other_arm.json", "loss", "sets", "never", [f"engine.kind={kind}"]))
    assert said.startswith("loss, axion-mae-all: backbones.cnn: ")
    assert "tea" in said


@pytest.mark.proof
def test_runs_of_other_parameters_than_asked_for_are_not_judged(place: Path) -> None:
    with_arm({"train.fit.loss": {"kind": "mse"}})
    said = complaint(lambda: results("other_arm.json", "loss", "sets", "runs", "elsewhere"))
    assert said.startswith("runs/axion-mae-all: trained with other parameters, data, code or versions than today's")
    assert not Path("elsewhere").exists()


@pytest.mark.proof
def test_arms_that_answer_for_other_lenses_are_not_compared(place: Path) -> None:
    shutil.copytree("runs", "shuffled")
    for file in Path("shuffled", "axion-mae-all").rglob("predictions/*.parquet"):
        table = pd.read_parquet(file)
        table.iloc[::-1].reset_index(drop=True).to_parquet(file)
    said = complaint(lambda: results("plan.json", "loss", "sets", "shuffled", "elsewhere"))
    assert said == "axion: mae answers for other test lenses than huber; train both on one set"


@pytest.mark.proof
def test_the_rate_of_the_table_is_the_one_of_the_steps(place: Path) -> None:
    """Where a rate follows the size of a batch, not the one that was given."""
    with_arm({"train.fit.batch_size": 8, "train.fit.scaling": {"rule": "linear", "batch_size": 32}})
    runs("other_arm.json", "loss", "sets", "scaled")
    results("other_arm.json", "loss", "sets", "scaled", "scaled_results")
    rates = {arm["arm"]: arm["learning_rate"] for arm in table("scaled_results")["panels"][0]["arms"]}
    assert rates["mae"] == pytest.approx(rates["huber"] * 8 / 32)


@pytest.mark.proof
def test_a_variant_has_the_lenses_of_its_input_and_is_paired_with_it(place: Path) -> None:
    """The same rows, pixels and truths; other numbers to learn from, which come back in the target's own unit."""
    prepared = Path("sets", "axion", "prepared")
    assert {path.name for path in prepared.iterdir()} == {"raw", "raw_none"}
    for name in ("fit.zarr", "test.zarr"):
        plain, other = (Store(prepared / each / name) for each in ("raw", "raw_none"))
        for array in ("row", "id", "maps"):
            assert np.array_equal(plain.read(array), other.read(array))
        truth = physical(plain.read("target"), plain.attributes["statistics"]["target"])
        np.testing.assert_allclose(other.read("target"), truth, rtol=1e-6)
    runs("plan.json", "target", "sets", "targets")
    results("plan.json", "target", "sets", "targets", "target_results")
    (panel,) = table("target_results")["panels"]
    standard, none = panel["arms"]
    assert none["against"] == "standard"
    answers = [
        pd.read_parquet(Path("targets", f"axion-{arm}-all", GIVEN, "predictions", f"{name}-cnn-all-3.parquet"))
        for arm, name in (("standard", "raw"), ("none", "raw_none"))
    ]
    assert answers[0]["id"].equals(answers[1]["id"])
    np.testing.assert_allclose(answers[0]["truth"], answers[1]["truth"], rtol=1e-6)
    assert none["rmse"] > 2 * standard["rmse"]  # one epoch does not lead from 0 to a label of -23
    assert none["rmse_difference"]["value"] == pytest.approx(none["rmse"] - standard["rmse"], rel=1e-4)


@pytest.mark.proof
def test_two_budgets_never_meet(place: Path) -> None:
    Path("other.json").write_text(json.dumps(PLAN | {"budget": "other"}))
    said = "made at the budget smoke, and other is asked for; budgets are never mixed"
    assert said in complaint(lambda: runs("other.json", "loss", "sets", "elsewhere"))
    assert said in complaint(lambda: results("other.json", "loss", "sets", "runs", "elsewhere"))
    assert not Path("elsewhere").exists()


def test_a_folder_without_a_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; run the stage that writes it"):
        check_budget(tmp_path, "cpu")
