"""Verdicts on classes: what the files of a pipeline say of targets that are 0 or 1, against scikit-learn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from pipeline import tables
from pipeline.chapters import errors
from pipeline.compare import compare
from pipeline.params import PROBABILITY
from tests.verdict.fabricated import PLACES, WRITTEN, fabricate, fingerprint, ids

LENSES, SEEDS, KINDS = 90, (0, 1, 2, 3, 4, 5), ("axion", "cdm", "no_sub")
ORACLES = {
    "auc": roc_auc_score,
    "accuracy": lambda t, p: accuracy_score(t, p >= 0.5),
    "brier": brier_score_loss,
    "log_loss": lambda t, p: log_loss(t, np.clip(p, 1e-3, 1 - 1e-3)),
}


def which() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 3, LENSES)


def answers(strength: float, seed: int, kinds: tuple[str, ...] = KINDS) -> pd.DataFrame:
    """Probabilities that lean towards the true class, and a number beside them."""
    generator, parts = np.random.default_rng(seed), []
    for role in ("validation", "calibration", "test"):
        truth = (which()[:, None] == np.arange(3)).astype(float)
        said = generator.dirichlet((1, 1, 1), LENSES) * (1 - strength) + strength * truth
        names = ids(LENSES, "lens" if role == "test" else role)
        units, wanted = [PROBABILITY] * len(kinds), [KINDS.index(kind) for kind in kinds]
        columns = {
            "truth": truth[:, wanted],
            "prediction": said[:, wanted],
            "spread": 0.4 * np.ones_like(truth[:, wanted]),
        }
        parts.append(tables.lines(role, names, kinds, units, columns))
    return pd.concat(parts, ignore_index=True)


def judged(folder: Path, kinds: tuple[str, ...] = KINDS) -> tuple[dict[str, Any], dict[str, Any], str]:
    fabricate(folder, SEEDS, lenses=LENSES)
    for name, strength in (("raw", 0.1), ("engineered", 0.4)):
        for seed in SEEDS:
            file = folder / "predictions" / f"{name}-cnn-all-{seed}.parquet"
            tables.write(pd.concat([pd.read_parquet(file), answers(strength, seed, kinds)]), file)
    for name in ("raw", "engineered", "shortcuts"):
        file = folder / "baselines" / f"{name}.parquet"
        known = pd.read_parquet(file)
        more = [answers(0.0, 9, kinds).query("role == 'test'").assign(model=model) for model in known["model"].unique()]
        tables.write(pd.concat([known, *more]), file)
    compare(*PLACES, *WRITTEN, [f"train.seeds={list(SEEDS)}"])
    metrics, text, _, details = (Path(name).read_text() for name in WRITTEN)
    return json.loads(metrics), json.loads(details), text


def test_a_class_is_measured_by_what_scikit_learn_says_and_a_number_is_not(tiny: Path) -> None:
    metrics, details, text = judged(tiny)
    for name, strength in (("raw", 0.1), ("engineered", 0.4)):
        found = metrics["network"][name]["cnn"]["all"]
        for kind in KINDS:
            runs = [answers(strength, seed).query(f"role == 'test' and target == '{kind}'") for seed in SEEDS]
            for metric, oracle in ORACLES.items():
                values = [oracle(one["truth"].to_numpy(), one["prediction"].to_numpy()) for one in runs]
                assert found[kind][metric] == pytest.approx(np.mean(values), rel=1e-10)
            assert not {"nmad", "outliers", "outliers_fixed", "median_error"} & set(found[kind])
        assert "auc" not in found["mass"]
        assert "nmad" in found["mass"]
    plain = answers(0.0, 9).query("role == 'test' and target == 'cdm'")
    expected = roc_auc_score(plain["truth"], plain["prediction"])
    assert metrics["plain"]["none"]["flux"]["cdm"]["auc"] == pytest.approx(expected, rel=1e-10)
    cells = {(one["arm"][0], one["arm"][3]): one for one in details["cells"]}
    assert cells["raw", "mass"]["diagrams"] == {}
    assert cells["raw", "cdm"]["plateaus"] == []
    auc = cells["engineered", "cdm"]["metrics"]["auc"]
    assert cells["raw", "cdm"]["metrics"]["auc"]["value"] < auc["low"] < auc["value"] < auc["high"] < 1
    assert f"| engineered | cnn | {auc['value']:.4f} [{auc['low']:.4f}, {auc['high']:.4f}] |" in text
    assert text.count("| AUC | accuracy | Brier score |") == len(KINDS)


def test_the_largest_of_all_classes_is_the_class_that_is_said(tiny: Path) -> None:
    metrics, details, text = judged(tiny)
    for name, strength in (("raw", 0.1), ("engineered", 0.4)):
        said = [
            answers(strength, seed).query("role == 'test'").pivot(index="id", columns="target", values="prediction")
            for seed in SEEDS
        ]
        right = [(one.loc[ids(LENSES), list(KINDS)].to_numpy().argmax(axis=1) == which()).mean() for one in said]
        assert metrics["largest"][name]["cnn"]["all"] == pytest.approx(np.mean(right), rel=1e-12)
    one = details["largest"][0]
    assert one["low"] < one["value"] < one["high"]
    assert f"| raw | cnn | all | {one['value']:.4f} [{one['low']:.4f}, {one['high']:.4f}] |" in text


def test_classes_of_which_some_are_no_target_have_no_largest(tiny: Path) -> None:
    metrics, details, text = judged(tiny, ("axion", "cdm"))
    assert "largest" not in metrics
    assert details["largest"] == []
    assert "All classes together" not in text


def test_a_loss_that_leads_to_no_probabilities_is_named_at_the_top(tiny: Path) -> None:
    """`auto` is Huber's for a network that says a number."""
    for seed in SEEDS:
        fingerprint(tiny / "runs", f"raw-cnn-all-{seed}")
        fingerprint(tiny / "runs", f"engineered-cnn-all-{seed}", loss={"kind": "mse"})
    _, details, text = judged(tiny)
    (line,) = [one for one in details["said"] if "no probabilities" in one]
    assert line.startswith("axion, cdm, no_sub: by the loss of `raw-cnn-all` (auto) answers are drawn to 0 or 1")
    assert line in text.partition("**mass**")[0]
    assert details["labels"] == ["axion", "cdm", "class", "mass", "no_sub"]


def test_the_page_is_told_of_classes_alone(tiny: Path) -> None:
    _, details, _ = judged(tiny)
    runs = errors.classes(details)["runs"]
    assert [(one["run"], one["target"]) for one in runs if one["target"] == "cdm"] == [
        ("raw-cnn-all", "cdm"),
        ("engineered-cnn-all", "cdm"),
    ]
    assert {one["target"] for one in runs} == set(KINDS)
    for one in runs:
        assert np.trapezoid(one["roc"]["true"], one["roc"]["false"]) == pytest.approx(one["auc"]["value"], abs=0.02)
        assert sum(bin_["answers"] for bin_ in one["reliability"]) == LENSES * len(SEEDS)
    assert errors.classes({"cells": [one for one in details["cells"] if one["arm"][3] == "mass"]}) == {}
