"""GPU slots: never two runs in one, all are served, and a run that dies lets go."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.slot import slot
from tests.conftest import ROOT, environment

GPUS = ["GPU-aa/1", "GPU-bb/2"]
RUN = """
import sys, time
from pathlib import Path
from pipeline.slot import slot
folder = Path(sys.argv[1])
with slot("auto", folder / "locks", {gpus!r}) as device:
    mine = folder / device
    mine.mkdir()  # fails where somebody else is in
    time.sleep(float(sys.argv[2]))
    mine.rmdir()
    (folder / f"served {{sys.argv[3]}}").write_text(device)
"""


def start(folder: Path, seconds: float, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN.format(gpus=GPUS), str(folder), str(seconds), name]
    return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)


def test_runs_that_compete_are_served_one_at_a_time_on_each_gpu(tmp_path: Path) -> None:
    runs = [start(tmp_path, 0.1, str(number)) for number in range(6)]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 6
    served = [file.read_text() for file in tmp_path.glob("served *")]
    assert len(served) == 6
    assert set(served) == {"cuda:0", "cuda:1"}
    assert set(said) <= {"", "all 2 GPUs are taken by other runs; waiting for one\n"}


def test_a_killed_run_frees_its_gpu(tmp_path: Path) -> None:
    killed = start(tmp_path, 60, "killed")
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "cuda:0").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with slot("cuda", tmp_path / "locks", GPUS) as second:
            assert second == "cuda:1"
            killed.kill()
            killed.wait()
            with slot("auto", tmp_path / "locks", GPUS) as freed:
                assert freed == "cuda:0"
    finally:
        killed.kill()
        killed.communicate()


def test_a_run_that_has_to_wait_says_so_and_takes_what_is_freed(tmp_path: Path) -> None:
    with slot("auto", tmp_path / "locks", GPUS) as first, slot("auto", tmp_path / "locks", GPUS) as second:
        assert [first, second] == ["cuda:0", "cuda:1"]
        waiting = start(tmp_path, 0, "late")
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "all 2 GPUs are taken by other runs; waiting for one\n"
        assert not (tmp_path / "served late").exists()
    waiting.communicate(timeout=30)
    assert (tmp_path / "served late").read_text() in ("cuda:0", "cuda:1")


def test_a_gpu_has_the_same_lock_whatever_its_number_here(tmp_path: Path) -> None:
    """CUDA_VISIBLE_DEVICES numbers GPUs anew: this process's second is that one's first."""
    with slot("auto", tmp_path, GPUS[::-1]) as mine, slot("auto", tmp_path, GPUS) as other:
        assert (mine, other) == ("cuda:0", "cuda:0")


@pytest.mark.parametrize(
    ("device", "gpus"), [("cpu", GPUS), ("cuda:1", GPUS), ("auto", []), ("auto", GPUS[:1]), ("cuda", GPUS[:1])]
)
def test_what_leaves_no_choice_is_given_back_and_touches_nothing(device: str, gpus: list[str], tmp_path: Path) -> None:
    with slot(device, tmp_path / "locks", gpus) as given:
        assert given == device
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locks").symlink_to(tmp_path)
    with (
        pytest.raises(InputError, match="belongs to somebody else; set TMPDIR"),
        slot("auto", tmp_path / "locks", GPUS),
    ):
        pass
