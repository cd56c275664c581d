"""Several processes for one training: started, watched and ended together.

`launch` starts the same command once a rank, with torch.distributed's environment; torchrun does the same from
outside. Either way `world()` says which rank this process is.

A rank that dies leaves the others waiting for it in a collective operation, for minutes or for ever: the launcher ends
them and says what became of the first. When the launcher itself dies, even by SIGKILL, its ranks notice (`follow`).
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from pipeline.errors import InputError

LAUNCHER = "LENSPREP_LAUNCHER"  # the process id of the launcher, in the environment of its ranks
POLL = 0.05  # seconds between two looks at the ranks
SETTLE = 0.5  # seconds in which ranks that fail together do so: the first to be seen is not always the cause
LINES = 200  # of what a rank said last
LOG = re.compile(r"(\[rank\d+\]:)?\[[A-Z]\d{4} ")  # torch's own, of its last moments too


@dataclass(frozen=True)
class World:
    """Which of how many processes this one is."""

    rank: int
    size: int


def world(environment: Mapping[str, str] = os.environ) -> World:
    """This process's place, as a launcher's environment has it; alone without one."""
    try:
        size, rank = int(environment.get("WORLD_SIZE", 1)), int(environment.get("RANK", 0))
    except ValueError as error:
        raise InputError(f"WORLD_SIZE, RANK: {error}; torchrun sets both") from error
    here = int(environment.get("LOCAL_WORLD_SIZE", size))
    if here != size:
        raise InputError(f"LOCAL_WORLD_SIZE: {here} of {size} ranks; all must be on one machine (--nnodes 1)")
    if not 0 <= rank < size:
        raise InputError(f"RANK: {rank} is none of {size} ranks; torchrun sets both")
    return World(rank, size)


def follow() -> None:
    """From now on, end this process when the launcher that started it is gone; nothing where there was none.

    What a rank calls first: an orphan would hold its GPU for as long as it waits for the others.
    """
    launcher = os.environ.get(LAUNCHER)
    if launcher is not None:
        threading.Thread(target=_end_after, args=(int(launcher),), daemon=True).start()


def _end_after(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(POLL)
    os._exit(1)  # the main thread may be deep in a collective operation: no exception reaches it


def launch(size: int, command: Sequence[str], patience: float = 5.0) -> None:
    """Run `command` as `size` ranks on this machine and wait for all. Only the first one's output is shown.

    Raises `InputError` when one fails, after all have ended: with what it said, or with the signal that killed it. A
    rank that ignores SIGTERM for `patience` seconds is killed.
    """
    port = str(_free_port())
    with _interrupted_by_sigterm():
        ranks: list[_Rank] = []
        try:
            for number in range(size):  # one by one: an interrupt between two of them leaves none behind
                ranks.append(_Rank(number, size, command, port))
            failed = _first_failure(ranks)
        finally:
            _end(ranks, patience)
            for rank in ranks:
                rank.reader.join(patience)
    if failed is not None:
        raise InputError(failed.obituary())
    ranks[0].say()


class _Rank:
    """One process, and what it said on its standard error."""

    def __init__(self, rank: int, size: int, command: Sequence[str], port: str) -> None:
        self.rank, self.size = rank, size
        self.lines: deque[str] = deque(maxlen=LINES)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=None if rank == 0 else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=os.environ | _environment(rank, size, port),
        )
        self.stderr = cast(IO[str], self.process.stderr)
        self.code: int | None = None
        self.ended = 0.0  # seconds on a clock of no meaning
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        """Keep the lines; the first rank's go on as they come, but for those that may be about its end.

        Its last line is the error's message where it fails, and its traceback is of no interest where the cause is
        that another rank has died.
        """
        with self.stderr:
            for line in self.stderr:
                if self.rank == 0 and not self.crashed and not LOG.match(line):
                    self.say()
                self.lines.append(line)

    def say(self) -> None:
        """Show what was kept."""
        sys.stderr.writelines(self.lines)
        sys.stderr.flush()
        self.lines.clear()

    def look(self) -> int | None:
        """Its exit status, once it has one; and when that was first seen."""
        if self.code is None:
            self.code, self.ended = self.process.poll(), time.monotonic()
        return self.code

    @property
    def crashed(self) -> bool:
        """Whether it ended with an exception nobody foresaw, and not with a message."""
        return any("Traceback (most recent call last)" in line for line in self.lines)

    @property
    def last(self) -> str:
        """Its last line, without the rank that torch puts before it; of torch's own log nothing."""
        said = (re.sub(r"^\[rank\d+\]: *", "", line.strip()) for line in reversed(self.lines) if not LOG.match(line))
        return next((line for line in said if line), "")

    def obituary(self) -> str:
        """What became of it, for whoever started the launcher."""
        who, last = f"rank {self.rank} of {self.size}", self.last
        if self.code is not None and self.code < 0:
            name = signal.Signals(-self.code).name
            if name != "SIGKILL":  # it may have had something to say
                self.say()
            return f"{who} was killed ({name}); the checkpoint is kept, run the same command again to go on"
        if self.crashed or not last:
            self.say()
            return f"{who} failed with exit status {self.code}: {last or 'it said nothing'}"
        return last.removeprefix("train: ")  # its own launcher will say that again


def _environment(rank: int, size: int, port: str) -> dict[str, str]:
    """What torch.distributed and Fabric look for, and a fair share of the cores."""
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // size)))
    return {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": str(size),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "OMP_NUM_THREADS": threads,
        LAUNCHER: str(os.getpid()),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _first_failure(ranks: Sequence[_Rank]) -> _Rank | None:
    """Wait until all have ended well, or one has not: then the one that is to blame.

    One that was killed, before one that had something to say, before those that crashed: of these the first, because
    the others' connections broke with its end.
    """
    while all(code in (None, 0) for code in [rank.look() for rank in ranks]):
        if all(rank.code == 0 for rank in ranks):
            return None
        time.sleep(POLL)
    deadline = time.monotonic() + SETTLE
    while time.monotonic() < deadline and None in [rank.look() for rank in ranks]:
        time.sleep(POLL)
    failed = [rank for rank in ranks if rank.code not in (None, 0)]
    for rank in failed:
        rank.reader.join(SETTLE)  # until its last words have come through
    return min(failed, key=lambda rank: (rank.code is not None and rank.code > 0, rank.crashed, rank.ended))


def _end(ranks: Sequence[_Rank], patience: float) -> None:
    """End whoever is left: asked first, then made to."""
    left = [rank.process for rank in ranks if rank.process.poll() is None]
    for process in left:
        process.terminate()
    deadline = time.monotonic() + patience
    for process in left:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as SIGINT does, by an exception: `finally` is then reached."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
