"""What pages say of the studies is what is committed of them; what is stale, or stays behind, is seen."""

import json
import re
from pathlib import Path

import pytest

from studies import plan
from studies.judge import described
from studies.marks import SCAN
from studies.pages import ALSO, due, pages, read
from studies.values import value
from tests.conftest import ROOT, yaml
from tests.studies.judged import arm, project, put, study

COMMITTED = read(ROOT / "studies" / "results")


def test_everything_that_is_committed_is_up_to_date() -> None:
    """Every mark, every page and figure of docs/results/, and the menu: run `python -m studies.pages`."""
    assert sorted(due(ROOT)) == []


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a study at two budgets and one at a single one; nothing of it is in the other pages."""
    monkeypatch.chdir(project(tmp_path))
    pages(tmp_path)
    put(tmp_path, study())
    put(tmp_path, study(budget="cpu"))
    said = re.findall(r"headline/\S+ (\w+)", ALSO["headline"])
    headline = study("headline", "cpu", tuple(dict.fromkeys(said)))
    for panel in headline["panels"]:
        panel["arms"] = [arm("cnn", 0.2)]
    put(tmp_path, headline)
    return tmp_path


def test_a_second_time_nothing_changes(root: Path) -> None:
    changed = pages(root)
    assert {"README.md", "mkdocs.yml", "docs/results/index.md", "docs/results/schedule.md"} <= set(changed)
    assert pages(root) == []


@pytest.mark.parametrize("name", ["README.md", "docs/results/schedule.md", "docs/results/figures/schedule-cpu.svg"])
def test_a_stale_value_is_seen_and_mended(name: str, root: Path) -> None:
    pages(root)
    fresh = (root / name).read_text()
    (root / name).write_text(re.sub(r"0\.2000 ± 0\.0020|0\.800 \[0\.750|cpu</svg>", "0.1234", fresh, count=1))
    assert list(due(root)) == [name]
    assert pages(root) == [name]
    assert (root / name).read_text() == fresh


def test_new_results_make_pages_stale(root: Path) -> None:
    pages(root)
    tree = study(budget="cpu")
    tree["panels"][1]["arms"][1]["rmse"] = 0.26
    put(root, tree)
    assert sorted(due(root)) == ["docs/results/schedule.md"]  # the index names the best arm, which is another


def test_pages_whose_results_have_gone_go_with_them(root: Path) -> None:
    before = {name: (root / name).read_text() for name in ("README.md", "mkdocs.yml")}
    pages(root)
    (root / "studies" / "results").rename(root / "elsewhere")
    pages(root)
    assert {name: (root / name).read_text() for name in before} == before
    assert not [path for path in (root / "docs" / "results").rglob("*") if path.is_file()]


def test_every_page_is_in_the_menu_and_in_the_index(root: Path) -> None:
    pages(root)
    shown = re.findall(r": results/(\w+)\.md$", (root / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert shown == ["index", *(name for name in yaml(ROOT / "studies/params.yaml")["studies"] if name in shown)]
    assert sorted(shown) == sorted(path.stem for path in (root / "docs" / "results").glob("*.md"))
    index = (root / "docs" / "results" / "index.md").read_text()
    assert re.findall(r"\]\((\w+)\.md\) \| `(\w+)`", index) == [
        ("schedule", "cpu"),
        ("schedule", "smoke"),
        ("headline", "cpu"),
    ]


def test_budgets_are_sections_of_their_own(root: Path) -> None:
    """A section speaks of nothing of another budget."""
    pages(root)
    head, *sections = (root / "docs" / "results" / "schedule.md").read_text().split("\n## Budget ")
    assert [part.split("\n")[0] for part in sections] == ["cpu", "smoke"]
    for part in sections:
        marks = [found["says"] for found in SCAN.finditer(part) if found["says"]]
        assert {re.findall(r"schedule/(\w+)", says)[0] for says in marks} == {part.split("\n")[0]}
        assert part.count("| arm | verdict |") == part.count("\n### ") == 2
    assert "schedule/" not in head


def test_a_page_says_what_its_arms_are(root: Path) -> None:
    pages(root)
    page = (root / "docs" / "results" / "schedule.md").read_text()
    assert '| `autowu` | `arcsinh` | `cnn` | `train.fit.schedule: {"kind": "autowu"}` | `one_cycle` |' in page
    assert "All arms have `train.fit.batch_size: 32`, and differ" in page.split("\n| arm")[0]


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_what_is_committed_is_what_the_plan_asks_for(key: str) -> None:
    """The same arms, seeds and epochs; or else the command on the page gives another table."""
    tree = COMMITTED[key]
    file = str(ROOT / "studies" / "params.yaml")
    asked = plan.read(file).model_copy(update={"budget": tree["budget"]})
    said = json.loads(json.dumps(described(asked, tree["study"])))
    assert {name: tree[name] for name in said} == said


@pytest.mark.parametrize("name", ALSO)
def test_what_a_study_is_asked_besides_is_of_its_problems_and_arms(name: str) -> None:
    asked = plan.read(str(ROOT / "studies" / "params.yaml"))
    for budget, problem, one in re.findall(rf"<!--= {name}/(\S+) (\w+) (\w+) \w+ -->", ALSO[name]):
        assert budget == "{budget}"
        assert problem in asked.sets[asked.studies[name].set].problems
        assert one == "best" or asked.studies[name].against(one)


def test_autowu_is_said_to_be_at_most_five_per_cent_above_or_not(root: Path) -> None:
    pages(root)
    page = (root / "docs" / "results" / "schedule.md").read_text()
    tree = json.loads((root / "studies" / "results" / "schedule" / "cpu" / "table.json").read_text())
    ratio = value(tree, ["model_2_rings", "autowu", "ratio"])
    said = re.sub(r"<!--.*?-->", "", page)
    assert said.count(f"its RMSE differs from that of one cycle by {ratio}: at most 5 % above it.") == 2
