"""Logs: curves where they belong, each step once, and dvc.yaml as it was."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.logs import logger
from pipeline.places import place
from tests.conftest import ROOT, environment

YAML = "stages:\n  train:  # a comment\n    cmd: echo done\n"
RUN = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from pipeline.logs import logger
for since, stop in ((0, 4), (2, 5)):
    log = logger("dvclive", Path("logs/a-run"), since)
    for step in range(since, stop):
        log.log(step, {{"loss/train": since + step / 10, "rate": 1.0}})
    if not since: continue  # killed
    log.close()
"""


def git(*words: str, folder: Path) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project under git and DVC, as `dvc init` leaves it, with a stage."""
    git("init", "-q", folder=tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("")
    (tmp_path / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (tmp_path / ".gitignore").write_text("/logs\n")
    (tmp_path / "dvc.yaml").write_text(YAML)
    git("add", ".", folder=tmp_path)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "begin", folder=tmp_path)
    return tmp_path


@pytest.mark.parametrize("inside", [{}, {"DVC_ROOT": "."}], ids=["by hand", "in a stage"])
def test_dvclive_leaves_the_project_as_it_was_and_goes_on_where_a_killed_run_resumes(
    inside: dict[str, str], repository: Path
) -> None:
    """Killed after step 3, resumed from a checkpoint of step 2: steps 2 and 3 are the later run's."""
    variables = environment(**{name: str(repository) for name in inside})
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", RUN], cwd=repository, env=variables, check=True)
    assert (repository / "dvc.yaml").read_bytes() == YAML.encode()
    assert git("status", "--porcelain", folder=repository) == ""
    assert git("for-each-ref", "refs/exps", folder=repository) == ""
    run = repository / "logs" / "a-run"
    curve = pd.read_csv(run / "plots" / "metrics" / "loss" / "train.tsv", sep="\t")
    assert curve["step"].tolist() == [0, 1, 2, 3, 4]
    assert curve["train"].tolist() == [0.0, 0.1, 2.2, 2.3, 2.4]
    assert json.loads((run / "metrics.json").read_text())["step"] == 4
    assert [file.name for file in (repository / "logs").iterdir()] == ["a-run"]


def events(folder: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [(event.step, round(event.value, 4)) for event in accumulator.Scalars(tag)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own
def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    for since, stop in ((0, 4), (2, 5)):
        log = logger("tensorboard", tmp_path / "a-run", since)
        for step in range(since, stop):
            log.log(step, {"loss/train": since + step / 10})
        log.close()
    assert events(tmp_path / "a-run", "loss/train") == [(0, 0.0), (1, 0.1), (2, 2.2), (3, 2.3), (4, 2.4)]
    anew = logger("tensorboard", tmp_path / "a-run")
    anew.log(0, {"loss/train": 7.0})
    anew.close()
    assert events(tmp_path / "a-run", "loss/train") == [(0, 7.0)]


def test_none_touches_nothing(tmp_path: Path) -> None:
    log = logger("none", tmp_path / "logs" / "a-run", 3)
    log.log(0, {"loss": 1.0})
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^train\.watch\.log: no 'wandb'; there are none, dvclive, tensorboard$"):
        logger("wandb", tmp_path / "a-run")


@pytest.mark.parametrize(("kind", "package"), [("dvclive", "dvclive"), ("tensorboard", "tensorboard")])
def test_a_package_that_is_not_there_is_named(
    kind: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package or name == "torch.utils.tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"^train\.watch\.log: {kind} needs .*{package}.*pip install '\.\[logs\]'"):
        logger(kind, tmp_path / "a-run")
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_no_folder_for_curves() -> None:
    with pytest.raises(InputError, match=r"^train\.watch\.log: dvclive writes to a local folder, not to memory://"):
        logger("dvclive", place("memory://bucket/logs"))
