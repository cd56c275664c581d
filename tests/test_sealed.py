"""The test rows are sealed: `normalise` writes their store, `predict` and `baselines` open it, nobody else can.

A stage can open a file if its command line names it or a folder above it, if its code writes a path of its own, or if
its code climbs from one path to another. The first is read from dvc.yaml; the others are looked for in the code.
"""

import ast
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, yaml
from tests.test_house import FILES, STAGES, imports

GRAPH: dict[str, Any] = yaml(ROOT / "dvc.yaml")["stages"]
READERS = {"predict", "baselines"}
SEALED = "test.zarr"
OPENED_BY = "tables.predicted"  # the one function that opens it
CLIMBING = {"parent", "parents", "dirname", "listdir", "scandir", "walk"}


def pattern(path: str) -> list[str]:
    """The parts of a path of dvc.yaml, with a star for what the matrix fills in."""
    path = re.sub(r"\$\{item\.[^}]*\}", "*", path)
    return path.replace("${ingest.path}", yaml(ROOT / "params.yaml")["ingest"]["path"]).split("/")


def at_or_above(path: str, sealed: str) -> bool:
    """Whether some filling of the stars makes `path` the sealed one or a folder above it."""
    pairs = list(zip_longest(pattern(path), pattern(sealed)))
    return all(a is None or (b is not None and ("*" in a + b or a == b)) for a, b in pairs)


def named(paths: list[Any]) -> list[str]:
    return [path if isinstance(path, str) else next(iter(path)) for path in paths]


def sealed_stores() -> list[str]:
    return [out for stage in GRAPH.values() for out in named(stage["outs"]) if Path(out).name == SEALED]


def stages_with(paths: dict[str, list[str]]) -> set[str]:
    return {name for name, own in paths.items() if any(at_or_above(p, s) for p in own for s in sealed_stores())}


def literals(tree: ast.AST) -> Iterator[str]:
    """Every string of a module but its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.value


def ways_in(source: str) -> set[str]:
    """What in a module's code could lead to a store that its command line does not name."""
    tree = ast.parse(source)
    found = {word for word in literals(tree) if SEALED in word or ".." in Path(word).parts or word.startswith("data/")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLIMBING:
            found.add(node.attr)
        if isinstance(node, ast.ImportFrom):
            found |= CLIMBING & {alias.name for alias in node.names}
    return found


def uses(source: str, function: str) -> bool:
    """Whether a module names a function of one of ours, however it imports it."""
    module, name = function.split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == f"pipeline.{module}":
            named_so = bool({alias.name for alias in node.names} & {name, "*"})
        else:
            named_so = isinstance(node, ast.Attribute) and node.attr == name
        if named_so:
            return True
    return False


def code(module: str) -> str:
    return (ROOT / "pipeline" / f"{module}.py").read_text()


def test_there_is_something_to_seal() -> None:
    assert sealed_stores() == ["data/prepared/${item.input}/test.zarr"]


def test_only_its_writer_and_its_readers_are_given_a_path_to_it() -> None:
    words = {name: re.findall(r"data\S*", stage["cmd"]) for name, stage in GRAPH.items()}
    assert all(words.values()), "every stage is given paths"
    assert stages_with(words) == READERS | {"normalise"}


def test_only_its_readers_depend_on_it_and_only_normalise_writes_it() -> None:
    assert stages_with({name: named(stage["deps"]) for name, stage in GRAPH.items()}) == READERS
    assert stages_with({name: named(stage["outs"]) for name, stage in GRAPH.items()}) == {"normalise"}


def test_no_other_stage_has_a_way_to_it_in_its_code() -> None:
    assert {name for name in STAGES if ways_in(code(name))} == {"normalise"}
    assert ways_in(code("normalise")) == {SEALED}


def test_it_is_named_where_it_is_written_and_where_it_is_opened_and_nowhere_else() -> None:
    naming = {path for path in FILES if any(SEALED in word for word in literals(ast.parse(path.read_text())))}
    assert naming == {ROOT / "pipeline" / "normalise.py", ROOT / "pipeline" / "tables.py"}


def test_only_its_readers_use_what_opens_it() -> None:
    """`tables` may be imported for the tables; the table of stores stays inside it, and no stage imports a reader."""
    assert {path.stem for path in FILES if uses(path.read_text(), OPENED_BY)} == READERS
    assert not any(uses(path.read_text(), "tables.STORE_OF_ROLE") for path in FILES)
    importing = {
        path.stem for path in FILES for name in imports(path) if name.split(".")[1:2] in ([r] for r in READERS)
    }
    assert importing == set()


def test_within_tables_one_function_opens_stores() -> None:
    functions = [node for node in ast.parse(code("tables")).body if isinstance(node, ast.FunctionDef)]
    opening = {
        f.name for f in functions for node in ast.walk(f) if isinstance(node, ast.Call) if called(node) == "Store"
    }
    assert opening == {OPENED_BY.split(".")[1]}


def test_normalise_opens_what_it_is_given_to_read_and_not_what_it_writes() -> None:
    calls = [node for node in ast.walk(ast.parse(code("normalise"))) if isinstance(node, ast.Call)]
    opened = {ast.unparse(argument) for node in calls if called(node) == "Store" for argument in node.args}
    assert opened == {"images", "engineered"}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).split(".")[-1]


@pytest.mark.parametrize(
    "line",
    [
        "Store(Path(prepared) / 'test.zarr')",
        "Store(Path(fit).parent / name)",
        "Store(f'{fit}/../{name}')",
        "Store('data/prepared/raw/' + name)",
        "[Store(p) for p in os.listdir(folder)]",
        "from os.path import dirname",
    ],
)
def test_a_planted_way_in_is_seen(line: str) -> None:
    assert ways_in(f'"""test.zarr in a docstring is only talk."""\n{line}')
    assert not ways_in('"""test.zarr in a docstring is only talk."""\nStore(fit)')


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("data/prepared/${item.input}", True),
        ("data/prepared/raw", True),
        ("data/prepared", True),
        ("data", True),
        ("data/prepared/${item.input}/fit.zarr", False),
        ("data/engineered/${item.input}.zarr", False),
    ],
)
def test_a_path_leads_to_it_from_above(path: str, leads: bool) -> None:
    assert at_or_above(path, sealed_stores()[0]) == leads


@pytest.mark.parametrize(
    "line", ["from pipeline.tables import predicted", "from pipeline.tables import *", "tables.predicted(a, b)"]
)
def test_a_planted_use_is_seen(line: str) -> None:
    assert uses(line, OPENED_BY)
    assert not uses("from pipeline.tables import read", OPENED_BY)
