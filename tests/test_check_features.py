"""Asking features from the command line: what it prints, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.check_features import check_features
from pipeline.errors import InputError
from tests.conftest import ROOT, environment
from tests.features.test_extra import MINE


def command(*words: str, path: str = "") -> subprocess.CompletedProcess[str]:
    paths = f"{path}:{ROOT}" if path else str(ROOT)
    line = [sys.executable, "-m", "pipeline.check_features", *words]
    return subprocess.run(line, capture_output=True, text=True, env=environment(PYTHONPATH=paths), cwd=path or ROOT)


def test_a_feature_of_ones_own_is_asked_what_every_feature_is_asked(tmp_path: Path) -> None:
    """Every folder of the checkout but one is linked to; that one has the user's files in it."""
    for name in ("pipeline", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "features").mkdir()
    for path in (ROOT / "features").iterdir():
        if path.name not in {"extra", "__pycache__"}:
            (tmp_path / "features" / path.name).symlink_to(path)
    (tmp_path / "features" / "extra").mkdir()
    (tmp_path / "features" / "extra" / "__init__.py").write_text((ROOT / "features/extra/__init__.py").read_text())
    (tmp_path / "features" / "extra" / "mine.py").write_text(MINE)
    done = command(path=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "core: keeps its promises\n"), done.stderr
    wrong = MINE.replace("(images * near)", "((images - images.mean()) * near)")
    (tmp_path / "features" / "extra" / "mine.py").write_text(wrong)
    done = command(path=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.startswith("core: does not keep its promises\n  sees no company: (48, 48): differs beside")


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"^no feature 'rigde'; there are pixels, intensity, "):
        check_features(["rigde"])


def test_without_features_of_ones_own_it_says_where_they_go() -> None:
    done = command()
    assert done.returncode == 1
    assert done.stderr == (
        "check_features: features/extra/ has no features; name others, or see docs/features.md for how to add yours\n"
    )
