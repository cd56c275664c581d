"""The house: who may import whom, and that importing does next to nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted(path for room in ("pipeline", "features", "models") for path in (ROOT / room).rglob("*.py"))
ROOMS = {"pipeline", "features", "models", "studies", "tests", "benchmarks"}
STAGES = {path.stem for path in (ROOT / "pipeline").glob("*.py") if 'if __name__ == "__main__"' in path.read_text()}
BACKBONES = {path.stem for path in (ROOT / "models").glob("*.py")} - {"__init__", "timm_cpu"}


TOP = {"dvc.yaml", "dvc.lock", "params.yaml", "pyproject.toml", "constraints.txt", "Makefile", "README.md"} | {
    *("CONTRIBUTING.md", "LICENSE", "pipeline", "features", "models", "tests", "data", "benchmarks", "docs", "studies"),
    *("mkdocs.yml", "CITATION.cff"),
}


def test_the_table_of_contents_is_the_tree() -> None:
    """What a stray command leaves behind at the top is not committed unseen."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.split("/")[0] for name in listed.splitlines() if not name.startswith(".")} == TOP


def imports(path: Path) -> Iterator[str]:
    """Dotted names of our own modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ROOMS)


def allowed(path: Path, name: str) -> bool:
    room, *inner = path.relative_to(ROOT).with_suffix("").parts
    target, *rest = name.split(".")
    if room == "pipeline":
        stage_to_stage = target == "pipeline" and rest[:1] and rest[0] in STAGES and path.parent.name == "pipeline"
        return target in {"pipeline", "features", "models"} and not stage_to_stage
    if target != room:
        return False
    if room == "features" and inner[0] not in {"__init__", "contract", "table"}:
        return rest[0] in {"geometry", "filters", "feature", inner[0]}
    if room == "models" and inner[0] in BACKBONES:
        return rest[:1] in (["blocks"], ["timm_cpu"])
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_what_it_may(path: Path) -> None:
    assert [name for name in imports(path) if not allowed(path, name)] == []


def test_the_rooms_are_furnished() -> None:
    """The rules above are about something."""
    assert {
        "ingest",
        "audit",
        "split",
        "engineer",
        "time_features",
        "normalise",
        "find_lr",
        "train",
        "predict",
        "shift",
        "predict_shifted",
        "baselines",
        "describe",
        "shortcuts",
        "compare",
        "report",
        "simulate",
        "check_features",
        "gallery",
    } == STAGES
    assert {"cnn", "resnet"} <= BACKBONES


def test_only_the_store_imports_zarr() -> None:
    """And of the store only what reads other people's: our own bytes need no library, and change with none."""
    with_zarr = [path.name for path in FILES if "import zarr" in path.read_text() or "from zarr" in path.read_text()]
    assert with_zarr == ["foreign.py"]


@pytest.mark.parametrize("stage", ["split", "compare"])
def test_a_data_stage_starts_without_the_heavy_libraries(stage: str) -> None:
    heavy = ("torch", "timm", "lightning_fabric", "sklearn", "matplotlib")
    code = f"import sys, pipeline.{stage}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_network_without_timm_does_not_import_it() -> None:
    code = "import sys, models; models.build('cnn', 1, 1); print('timm' in sys.modules, 'torchvision' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False False"
