"""Long proofs: kills, separate clones, and what an edit re-runs, on the whole pipeline in miniature."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, environment, ran

pytestmark = pytest.mark.proof
Clone = Callable[[str, str], Path]
TIMED = re.compile(r"index\.html|cost_.*")  # the page and the figures that tell how long things took


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Makes a clone of what is committed, with the miniature params.yaml after one replacement in it."""

    def make(name: str, changes: str = "") -> Path:
        folder = tmp_path / name
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        text = TINY.read_text()
        for change in filter(None, changes.split(" | ")):
            before, after = change.split(" -> ")
            assert before in text
            text = text.replace(before, after)
        (folder / "params.yaml").write_text(text)
        return folder

    return make


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(PATH=f"{ROOT}/.venv/bin:{os.environ['PATH']}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *command: str) -> str:
    process = start(folder, *command)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def kill_when(folder: Path, line: str) -> str:
    """Start `dvc repro`, kill all of it as soon as it prints something that matches `line`; what it had printed."""
    process = start(folder, "dvc", "repro")
    assert process.stdout
    seen = ""
    for printed in process.stdout:
        seen += printed
        if re.search(line, printed):
            break
    else:
        pytest.fail(f"it never printed {line!r}:\n{seen}")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return seen


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of everything below a folder that a stage wrote, but for what depends on the clock."""
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not (file.name == ".gitignore" or TIMED.fullmatch(file.name))
        and not {"source", "clock"} & set(file.parts)
    ]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_two_clones_with_caches_of_their_own_agree_to_the_byte(clone: Clone) -> None:
    """Stores, split, metrics, and on one kind of CPU the weights and pictures too."""
    found = []
    for name in ("one", "two"):
        folder = clone(name, "")
        run(folder, "dvc", "repro")
        found.append(digests(folder / "data"))
    assert len(found[0]) > 60
    assert found[0] == found[1]


def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(clone: Clone) -> None:
    changes = "epochs: 2 -> epochs: 12"
    undisturbed, killed = clone("undisturbed", changes), clone("killed", changes)
    run(undisturbed, "dvc", "repro")
    kill_when(killed, r"^raw-cnn-all-0 +epoch 6/12")
    assert list((killed / "data" / "runs").glob(".raw-cnn-all-0.checkpoint"))
    output = run(killed, "dvc", "repro")
    assert re.search(r"going on from .*raw-cnn-all-0\.checkpoint, after [5-9] epochs", output)
    assert not re.search(r"^raw-cnn-all-0 +epoch 5/12", output, flags=re.MULTILINE)
    assert digests(killed / "data") == digests(undisturbed / "data")


def test_a_checkpoint_of_other_parameters_is_not_gone_on_from(clone: Clone) -> None:
    folder = clone("a", "epochs: 2 -> epochs: 12")
    kill_when(folder, r"^raw-cnn-all-0 +epoch 6/12")
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("weight_decay: 1.0e-2", "weight_decay: 0.1"))
    output = run(folder, "dvc", "repro", "train@raw-cnn-all-0")
    assert "belongs to other parameters, data or code; starting over" in output
    assert re.search(r"^raw-cnn-all-0 +epoch 1/12", output, flags=re.MULTILINE)


@pytest.mark.parametrize("delay", [0.0, 1.0, 2.0, 2.5, 3.0, 3.5])
def test_a_killed_engineer_leaves_nothing_that_is_believed(clone: Clone, delay: float) -> None:
    """Killed at six moments from its start; the next run ends with the bytes of an undisturbed one."""
    changes = "images: 60 -> images: 3000 | size: 24 -> size: 48"
    folder = clone("killed", changes)
    process = start(folder, "dvc", "repro", "engineer@engineered")
    assert process.stdout
    next(line for line in process.stdout if "python -m pipeline.engineer engineered" in line)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    run(folder, "dvc", "repro", "engineer@engineered")
    stores = folder / "data" / "engineered"
    recovered = digests(stores)
    run(folder, "dvc", "repro", "--force", "--single-item", "engineer@engineered")
    assert digests(stores) == recovered
    assert not list(stores.glob(".*.partial"))


def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(clone: Clone) -> None:
    folder = clone("edited", "backbones: [cnn] -> backbones: [cnn, resnet]")
    run(folder, "dvc", "repro")
    began = time.monotonic()
    assert ran(run(folder, "dvc", "repro")) == set()
    print(f"a repro with nothing to do: {time.monotonic() - began:.1f} s")

    edit(folder / "models" / "resnet.py")
    edited = ran(run(folder, "dvc", "repro"))
    assert {stage for stage in edited if "cnn" in stage} == set()
    assert {"train@raw-resnet-all-0", "train@engineered-resnet-all-0"} <= edited

    edit(folder / "features" / "ring" / "ridge.py")
    looking = {"engineer@raw", "engineer@engineered", "describe", "shortcuts"}
    timing = {"time_features@raw", "time_features@engineered", "report"}
    again = ran(run(folder, "dvc", "repro"))
    assert again == looking | timing, "what the first write is equal, and nothing follows"

    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("transform: linear", "transform: log"))
    stretched = ran(run(folder, "dvc", "repro"))
    assert "train@engineered-cnn-all-0" in stretched
    assert not {stage for stage in stretched if re.match(r"(normalise|train|predict|baselines)@raw", stage)}


def edit(path: Path) -> None:
    """A change of the file that changes nothing of what it does."""
    path.write_text(path.read_text() + "\n# edited\n")


def test_public_deeplense_files_go_all_the_way_to_a_verdict(clone: Clone, shared_data: Path) -> None:
    """200 of the 600 files have a mass; the path is relative and outside the clone, as a user would give it."""
    folder = clone("real", "")
    (folder.parent / "shared").symlink_to(shared_data.resolve().parent)
    source, path = "ingest.source=deeplense", "ingest.path=../shared/data/deeplense/Model_II"
    output = run(folder, "dvc", "exp", "run", "-S", source, "-S", path)
    assert "ingest: 600 images of 1 x 64 x 64 from deeplense" in output
    assert "400 of 600 left out for want of a target" in output
    assert "compare" in ran(output)
    assert "| engineered | cnn |" in (folder / "data" / "verdict.md").read_text()


def test_real_telescope_images_are_ingested_or_refused_by_name(clone: Clone, shared_data: Path) -> None:
    folder, shared = clone("real", ""), shared_data.resolve()
    ingest = (
        f"{ROOT}/.venv/bin/python",
        "-m",
        "pipeline.ingest",
        "images.zarr",
        "quarantine.csv",
        "ingest.source=fits",
    )
    survey = run(folder, *ingest, f"ingest.path={shared}/panstarrs/lensed_galaxies")
    assert "ingest: 119 images of 1 x 120 x 120 from fits" in survey
    hubble = run(folder, *ingest, f"ingest.path={shared}/hst/slacs0946+1006", "ingest.pattern=data.fits")
    assert "ingest: 1 images of 1 x 281 x 281 from fits" in hubble
    defective = (*ingest, f"ingest.path={shared}/panstarrs/defective", "ingest.pattern='*.fits'", "ingest.nan=mask")
    refused = start(folder, *defective)
    assert "1 of 4 images cannot be used, more than ingest.max_quarantined (0.05) allows" in refused.communicate()[0]
    assert refused.returncode == 1
    assert "ingest: 3 images of 1 x 120 x 120 from fits, 1 in quarantine" in run(
        folder, *defective, "ingest.max_quarantined=0.25"
    )
    assert re.search(r'HAHJ1328-3132_i\.fits,"every pixel is NaN', (folder / "quarantine.csv").read_text())


def test_setting_up_recovers_from_an_interrupted_try(tmp_path: Path) -> None:
    """A half-made .venv without the stamp is begun anew: shown on a stand-in project that installs in seconds."""
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "constraints.txt").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "0"\noptional-dependencies.dev = []\n[tool.setuptools]\npackages = []\n'
    )
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)
    run(tmp_path, "make", ".venv/.ok")
    assert run(tmp_path, ".venv/bin/python", "-c", "print(6 * 7)").strip() == "42"
    assert "up to date" in run(tmp_path, "make", ".venv/.ok")
    assert json.loads(run(tmp_path, ".venv/bin/python", "-m", "pip", "list", "--format=json"))
