"""Experiments: DVC's, by name, against the first; from its cache, past the workspace."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline import compare, tables
from pipeline.errors import InputError
from pipeline.verdict import experiments
from tests.conftest import ROOT, TINY, environment
from tests.verdict.fabricated import PLACES, WRITTEN, fabricate

SEEDS = [0, 1, 2, 3, 4, 5, 6]  # of two inputs; from six no corrected p could be below .05
WORDS = " ".join(f"data/{name}" for name in (*PLACES, *WRITTEN))
STAGES = {"compare": {"cmd": f"python -m pipeline.compare {WORDS}"}}
CACHED = [f"data/{name}" for name in PLACES if name not in ("runs", "audit.json", "shifted")]
VARIABLES = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's way with its own pygtrie
COMMAND = (sys.executable, "-m", "pipeline.compare", "--experiments")


def shell(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    variables = environment(PYTHONPATH=str(ROOT), **VARIABLES, **more)
    return subprocess.run(command, env=variables, capture_output=True, text=True)


def git(*words: str) -> str:
    done = shell("git", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def set_down(stages: object = STAGES) -> None:
    """The workspace's pipeline."""
    YAML().dump({"stages": stages}, Path("dvc.yaml"))
    Path("params.yaml").write_text(TINY.read_text().replace("seeds: [0]", f"seeds: {SEEDS}"))


