"""Engines: the same outcome from each, and what happens to those that die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import engine
from pipeline.errors import InputError
from pipeline.params import Engine
from tests.conftest import ROOT

KINDS = ("serial", "processes", "dask")


def how(kind: str, **more: object) -> Engine:
    return Engine(**({"kind": kind, "workers": 2, "threads": 1, "address": "", "retries": 2} | more))


@dataclass(frozen=True)
class Square:
    """Squares a number and says in which process; may die first, may fail."""

    folder: str
    dies_at: int = -1
    times: int = 1
    fails_at: int = -1

    def weight(self, item: int) -> int:
        return 10

    def __call__(self, item: int, tick: engine.Tick) -> tuple[int, int, str]:
        if item == self.fails_at:
            raise InputError(f"item {item}: planted")
        lives = list(Path(self.folder).glob("died-*"))
        if item == self.dies_at and len(lives) < self.times:
            (Path(self.folder) / f"died-{len(lives)}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        tick(self.weight(item))
        return item**2, os.getpid(), os.environ.get("OMP_NUM_THREADS", "")


def outcomes(kind: Engine, job: Square, count: int = 6) -> list[tuple[int, int, str]]:
    ticks: list[int] = []
    found = list(engine.run(kind, job, list(range(count)), ticks.append))
    assert sum(ticks) == 10 * count
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_engine_answers_for_every_item_once(kind: str, tmp_path: Path) -> None:
    found = outcomes(how(kind), Square(str(tmp_path)))
    assert sorted(square for square, _, _ in found) == [0, 1, 4, 9, 16, 25]
    elsewhere = {process for _, process, _ in found} - {os.getpid()}
    assert bool(elsewhere) == (kind != "serial")


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_workers_have_the_threads_that_were_asked_for(kind: str, tmp_path: Path) -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    assert {threads for _, _, threads in outcomes(how(kind, threads=3), Square(str(tmp_path)), 2)} == {"3"}
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_do_starts_nothing(kind: str, tmp_path: Path) -> None:
    assert outcomes(how(kind, address="tcp://127.0.0.1:1"), Square(str(tmp_path)), 0) == []


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_a_worker_that_dies_costs_its_item_only(kind: str, tmp_path: Path) -> None:
    found = outcomes(how(kind), Square(str(tmp_path), dies_at=3, times=1))
    assert sorted(square for square, _, _ in found) == [0, 1, 4, 9, 16, 25]
    assert (tmp_path / "died-0").exists()


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_an_item_that_kills_every_worker_is_given_up(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"engine\.retries: .*worker"):
        outcomes(how(kind, retries=1), Square(str(tmp_path), dies_at=1, times=99), 3)
    assert 2 <= len(list(tmp_path.iterdir())) <= 4


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_ends_the_run_and_leaves_no_process(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item 2: planted"):
        outcomes(how(kind, retries=0), Square(str(tmp_path), fails_at=2))
    deadline = time.monotonic() + 10
    while children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children() == []


def children() -> list[str]:
    """Processes that this one has started and that run our code."""
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if "spawn_main" in line]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers without nannies, each a process of its own, that talk over TCP."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": tmp_path}
    place = tmp_path / "scheduler.json"
    python = [sys.executable, "-m"]
    scheduler = subprocess.Popen(
        [*python, "distributed.cli.dask_scheduler", "--port", "0", "--dashboard-address", ":0", "--host", "127.0.0.1",
         "--scheduler-file", str(place)], **quiet,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    address = json.loads(place.read_text())["address"]
    workers = [
        subprocess.Popen([*python, "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1"], **quiet)
        for _ in range(2)
    ]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def test_a_running_scheduler_is_used_and_one_of_its_workers_may_die(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, workers = cluster
    found = outcomes(how("dask", address=address), Square(str(tmp_path), dies_at=3))
    assert sorted(square for square, _, _ in found) == [0, 1, 4, 9, 16, 25]
    assert {process for _, process, _ in found} <= {worker.pid for worker in workers}
    assert sorted(worker.poll() is None for worker in workers) == [False, True]
    assert "engine: Dask dashboard at http://127.0.0.1:" in capsys.readouterr().out


def test_no_scheduler_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 1)
    with pytest.raises(InputError, match=r"engine\.address: no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        outcomes(how("dask", address="tcp://127.0.0.1:1"), Square(str(tmp_path)))
