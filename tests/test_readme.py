"""The README: its table is the committed verdict, and its commands run as written."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.clones import cloned, committed
from tests.conftest import ROOT, environment, ran, yaml

README = (ROOT / "README.md").read_text()
COMMANDS = [block.strip() for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)]
Shell = Callable[[str], str]


def test_the_table_is_the_committed_verdict() -> None:
    shown = re.search(r"<!-- verdict -->\n(.*?)<!-- /verdict -->", README, flags=re.DOTALL)
    assert shown
    assert shown[1].strip() == (ROOT / "data" / "verdict.md").read_text().strip()


def test_every_file_it_points_to_exists() -> None:
    for name in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / name.partition("#")[0]).is_file(), name


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed and what is about to be, with the miniature params.yaml and a miniature of the studies."""
    folder = cloned(tmp_path_factory.mktemp("readme") / "clone")
    _in_miniature(folder / "studies" / "params.yaml")
    return committed(folder)


@pytest.fixture(scope="module")
def lenses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: 40 images with a mass, four without."""
    folder, generator = tmp_path_factory.mktemp("lenses"), np.random.default_rng(0)
    for i in range(44):
        both = np.empty(2, dtype=object)
        both[:] = generator.poisson(3.0, (24, 24)), 10 ** generator.uniform(-24, -22)
        np.save(folder / f"lens_{i}.npy", both if i < 40 else both[0], allow_pickle=True)
    return folder


@pytest.fixture(scope="module")
def shell(clone: Path, lenses: Path) -> Iterator[Shell]:
    """Runs a command in the clone, as the README's reader would, and gives what it printed."""
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    variables = environment(LENSES=str(lenses), **identity)

    def run(command: str) -> str:
        script = f"set -e; source .venv/bin/activate\n{command}"
        done = subprocess.run(["bash", "-c", script], cwd=clone, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    yield run
    run("dvc queue stop --kill")


def check_repro(clone: Path, shell: Shell, output: str) -> None:
    """Ends in the verdict; a second time does nothing; the stores are as their manifests say."""
    assert output.rstrip().endswith((clone / "data" / "verdict.md").read_text().rstrip())
    assert {"ingest", "train@raw-cnn-all-0", "predict@engineered-cnn-all-0", "report"} <= ran(output)
    assert ran(shell("dvc repro")) == set()
    shell("python -m pipeline.store verify data/*.zarr data/*/*.zarr data/prepared/*/*.zarr")
    assert {path.stem for path in (clone / "data" / "report" / "figures").iterdir()} == {
        "gallery",
        "learning",
        "scatter_log10_axion_mass",
        "error_by_bin_log10_axion_mass",
        "cost_log10_axion_mass",
    }
    shell("git add -A && git commit -qm 'what make repro gave'")


def check_stretch(clone: Path, shell: Shell, output: str) -> None:
    """The engineered branch ran again and no network was trained on raw; the metrics of raw are the same."""
    assert "train@engineered-cnn-all-0" in ran(output)
    assert not {stage for stage in ran(output) if re.match(r"(normalise|train|predict|baselines)@raw", stage)}
    before = json.loads(shell("git show HEAD:data/metrics.json"))["network"]
    after = json.loads((clone / "data" / "metrics.json").read_text())["network"]
    assert after["raw"] == before["raw"]
    assert after["engineered"] != before["engineered"]
    assert "network.engineered.cnn.all.log10_axion_mass.mae" in shell("dvc metrics diff")
    page = (clone / "dvc_plots" / "index.html").read_text()
    assert all(
        shown in page for shown in ("Predicted against true", "Validation loss by epoch", "error by bin", "gallery")
    )


def check_backbone(clone: Path, shell: Shell, output: str) -> None:
    """Two seeds of the other backbone, and no trace of the first in the verdict."""
    assert {f"train@{name}-resnet-all-{seed}" for name in ("raw", "engineered") for seed in (0, 1)} <= ran(output)
    network = json.loads((clone / "data" / "metrics.json").read_text())["network"]
    assert set(network["raw"]) == set(network["engineered"]) == {"resnet"}
    assert network["raw"]["resnet"]["all"]["log10_axion_mass"]["mae_std"] > 0


def check_queue(clone: Path, shell: Shell, output: str) -> None:
    """All three experiments end well."""
    for _ in range(300):
        status = shell("dvc queue status")
        if not re.search(r"Queued|Running", status):
            break
        time.sleep(1)
    assert status.count("Success") == 3, status


def check_lenses(clone: Path, shell: Shell, output: str) -> None:
    """To a verdict on a user's own files; images without a mass are counted and left out."""
    assert "ingest: 44 images of 1 x 24 x 24 from deeplense" in output
    assert "4 of 44 left out" in output
    assert "compare" in ran(output)


def check_gallery(clone: Path, shell: Shell, output: str) -> None:
    assert f"of 8 lenses in {Path('gallery/index.html')} and features.png" in output
    assert '<section id="pixels">' in (clone / "gallery" / "index.html").read_text()


def _in_miniature(plan: Path) -> None:
    """The smallest budget, and two backbones of ten."""
    asked = yaml(plan)
    arms = asked["studies"]["backbones"]["arms"]
    asked["budget"], asked["studies"]["backbones"]["arms"] = "smoke", {name: arms[name] for name in ("cnn", "d4net")}
    plan.write_text(json.dumps(asked))  # which is YAML


def check_study(clone: Path, shell: Shell, output: str) -> None:
    """A line for each backbone, at the budget of the study and not at that of params.yaml."""
    page = (clone / "studies" / "results" / "backbones" / "smoke" / "table.md").read_text()
    assert {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")} == {"cnn", "d4net"}
    assert "arcsinh-cnn-all-0  epoch 1/1" in output


def check_optimiser(clone: Path, shell: Shell, output: str) -> None:
    """Every network (of the last question, a resnet) was trained again, by another optimiser."""
    assert {"find_lr@raw-resnet", "train@raw-resnet-all-0", "train@engineered-resnet-all-1"} <= ran(output)
    made_of = json.loads((clone / "data" / "runs" / "raw-resnet-all-0" / "fingerprint.json").read_text())
    assert made_of["fit"]["optimiser"] == {"kind": "lion"}
    assert made_of["rate"]["learning_rate"] == 5e-4


def check_preview(clone: Path, shell: Shell, output: str) -> None:
    assert "simulate: 12 lenses of lens64 in lenses.png" in output
    assert (clone / "lenses.png").read_bytes().startswith(b"\x89PNG")
    (clone / "lenses.png").unlink()


CHECKS = {
    "make repro": check_repro,
    "transform=arcsinh": check_stretch,
    "train.backbones": check_backbone,
    "queue": check_queue,
    "pipeline.gallery": check_gallery,
    "studies/dvc.yaml:backbones": check_study,
    "optimiser.kind=lion": check_optimiser,
    "--preview": check_preview,
    "$LENSES": check_lenses,
}


def test_every_command_runs_as_written(clone: Path, shell: Shell) -> None:
    """One after the other, in the README's order; and does what the README says it does."""
    checked = []
    for command in COMMANDS:
        output = shell(command)
        for words, check in CHECKS.items():
            if words in command:
                check(clone, shell, output)
                checked.append(words)
    assert checked == list(CHECKS)