def commit(branch: str, *cached: str) -> None:
    """The workspace as a branch, its data in DVC's cache."""
    git("checkout", "-q", "-B", branch)
    if cached:
        with Repo() as repo:
            repo.add(list(cached))
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", branch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`main`, and `other`, whose networks are wrong by half as much."""
    folder = tmp_path_factory.mktemp("experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        git("init", "-q", "-b", "main")
        Repo.init().close()
        set_down()
        fabricate(folder / "data", SEEDS)
        commit("main", *CACHED)
        for path in Path("data/predictions").iterdir():
            table = pd.read_parquet(path)
            path.unlink()  # a link to the cache perhaps
            tables.write(table.assign(prediction=(table["prediction"] + table["truth"]) / 2), path)
        commit("other", "data/predictions")
        git("checkout", "-q", "main")
        with Repo() as repo:
            repo.checkout()
    return folder


@pytest.fixture
def repository(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def state(folder: Path) -> dict[str, bytes]:
    """Every file of the workspace."""
    files = [path for path in folder.rglob("*") if path.is_file() and not {".git", ".dvc"} & set(path.parts)]
    return {str(path): path.read_bytes() for path in files}


def rmse(name: str) -> float:
    """Of the workspace's networks, the mean over seeds."""
    runs = [pd.read_parquet(f"data/predictions/{name}-cnn-all-{seed}.parquet") for seed in SEEDS]
    tests = [table[table["role"] == "test"] for table in runs]
    return float(np.mean([np.sqrt(((one["prediction"] - one["truth"]) ** 2).mean()) for one in tests]))


def test_the_command_prints_the_verdict_and_touches_nothing(repository: Path) -> None:
    before, status = state(repository), git("status", "--porcelain")
    done = shell(*COMMAND, "main", "other")
    assert done.returncode == 0, done.stderr
    for name in ("raw", "engineered"):
        assert f"**other:{name} − main:{name} with cnn: better.** RMSE −{rmse(name) / 2:.4f} [" in done.stdout
    assert done.stdout.startswith("Of these images the audit says:\n\n- `noise_free`")
    assert state(repository) == before
    assert git("status", "--porcelain") == status


def test_the_order_says_who_is_the_control(repository: Path) -> None:
    commits = [git("rev-parse", name).strip() for name in ("other", "main")]
    text = experiments.verdict(commits)
    first, second = commits
    assert f"**{second}:raw − {first}:raw with cnn: worse.** RMSE {rmse('raw') / 2:+.4f} [" in text


def test_the_workspace_itself_is_not_asked(repository: Path) -> None:
    """What is being worked on may be half gone."""
    path = Path("data/predictions/raw-cnn-all-0.parquet")
    kept = path.read_bytes()
    path.unlink()
    try:
        assert "no predictions of seed" not in experiments.verdict(["main", "other"])
    finally:
        path.write_bytes(kept)


def test_an_unknown_name_is_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^compare: nobody: no branch, tag, commit or experiment of that name") as end:
        experiments.main(["main", "nobody"])
    assert "\n" not in str(end.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("names", [[], ["main"], ["main", "main"]])
def test_it_takes_two_names(repository: Path, names: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"^usage: python -m pipeline\.compare --experiments FIRST OTHER"):
        experiments.main(names)


def in_another(change: Callable[[], tuple[str, ...]]) -> str:
    """What is said of a branch of `main` with something changed."""
    try:
        cached = change()
        commit("changed", *cached)
    finally:
        git("checkout", "-q", "-f", "main")
        with Repo() as repo:
            repo.checkout(force=True)
    with pytest.raises(InputError) as found:
        experiments.verdict(["main", "changed"])
    return str(found.value)


def test_an_experiment_of_another_pipeline_is_refused_by_name(repository: Path) -> None:
    def older() -> tuple[str, ...]:
        set_down({"compare": {"cmd": "python -m pipeline.compare data/predictions data/baselines"}})
        return ()

    said = "changed: its dvc.yaml has no stage that runs pipeline.compare PREDICTIONS BASELINES LENSES RUNS SPLIT AUDIT"
    assert in_another(older).startswith(said)


def test_an_experiment_that_was_never_run_is_refused_by_name(repository: Path) -> None:
    def unrun() -> tuple[str, ...]:
        Path("data/lenses.parquet.dvc").unlink()
        Path("data/lenses.parquet").unlink()
        return ()

    assert in_another(unrun).startswith("changed: it has no data/lenses.parquet; run that experiment")


def test_experiments_on_other_test_lenses_are_not_paired(repository: Path) -> None:
    def renamed() -> tuple[str, ...]:
        for path in Path("data/predictions").iterdir():
            table = pd.read_parquet(path)
            path.unlink()
            tables.write(table.assign(id=table["id"] + "'"), path)
        return ("data/predictions",)

    said = "changed:raw-cnn-all: its test lenses are not those of main:raw-cnn-all; run both on one split"
    assert in_another(renamed).startswith(said)


def test_experiments_that_share_nothing_are_not_compared(repository: Path) -> None:
    def renamed() -> tuple[str, ...]:
        text = Path("params.yaml").read_text()
        Path("params.yaml").write_text(text.replace("backbones: [cnn]", "backbones: [resnet]"))
        for path in Path("data/predictions").iterdir():
            path.rename(path.with_name(path.name.replace("cnn", "resnet")))
        return ("data/predictions",)

    assert in_another(renamed) == ("main, changed: no input, backbone and size in common; there is nothing to compare")


def test_predictions_that_nobody_has_any_more_are_refused_by_name(repository: Path) -> None:
    """Not in the cache, and there is no remote."""

    def lost() -> tuple[str, ...]:
        before = set(Path(".dvc/cache").rglob("*"))
        path = Path("data/split.json")
        path.unlink()
        path.write_text(json.dumps({"counts": {"train": 451}}))
        with Repo() as repo:
            repo.add([str(path)])
        for added in set(Path(".dvc/cache").rglob("*")) - before:
            if added.is_file():
                added.unlink()
        return ()

    assert in_another(lost).startswith("changed: cannot be fetched: ")


RUN = """
from pathlib import Path
from pipeline import params
from tests.verdict.fabricated import fabricate
fabricate(Path("data"), params.read([], "train.seeds"), first=params.read([], "split.seed"))
"""


@pytest.mark.proof
def test_an_experiment_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `dvc exp run` left it: a commit on no branch, made outside the workspace."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    Repo.init().close()
    outs = [*CACHED, "data/audit.json"]
    predict = {"cmd": "python run.py", "deps": ["run.py"], "params": ["split.seed", "train.seeds"], "outs": outs}
    set_down({"predict": predict} | STAGES)
    Path("run.py").write_text(RUN)
    variables = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in ("repro predict", "exp run --temp -n tilted -S split.seed=3 predict"):
        done = shell(sys.executable, "-m", "dvc", *command.split(), **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        commit("main")
    before = state(tmp_path)
    found = rmse("raw")
    done = shell(*COMMAND, "main", "tilted")
    assert done.returncode == 0, done.stderr
    (said,) = re.findall(r"\*\*tilted:raw − main:raw with cnn: \w+\.\*\* RMSE (\S+)", done.stdout)
    assert state(tmp_path) == before
    shell(sys.executable, "-m", "dvc", "exp", "apply", "tilted", **variables)
    assert float(said) == pytest.approx(rmse("raw") - found, abs=5e-5)
    assert float(said) != 0


def test_the_stage_is_where_the_experiments_are_looked_up() -> None:
    """The first words of `compare` are what `--experiments` takes from a dvc.yaml."""
    usage = compare.compare.__annotations__
    assert list(usage)[: len(experiments.READ)] == list(experiments.READ)
