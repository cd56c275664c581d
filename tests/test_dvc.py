"""dvc.yaml: valid, complete, and in agreement with the code and with params.yaml."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA

from tests.conftest import ROOT, yaml
from tests.test_house import imports

PIPELINE = yaml(ROOT / "dvc.yaml")
STAGES: dict[str, Any] = PIPELINE["stages"]
PLUMBING = {  # decide nothing in an output
    f"pipeline/{name}.py" for name in ("__init__", "command", "errors", "places", "atomic", "engine", "fingerprint")
}
NO_BYTE = {"engine", "train.watch"}  # what no output depends on: a stage that declared it would run again for nothing
TABLES = {"models/__init__.py"}  # the table; a run depends on its own backbone only


def test_dvcs_own_schema_accepts_it() -> None:
    COMPILED_MULTI_STAGE_SCHEMA(PIPELINE)


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_is_described_and_runs_its_module(name: str) -> None:
    assert len(STAGES[name]["desc"]) > 20
    assert STAGES[name]["cmd"].startswith(f"python -m pipeline.{name} ")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_the_parameters_it_reads_and_no_others(name: str) -> None:
    """The keys in its calls of params.read, with f-strings written as dvc.yaml writes its items."""
    declared = {re.sub(r"\$\{item\.\w+\}", "*", key) for key in STAGES[name].get("params", [])}
    assert keys_read(ROOT / "pipeline" / f"{name}.py") == declared


def keys_read(path: Path) -> set[str]:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "params.read"
    ]
    assert calls, f"{path.name} does not check params.yaml"
    literals = [re.sub(r"^f?['\"]|['\"]$", "", ast.unparse(key)) for call in calls for key in call.args[1:]]
    return {re.sub(r"\{\w+\}", "*", literal) for literal in literals} - NO_BYTE


def test_every_parameter_is_read_by_some_stage_or_lists_stages() -> None:
    declared = {key for stage in STAGES.values() for key in stage.get("params", [])}
    declared |= {axis.strip("${}") for stage in STAGES.values() for axis in stage.get("matrix", {}).values()}
    patterns = [re.compile(re.sub(r"\$\{item\.\w+\}", "[^.]+", key) + r"(\.|$)") for key in declared]

    def leaves(tree: object, prefix: str) -> list[str]:
        if not isinstance(tree, dict) or not tree:
            return [prefix]
        return [leaf for key, value in tree.items() for leaf in leaves(value, f"{prefix}.{key}" if prefix else key)]

    unread = [leaf for leaf in leaves(yaml(ROOT / "params.yaml"), "") if not any(p.match(leaf) for p in patterns)]
    unread = [leaf for leaf in unread if not any(leaf.startswith(f"{key}.") for key in NO_BYTE)]
    assert unread == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_all_the_code_it_runs(name: str) -> None:
    """Everything of ours that its module imports, and what these import in turn."""
    declared = [re.sub(r"\$\{item\.\w+\}", "*", dep) for dep in STAGES[name]["deps"]]

    def covered(file: str) -> bool:
        return any(file == dep or file.startswith(f"{dep}/") for dep in declared)

    missing = {file for file in reached(ROOT / "pipeline" / f"{name}.py") if not covered(file)}
    backbones = {file for file in missing if re.fullmatch(r"models/(?!timm_cpu)\w+\.py", file)} - TABLES
    if "models/*.py" in declared:
        missing -= backbones
    assert missing - PLUMBING - TABLES == set()


def reached(path: Path, seen: set[str] | None = None) -> set[str]:
    """Our files that a file imports, directly or not, as paths from the root."""
    seen = seen if seen is not None else set()
    for name in imports(path):
        stem = ROOT.joinpath(*name.split("."))
        for file in (stem.with_suffix(".py"), stem / "__init__.py"):
            key = file.relative_to(ROOT).as_posix()
            if file.is_file() and key not in seen:
                seen.add(key)
                reached(file, seen)
    return seen


def test_paths_are_written_in_dvc_yaml_only() -> None:
    code = [path for room in ("pipeline", "features", "models") for path in (ROOT / room).rglob("*.py")]
    literals = {
        f"{path.name}: {node.value}"
        for path in code
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("data/")
    }
    assert literals == set()


def test_nothing_but_the_report_depends_on_a_clock() -> None:
    """A store or a run that did would never be the same twice."""
    clocks = [out for stage in STAGES.values() for out in stage["outs"] if str(out).startswith("data/clock")]
    assert len(clocks) == 2  # of a training, and of an input's features
    readers = {
        name
        for name, stage in STAGES.items()
        if any(out == dep or out.startswith(f"{dep}/") for out in clocks for dep in stage["deps"])
    }
    assert readers == {"report"}


def test_training_depends_on_no_list_of_runs() -> None:
    """Or every run would train again when one is added."""
    assert not {"train", "train.seeds", "train.backbones", "backbones"} & set(STAGES["train"]["params"])


def test_half_written_things_and_bytecode_change_no_dependency() -> None:
    ignored = (ROOT / ".dvcignore").read_text().split("\n")
    assert {"__pycache__/", ".*.partial", ".*.checkpoint"} <= set(ignored)
