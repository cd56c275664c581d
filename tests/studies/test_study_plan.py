"""studies/params.yaml: every arm and problem is one that the stages take, and differs in exactly what it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import models
from models.training import augment, schedules
from models.training.losses import objective
from models.training.optimisers.kinds import KINDS
from pipeline import params
from pipeline.errors import InputError
from pipeline.params import Params
from pipeline.scaling import TARGETS
from studies import plan
from tests.conftest import ROOT, complaint, yaml

FILE = ROOT / "studies" / "params.yaml"
PLAN = plan.read(str(FILE))
STAGES: dict[str, Any] = yaml(ROOT / "studies" / "dvc.yaml")["stages"]
ARMS = [(study, arm) for study, asked in PLAN.studies.items() for arm in asked.arms]
VARIANTS = [(name, variant) for name, asked in PLAN.sets.items() for variant in asked.variants]
PROBLEMS = [(name, problem) for name, asked in PLAN.sets.items() for problem in asked.problems]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a tree of sections."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from flat(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, tree


def resolved(overrides: list[str]) -> dict[str, Any]:
    fit, networks = params.read(overrides, "train.fit", "backbones")
    return dict(flat({"train": {"fit": params.plain(fit)}, "backbones": networks}))


@pytest.mark.parametrize(("name", "problem"), PROBLEMS)
def test_every_problem_is_one_that_the_stages_take(name: str, problem: str) -> None:
    features, split = params.read(PLAN.of_problem(name, problem), "features", "split")
    assert {features.source(each)[0] for each in PLAN.sets[name].inputs} <= set(features.recipes)
    assert len(split.targets) == 1


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_variant_is_its_problem_normalised_in_another_way(name: str, variant: str) -> None:
    """Nothing but the stage `normalise` sees a difference, and that one does."""
    rooms = [room for room in Params.model_fields if room != "normalise"]
    for problem in PLAN.sets[name].problems:
        plain, other = PLAN.of_problem(name, problem), PLAN.of_variant(name, problem, variant)
        assert params.read(plain, *rooms) == params.read(other, *rooms)
        assert params.read(plain, "normalise") != params.read(other, "normalise")


def test_all_ways_of_normalising_a_target_are_compared() -> None:
    """On one set, so that they are paired, and each under a name that is its own."""
    asked = PLAN.studies["target_normalisation"]
    (problem,) = PLAN.sets[asked.set].problems
    found = {}
    for name, arm in asked.arms.items():
        variant = arm.input in PLAN.sets[asked.set].variants
        said = PLAN.of_variant(asked.set, problem, arm.input) if variant else PLAN.of_problem(asked.set, problem)
        found[name] = params.read(said, "normalise.target")
    assert found == {kind: kind for kind in TARGETS}


@pytest.mark.parametrize(("study", "arm"), ARMS)
def test_every_arm_is_one_that_training_takes(study: str, arm: str) -> None:
    """Its parameters are checked, and its network, loss and optimiser are made."""
    backbone = PLAN.studies[study].arms[arm].backbone
    said = PLAN.of_arm(study, arm)
    fit, options = params.read(said, "train.fit", f"backbones.{backbone}")
    names = options.get("init", "default")
    weights = [one for one in ([names] if isinstance(names, str) else names) if one != "lsuv"] or ["default"]
    network = models.build(backbone, 1, 1, **{**options, "init": weights})
    kind, *others = params.plain(fit.loss).items()
    objective(kind[1], network, **dict(others))
    assert fit.optimiser.kind in KINDS
    schedule = params.plain(fit.schedule)
    schedules.build(schedule.pop("kind"), 1e-3, 100, **schedule)
    augment.build(fit.augment, ["pixels"])


@pytest.mark.parametrize(("study", "arm"), ARMS)
def test_an_arm_differs_from_its_control_in_what_it_says_and_in_nothing_else(study: str, arm: str) -> None:
    """What it differs in are the keys that it or its control names: for all others the budget is one."""
    asked = PLAN.studies[study]
    control = asked.against(arm)
    if control is None:
        return
    one, other = resolved(PLAN.of_arm(study, arm)), resolved(PLAN.of_arm(study, control))
    differing = {key for key in one | other if one.get(key) != other.get(key)}
    own, its = asked.arms[arm], asked.arms[control]
    named = {**own.differs, **its.differs}
    assert all(any(key == name or key.startswith(f"{name}.") for name in named) for key in differing)
    assert differing or (own.input, own.backbone) != (its.input, its.backbone), "it is the control once more"


@pytest.mark.parametrize("study", PLAN.studies)
def test_all_arms_have_one_budget(study: str) -> None:
    budgets = {(fit["train.fit.epochs"], fit["train.fit.patience"]) for fit in map(resolved, _arms(study))}
    assert budgets == {(PLAN.epochs(study), PLAN.epochs(study))}


def _arms(study: str) -> list[list[str]]:
    return [PLAN.of_arm(study, arm) for arm in PLAN.studies[study].arms]


def test_what_is_said_of_a_network_is_added_to_what_all_arms_have() -> None:
    options = params.read(PLAN.of_arm("activation", "relu"), "backbones.cnn")
    assert options == {**params.read((), "backbones.cnn"), "width": 0.5, "activation": "relu"}


def test_arms_that_name_no_input_have_the_studys() -> None:
    asked = PLAN.studies["target_normalisation"]
    assert asked.input == "arcsinh"
    assert {name: arm.input for name, arm in asked.arms.items()} == {
        "standard": "arcsinh",
        "robust": "robust",
        "range": "range",
        "none": "none",
    }


def test_only_studies_that_compare_nothing_have_fewer_seeds() -> None:
    assert PLAN.seeds("loss") == PLAN.spends.seeds
    assert PLAN.seeds("shortcut") == PLAN.spends.seeds[:3]
    fewer = {name for name, asked in PLAN.studies.items() if asked.seeds is not None}
    assert fewer == {name for name, asked in PLAN.studies.items() if asked.control is None}


def test_fourteen_optimisers_or_more_each_at_its_own_rate() -> None:
    asked = PLAN.studies["optimiser"]
    kinds = {params.read(PLAN.of_arm("optimiser", arm), "train.fit").optimiser.kind for arm in asked.arms}
    assert len(kinds) >= 14
    assert asked.rate == "tuned"


@pytest.mark.parametrize("study", PLAN.studies)
def test_the_stage_of_a_study_reads_and_writes_what_is_its_own(study: str) -> None:
    stage, own = STAGES[study], f"data/studies/${{budget}}/sets/{PLAN.studies[study].set}"
    runs, target = f"data/studies/${{budget}}/runs/{study}", f"studies/results/{study}/${{budget}}"
    assert stage["cmd"] == f"python -m studies.judge studies/params.yaml {study} {own} {runs} {target}"
    assert {own, runs} <= set(stage["deps"])
    assert {next(iter(out)) for out in stage["outs"]} == {
        f"{target}/{n}" for n in ("table.json", "table.md", "figure.svg")
    }


def test_there_is_a_stage_for_every_study_and_no_other() -> None:
    assert set(STAGES) == {"set", "runs", *PLAN.studies}


Change = tuple[tuple[str, ...], Any, str]
FAULTS: list[Change] = [
    (("budget",), "tea", "budget: no 'tea'; there are smoke, cpu, gpu"),
    (("studies", "loss", "control"), "l7", "control: no 'l7'; there are huber"),
    (("studies", "loss", "arms", "mse", "against"), "l7", "arms.mse.against: no 'l7'; there are huber"),
    (("studies", "loss", "seeds"), 0, "studies.loss.seeds: Input should be greater than or equal to 1"),
    (("studies", "loss", "same", "backbones.cnn.width"), 1, "backbones.cnn.width: the options of a network stand tog"),
    (("budgets", "cpu", "sizes"), ["all", 175], "budgets.cpu.sizes: Value error, all, 175: sizes are to grow"),
    (("sets", "tuning", "problems", "model_2_rings", "published"), {"us": {"rsme": 1}}, "published.us.rsme"),
    (("studies", "loss", "set"), "moon", "studies.loss.set: no 'moon'; there are tuning"),
    (("studies", "loss", "arms", "mse", "input"), "x", "studies.loss.arms.mse.input: no 'x'; there are raw"),
    (("studies", "loss", "arms", "A-1"), {}, "'A-1': a name is of small letters, digits and _"),
    (("studies", "loss", "same", "epochs"), 3, "'epochs' is no dotted key of params.yaml"),
    (
        ("sets", "tuning", "variants", "x"),
        {"split.seed": 3},
        "split.seed: a variant is another normalisation, and differs in keys of normalise alone",
    ),
    (("sets", "tuning", "variants", "x"), {"input": "y"}, "variants.x.input: no 'y'; there are raw"),
    (("sets", "tuning", "variants", "raw"), {}, "variants.raw: an input has this name"),
    (("sets", "tuning", "colour"), "red", "sets.tuning.colour: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("where", "value", "said"), FAULTS)
def test_a_mistake_is_named(where: tuple[str, ...], value: Any, said: str, tmp_path: Path) -> None:
    tree = YAML(typ="safe").load(FILE.read_text())
    *above, last = where
    place = tree
    for key in above:
        place = place[key]
    place[last] = value
    (tmp_path / "plan.yaml").write_text(json.dumps(tree))
    assert said in complaint(lambda: plan.read(str(tmp_path / "plan.yaml")))


def test_an_unknown_study_or_set_is_named() -> None:
    with pytest.raises(InputError, match="no study 'tea'; there are loss"):
        PLAN.study("tea")
    with pytest.raises(InputError, match="no set 'tea'; there are tuning"):
        PLAN.set("tea")
