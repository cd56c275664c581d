"""What networks rely on, in the verdict: planted reliance is found, none is nothing, and no other number moves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from pipeline import compare, tables
from pipeline.chapters import verdict
from pipeline.contrasts.families import benjamini_hochberg
from pipeline.page.schema import check
from pipeline.params import Compare
from pipeline.places import place
from pipeline.verdict import cells as reading
from pipeline.verdict.judging import judged
from pipeline.verdict.questions import PERMUTATION, families
from pipeline.verdict.words import RELIANCE
from tests.verdict.fabricated import PLACES, WRITTEN, cell, fabricate

EIGHT = tuple(range(8))  # with six, one feature that is not relied on leaves the other undecided
ARM = ("engineered", "cnn", "all", "mass")
RIDGE, POWER = (("engineered (ridge permuted)", *ARM[1:]), ("engineered (log_power permuted)", *ARM[1:]))


def run() -> dict[str, str]:
    """What `compare` writes of eight seeds in the working folder."""
    compare.compare(*PLACES, *WRITTEN, [f"train.seeds={list(EIGHT)}"])
    return {name: Path(name).read_text() for name in WRITTEN}


def permute(seed: int, name: str = "engineered-cnn-all", **features: Any) -> None:
    """Give a run answers with features permuted: what is added to its own on the test lenses."""
    path = Path(f"predictions/{name}-{seed}.parquet")
    table = pd.read_parquet(path)
    test = table["role"] == "test"
    more = {f"permuted_{feature}": (table["prediction"] + off).where(test) for feature, off in features.items()}
    tables.write(table.assign(**more), path)


@pytest.fixture
def relied(tiny: Path) -> Path:
    """Networks that rely on ridge (its permutation is a bias of one standard deviation) and not on log_power."""
    fabricate(tiny, EIGHT)
    for seed in EIGHT:
        permute(seed, ridge=1.0 + 0.1 * seed, log_power=0.0)
    return tiny


def test_reliance_is_the_growth_of_the_error_of_the_same_networks(relied: Path) -> None:
    """Against scikit-learn; what is not relied on is zero to the last bit."""
    found = json.loads(run()["verdict.json"])["families"][PERMUTATION]["contrasts"]
    assert [(tuple(one["arm"]), tuple(map(tuple, one["pair"]))) for one in found] == [
        (RIDGE, (RIDGE, ARM)),
        (POWER, (POWER, ARM)),
    ]
    runs = [tables.read(f"predictions/engineered-cnn-all-{seed}.parquet", role="test") for seed in EIGHT]
    grown = [
        root_mean_squared_error(one["truth"], one["permuted_ridge"])
        - root_mean_squared_error(one["truth"], one["prediction"])
        for one in runs
    ]
    ridge, power = found
    assert ridge["difference"] == pytest.approx(np.mean(grown), rel=1e-9)
    assert ridge["word"] == "worse"
    assert ridge["corrected"][0] > 0
    assert power["difference"] == 0
    assert power["corrected"] == [0, 0]
    assert power["word"] == "equivalent"


def test_it_is_told_in_the_verdict_with_what_it_does_not_say(relied: Path) -> None:
    text = run()["verdict.md"]
    start = text.index("One feature permuted among the test lenses:")
    rows = [line for line in text[start:].splitlines() if "permuted) − engineered |" in line]
    assert len(rows) == 2
    runs = [tables.read(f"predictions/engineered-cnn-all-{seed}.parquet", role="test") for seed in EIGHT]
    errors = [[mean_absolute_error(one["truth"], one[by]) for by in ("permuted_ridge", "prediction")] for one in runs]
    assert f"{np.mean(errors, axis=0) @ [1, -1]:+.4f}" in rows[0]
    assert "**worse**" in rows[0]
    assert text.count(RELIANCE) == 1


def test_no_other_number_moves(tiny: Path) -> None:
    fabricate(tiny, EIGHT)
    without = run()
    assert PERMUTATION not in json.loads(without["verdict.json"])["families"]
    assert RELIANCE not in without["verdict.md"]
    for seed in EIGHT:
        permute(seed, ridge=1.0, log_power=0.0)
    beside = run()
    assert beside["metrics.json"] == without["metrics.json"]
    assert beside["by_bin.csv"] == without["by_bin.csv"]
    more, less = (json.loads(one["verdict.json"]) for one in (beside, without))
    assert set(more["families"]) - set(less["families"]) == {PERMUTATION}
    del more["families"][PERMUTATION]
    assert more == less
    assert [line for line in without["verdict.md"].splitlines() if line not in beside["verdict.md"]] == []


@pytest.mark.parametrize("fault", ["hole", "infinite", "not asked"])
def test_a_feature_without_all_answers_is_named_and_costs_no_lens(relied: Path, fault: str) -> None:
    path = Path("predictions/engineered-cnn-all-2.parquet")
    before, table = run(), pd.read_parquet(path)
    third = (table["role"] == "test") & (table["id"] == "lens 3")
    values = {"hole": np.nan, "infinite": np.inf}
    wrong = (
        table.drop(columns="permuted_ridge")
        if fault == "not asked"
        else table.assign(permuted_ridge=table["permuted_ridge"].mask(third, values[fault]))
    )
    tables.write(wrong, path)
    after = run()
    count = 60 if fault == "not asked" else 1
    line = f"`engineered-cnn-all`: no finite mass for {count} of 480 answers with ridge permuted; how much it is relied"
    assert line in after["verdict.md"]
    details = json.loads(after["verdict.json"])
    assert [tuple(one["arm"]) for one in details["families"][PERMUTATION]["contrasts"]] == [POWER]
    assert after["metrics.json"] == before["metrics.json"]


def test_a_lens_without_an_answer_as_it_is_is_left_out_of_its_permutations_too(relied: Path) -> None:
    path = Path("predictions/raw-cnn-all-1.parquet")
    table = pd.read_parquet(path)
    tables.write(table.assign(prediction=table["prediction"].mask(table["id"] == "lens 3")), path)
    ridge, _ = json.loads(run()["verdict.json"])["families"][PERMUTATION]["contrasts"]
    runs = [tables.read(f"predictions/engineered-cnn-all-{seed}.parquet", role="test") for seed in EIGHT]
    errors = [(one.assign(a=one["permuted_ridge"] - one["truth"], b=one["prediction"] - one["truth"])) for one in runs]
    kept = [one[one["id"] != "lens 3"] for one in errors]
    grown = [np.sqrt((one["a"] ** 2).mean()) - np.sqrt((one["b"] ** 2).mean()) for one in kept]
    assert ridge["difference"] == pytest.approx(np.mean(grown), rel=1e-9)


def test_a_cell_of_fewer_seeds_and_lenses_has_its_permutations_along(generator: np.random.Generator) -> None:
    errors, permuted = generator.normal(size=(2, 4, 9))
    whole = cell(errors, permuted={"ridge": permuted})
    which = np.arange(9) % 2 == 0
    part = whole.of_seeds([2, 0]).of_lenses(which)
    np.testing.assert_array_equal(part.permuted["ridge"], permuted[[2, 0]][:, which])
    told = part.with_permuted("ridge")
    np.testing.assert_array_equal(told.prediction, part.permuted["ridge"])
    assert (told.seeds, told.key) == ((2, 0), RIDGE)
    np.testing.assert_array_equal(told.truth, part.truth)


def test_every_arm_and_feature_is_asked_once_and_corrected_with_the_others() -> None:
    none = np.zeros((1, 2))
    arms = [("engineered", backbone, size, "mass") for backbone in ("cnn", "resnet") for size in ("all", "100")]
    asked = families([cell(none, *arm, permuted={"ridge": none, "log_power": none}) for arm in arms], {}, {})
    assert set(asked) == {PERMUTATION}
    assert len(asked[PERMUTATION].pairs) == 8
    assert asked[PERMUTATION].correct is benjamini_hochberg
    for arm, pair in asked[PERMUTATION].pairs.items():
        assert pair == (arm, ("engineered", *arm[1:]))


def test_networks_that_rely_on_nothing_are_seldom_said_to(tiny: Path) -> None:
    """Permutations that are noise about the same error: a share of 5 % of what is claimed may be false."""
    fabricate(tiny, EIGHT)
    generator = np.random.default_rng(0)
    chosen = Compare(draws=500, confidence=0.95, margin=0.05, bins=2, seed=0)
    cells, _ = reading.read(place("predictions"), [("engineered", "cnn", "all")], EIGHT)
    shortcuts = {"shortcuts": tables.read("baselines/shortcuts.parquet", role="test")}
    size = cells[0].errors.std()
    names = [f"f{i}" for i in range(20)]
    permuted = {name: cells[0].truth + size * generator.normal(size=cells[0].prediction.shape) for name in names}
    asked = [cell(cells[0].errors, permuted=permuted)]
    found = judged(asked, [], shortcuts, pd.read_parquet("lenses.parquet"), families(asked, {}, {}), 450, chosen)
    words = [one.word for one in found.answers[PERMUTATION].rmse.values()]
    assert len(words) == 20
    assert sum(word in ("better", "worse") for word in words) <= 1


def test_the_page_shows_it_beside_what_was_left_out_and_let_in(relied: Path) -> None:
    details = json.loads(run()["verdict.json"])
    told = verdict.ablation(details)
    assert [row["family"] for row in told["rows"]] == ["one feature permuted among the test lenses"] * 2
    assert told["note"] == RELIANCE
    check({"title": "t", "ablation": told})
    parts = {"title": "parts", "contrasts": details["families"][PERMUTATION]["contrasts"][:1]}
    both = verdict.ablation({**details, "families": {**details["families"], "ablations": parts}})
    assert [row["family"] for row in both["rows"]] == ["parts"] + ["one feature permuted among the test lenses"] * 2
    assert "note" not in verdict.ablation({**details, "families": {"ablations": parts}})
    elsewhere = verdict.verdict(details, [])["contrasts"]
    assert [one for one in elsewhere if "permuted" in one["name"]] == []
