"""The manifest: what every arm was given, and which one was given something else."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.verdict.manifest import improper, manifest, unequal
from tests.verdict.fabricated import fingerprint

KEYS = [("raw", "cnn", "all"), ("engineered", "cnn", "all")]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"epochs": 40}, "epochs"),
        ({"batch_size": 32}, "batch_size"),
        ({"learning_rate": "auto"}, "trials"),
        ({"schedule": {"kind": "cosine"}}, "schedule"),
        ({"optimiser": {"kind": "adamw", "fused": True}}, "optimiser"),
        ({"augment": ["d4"]}, "augment"),
        ({"loss": {"kind": "mse"}}, "loss"),
        ({"weight_decay": 0.0}, "weight_decay"),
    ],
)
def test_an_arm_with_another_budget_is_marked(tmp_path: Path, change: dict[str, Any], name: str) -> None:
    fingerprint(tmp_path, "raw-cnn-all-0")
    fingerprint(tmp_path, "engineered-cnn-all-0", **change)
    found = manifest(tmp_path, KEYS, [0])
    assert found["differs"].tolist() == ["", name]
    (line,) = unequal(found)
    assert line.startswith(f"`engineered-cnn-all`: trained with other {name} than the first cnn of that size")


def test_one_run_with_another_budget_marks_its_arm(tmp_path: Path) -> None:
    for key in ("raw-cnn-all", "engineered-cnn-all"):
        for seed in (0, 1, 2):
            fingerprint(tmp_path, f"{key}-{seed}", **({"epochs": 40} if (key[0], seed) == ("e", 1) else {}))
    assert manifest(tmp_path, KEYS, [0, 1, 2])["differs"].tolist() == ["", "epochs"]


def test_early_stopping_is_an_outcome_and_other_backbones_are_not_compared(tmp_path: Path) -> None:
    fingerprint(tmp_path, "raw-cnn-all-0", steps=80)
    fingerprint(tmp_path, "engineered-cnn-all-0", steps=20)
    fingerprint(tmp_path, "engineered-cnn-all-1", steps=30)
    fingerprint(tmp_path, "raw-resnet-all-0", epochs=40)
    fingerprint(tmp_path, "raw-cnn-100-0", epochs=60)
    found = manifest(tmp_path, [*KEYS, ("raw", "resnet", "all"), ("raw", "cnn", "100")], [0, 1])
    assert found["differs"].tolist() == ["", "", "", ""]
    assert found["steps"].tolist() == [80, 25, 80, 80]
    assert found["seeds"].tolist() == [1, 2, 1, 1]
    assert unequal(found) == []


def test_a_line_says_how_an_arm_was_trained(tmp_path: Path) -> None:
    fingerprint(tmp_path, "raw-cnn-all-0", learning_rate="auto")
    (line,) = manifest(tmp_path, KEYS, [0]).to_dict("records")
    assert line == {
        "arm": "raw-cnn-all",
        "backbone": "cnn",
        "size": "all",
        "seeds": 1,
        "epochs": 20,
        "steps": 80,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "trials": 400,
        "schedule": "one_cycle",
        "optimiser": "adamw (fused False)",
        "augment": "d4, noise (sigma 0.1)",
        "loss": "auto",
        "proper": False,
        "weight_decay": 0.01,
        "differs": "",
    }


def test_runs_that_left_nothing_are_in_no_line(tmp_path: Path) -> None:
    found = manifest(tmp_path, KEYS, [0])
    assert found.empty
    assert unequal(found) == []


@pytest.mark.parametrize(
    ("kind", "head", "proper"),
    [
        ("mse", "", True),
        ("mse", "point", True),
        ("auto", "", False),
        ("mae", "", False),
        ("auto", "gaussian", True),
        ("auto", "flow", True),
        ("auto", "quantiles", False),
    ],
)
def test_answers_to_a_class_that_are_no_probabilities_are_said(
    tmp_path: Path, kind: str, head: str, proper: bool
) -> None:
    fingerprint(tmp_path, "raw-cnn-all-0", loss={"kind": kind}, head=head)
    found = manifest(tmp_path, KEYS, [0])
    said = improper(found, {"vortex", "axion"})
    expected = (
        f"axion, vortex: by the loss of `raw-cnn-all` ({kind}) answers are drawn to 0 or 1 and are no probabilities"
    )
    assert [line.partition(";")[0] for line in said] == ([] if proper else [expected])
    assert improper(found, set()) == [], "of a number a median is as good"
    assert improper(manifest(tmp_path, [], [0]), {"vortex"}) == []
