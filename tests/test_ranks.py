"""Ranks: all of them end, whoever dies, and one clear line says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.ranks import World, launch, world
from tests.conftest import ROOT, environment

START = f"import os, signal, sys, time; sys.path.insert(0, {str(ROOT)!r}); rank = os.environ['RANK']; "
NOTE = (
    "note = f'{sys.argv[1]}/{rank}'; open(note + '.part', 'w').write(str(os.getpid())); "
    "os.rename(note + '.part', note); "
)
HANG = "time.sleep(60)"


def command(code: str, folder: Path) -> list[str]:
    """A rank that runs this code, after it has left its process id in the folder."""
    return [sys.executable, "-c", START + NOTE + code, str(folder)]


def pids(folder: Path, count: int = 2) -> list[int]:
    """The ranks' process ids, once all have begun."""
    until(lambda: all((folder / str(rank)).exists() for rank in range(count)))
    return [int((folder / str(rank)).read_text()) for rank in range(count)]


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; what only waits to be collected has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# who a process is


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, World(0, 1)),
        ({"WORLD_SIZE": "4", "RANK": "3"}, World(3, 4)),
        ({"WORLD_SIZE": "2", "RANK": "1"}, World(1, 2)),
    ],
)
def test_a_process_knows_its_place(variables: dict[str, str], expected: World) -> None:
    assert world(variables) == expected


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "two"}, r"^WORLD_SIZE, RANK: .*'two'; torchrun sets both"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, r"^RANK: 2 is none of 2 ranks"),
    ],
)
def test_a_place_that_cannot_be_is_refused(variables: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        world(variables)


# all goes well


def test_every_rank_is_told_its_place_and_only_the_first_one_prints(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = (
        "from pipeline.ranks import world; print('standard output', rank); sys.stderr.write(f'error output {rank}\\n');"
        "names = ('MASTER_ADDR', 'MASTER_PORT'); w = world(); "
        "open(f'{sys.argv[1]}/place{rank}', 'w').write(f'{w.rank} {w.size} {[os.environ[n] for n in names]}')"
    )
    launch(3, command(code, tmp_path))
    places = [(tmp_path / f"place{rank}").read_text() for rank in range(3)]
    assert [place[:3] for place in places] == ["0 3", "1 3", "2 3"]
    assert len({place[3:] for place in places}) == 1  # they meet at one address
    assert "127.0.0.1" in places[0]
    assert capfd.readouterr() == ("standard output 0\n", "error output 0\n")


def test_ranks_meet_in_torch_distributed(tmp_path: Path) -> None:
    code = (
        "import torch; import torch.distributed as d; d.init_process_group('gloo'); "
        "x = torch.tensor([1.0 + int(rank)]); d.all_reduce(x); "
        "open(f'{sys.argv[1]}/sum{rank}', 'w').write(str(x.item())); d.destroy_process_group()"
    )
    launch(2, command(code, tmp_path))
    assert [(tmp_path / f"sum{rank}").read_text() for rank in range(2)] == ["3.0", "3.0"]


# one of them fails


def test_a_killed_rank_ends_the_others_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        launch(2, command(f"rank == '1' and os.kill(os.getpid(), signal.SIGKILL); {HANG}", tmp_path))
    assert str(error.value) == (
        "rank 1 of 2 was killed (SIGKILL); the checkpoint is kept, run the same command again to go on"
    )
    assert all(map(gone, pids(tmp_path)))


def test_the_killed_one_is_named_alone_though_the_other_s_connection_broke_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = (
        "sys.stderr.write('a warning\\n'); open('/connection closed by peer') if rank == '0' else time.sleep(0.2); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with pytest.raises(InputError, match=r"^rank 1 of 2 was killed \(SIGKILL\)"):
        launch(2, command(code, tmp_path))
    assert capfd.readouterr() == ("", "a warning\n")


@pytest.mark.parametrize("who", ["0", "1", "01"])
def test_what_a_rank_says_at_its_end_is_said_once(who: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Prefixed by the stage, as its command line does it; the launcher's own will do it again."""
    code = f"rank in {who!r} and sys.exit('train: train.fit.loss: no huba'); {HANG}"
    with pytest.raises(InputError) as error:
        launch(2, command(code, tmp_path))
    assert str(error.value) == "train.fit.loss: no huba"
    assert capfd.readouterr() == ("", "")
    assert all(map(gone, pids(tmp_path)))


@pytest.mark.parametrize("who", ["0", "1"])
def test_a_crash_is_shown_with_its_traceback(who: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = f"x = 1 / 0 if rank == {who!r} else 1; {HANG}"
    with pytest.raises(InputError, match=rf"^rank {who} of 2 failed with exit status 1: ZeroDivisionError: division"):
        launch(2, command(code, tmp_path))
    assert capfd.readouterr().err.count("Traceback (most recent call last)") == 1


def test_of_two_that_crash_the_first_is_to_blame(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = f"time.sleep(0.2 * (rank == '0')); x = 1 / 0 if rank == '1' else open('/connection closed by peer'); {HANG}"
    with pytest.raises(InputError, match=r"^rank 1 of 2 failed with exit status 1: ZeroDivisionError"):
        launch(2, command(code, tmp_path))
    assert "by peer" not in capfd.readouterr().err


@pytest.mark.parametrize("who", ["0", "1"])
def test_torch_s_log_is_not_taken_for_the_message(who: str, tmp_path: Path) -> None:
    last = f"[rank{who}]:[W1127 03:00:00.0 ProcessGroup.cpp:1] Warning: destroy_process_group() was not called"
    code = f"sys.stderr.write('train: no\\n{last}\\n'); rank == {who!r} and sys.exit(1); {HANG}"
    with pytest.raises(InputError, match=r"^no$"):
        launch(2, command(code, tmp_path))


def test_a_rank_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    code = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); open(f'{sys.argv[1]}/deaf{rank}', 'w').close()\n"
        "while not all(os.path.exists(f'{sys.argv[1]}/deaf{r}') for r in '01'): time.sleep(0.01)\n"
        f"rank == '1' and sys.exit('over'); {HANG}"
    )
    with pytest.raises(InputError, match=r"^over$"):
        launch(2, command(code, tmp_path), patience=0.2)
    assert all(map(gone, pids(tmp_path)))


# the launcher dies


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_no_rank_outlives_its_launcher(number: signal.Signals, tmp_path: Path) -> None:
    """Not even one that ignores signals and is deep in something."""
    code = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); from pipeline.ranks import follow; follow(); {HANG}"
    launcher = f"from pipeline.ranks import launch; launch(2, {command(code, tmp_path)!r}, patience=0.2)"
    parent = subprocess.Popen(
        [sys.executable, "-c", launcher], cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    ranks = pids(tmp_path)
    assert not any(map(gone, ranks))
    parent.send_signal(number)
    until(lambda: all(map(gone, ranks)))
    assert parent.wait(30) == {signal.SIGTERM: 143, signal.SIGINT: -signal.SIGINT, signal.SIGKILL: -9}[number]


def test_who_has_no_launcher_follows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun minds its own ranks: a parent that is not ours says nothing."""
    code = "from pipeline.ranks import follow; import time; follow(); time.sleep(0.2); print('alive')"
    monkeypatch.delenv("LENSPREP_LAUNCHER", raising=False)
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "alive\n"
    code_of_an_orphan = f"import os; os.environ['LENSPREP_LAUNCHER'] = '{os.getpid() + 1}'; {code}"
    found = subprocess.run([sys.executable, "-c", code_of_an_orphan], cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (1, "")
