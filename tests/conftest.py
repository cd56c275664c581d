"""Fixtures that several rooms share."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from pipeline import params
from pipeline.errors import InputError, Refused

ROOT = Path(__file__).parent.parent
TINY = ROOT / "tests" / "tiny.yaml"
FOREIGN = ("PYTEST", "DVC_", "GIT_", "MAKE", "MFLAGS")  # what a test run adds to the environment of its commands

FIRST = ("test_readme.py", "test_engine.py")  # the longest files: the others fill the other core meanwhile

torch.set_num_threads(1)  # the suite runs on as many processes as there are cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real and third-party images that are not part of the project."""
    folder = Path(os.environ.get("LENSPREP_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no third-party images at {folder}; LENSPREP_SHARED_DATA says where they are")
    return folder


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder whose params.yaml is the miniature one."""
    (tmp_path / "params.yaml").write_text(TINY.read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def section() -> Callable[..., Any]:
    """A section of the miniature params.yaml, with overrides."""
    return lambda key, *overrides: params.read(overrides, key, path=TINY)


def environment(**more: str) -> dict[str, str]:
    """The environment of a command that a test runs: a user's, on one thread."""
    return {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)} | {"OMP_NUM_THREADS": "1"} | more


def ran(output: str) -> set[str]:
    """The stages that `dvc repro` or `dvc exp run` says it ran."""
    return set(re.findall(r"Running stage '([^']+)'", output))


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def complaint(work: Callable[[], object]) -> str:
    """What a user is told when a source cannot be opened, or when rows of it are refused."""
    try:
        work()
    except InputError as error:
        return str(error)
    except Refused as error:
        return "; ".join(f"{name}: {reason}" for name, reason in error.reasons.values())
    pytest.fail("nothing was refused")
