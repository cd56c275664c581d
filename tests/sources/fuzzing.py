"""A worker that opens damaged sources and says what became of them, and the boss that outlives it.

The worker is a process of its own: a case that kills it, hangs it or fills its memory is a result and not an end.
"""

import importlib
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError, Refused
from pipeline.params import Ingest
from tests.sources import mutations
from tests.sources.mutations import Tree

SECONDS = 10.0  # for one case
LEAST = 64 * 2**20  # bytes that any file may take
FACTOR = 20  # of its own size that a larger file may
ADDRESS_SPACE = 2 * 2**30  # beyond what the worker starts with


@dataclass(frozen=True)
class Subject:
    """A valid folder and how it is read."""

    name: str
    tree: Tree
    ingest: Ingest


@dataclass
class Tally:
    """What came of many cases."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    growth: int = 0  # bytes, the most of all cases
    seconds: float = 0.0


def fuzz(subjects: Mapping[str, list[Subject]], seeds: Iterable[int]) -> dict[str, Tally]:
    """Every seed once for every source, on the subjects of the source in turn."""
    foreign = [max(s.tree.values(), key=len)[:4096] for many in subjects.values() for s in many]
    tallies = {source: Tally() for source in subjects}
    with Boss(foreign) as boss:
        for seed in seeds:
            for source, many in subjects.items():
                begun = time.perf_counter()
                subject = many[seed % len(many)]
                outcome, detail, growth, size = boss.run(subject, seed)
                tally = tallies[source]
                tally.outcomes[outcome] += 1
                tally.growth = max(tally.growth, growth)
                tally.seconds += time.perf_counter() - begun
                if growth > max(LEAST, FACTOR * size):
                    outcome, detail = "memory", f"{growth / 2**20:.0f} MiB for a file of {size} bytes"
                if outcome not in ("read", "refused", "rows refused"):
                    tally.failures.append(f"{subject.name}, seed {seed}: {outcome}: {detail}")
    return tallies


class Boss:
    """Keeps one worker, and another when that one is lost."""

    def __init__(self, foreign: list[bytes]) -> None:
        self.foreign = foreign
        self.process: Any = None

    def __enter__(self) -> "Boss":
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def run(self, subject: Subject, seed: int) -> tuple[str, str, int, int]:
        """Outcome, its detail, growth of memory and size of the largest file [bytes]."""
        if self.process is None:
            self.hire()
        self.wire.send((subject, seed))
        try:
            if self.wire.poll(SECONDS):
                return self.wire.recv()
            self.dismiss()
        except EOFError:
            self.process.join()
            status, self.process = self.process.exitcode, None
            return "death", f"exit status {status}", 0, 0
        return "hang", f"nothing after {SECONDS} s", 0, 0

    def hire(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.wire, end = context.Pipe()
        self.process = context.Process(target=work, args=(end, self.foreign), daemon=True)
        self.process.start()
        end.close()

    def dismiss(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def work(wire: Connection, foreign: list[bytes]) -> None:
    """Cases until the boss hangs up."""
    from pipeline.sources import hdf5

    hdf5.PATIENCE = 3  # of SECONDS
    space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + ADDRESS_SPACE, resource.RLIM_INFINITY))
    folder, known = Path(tempfile.mkdtemp(prefix="fuzz")), set()
    try:
        while True:
            subject, seed = wire.recv()
            if subject.name not in known:  # imports, and the reader of HDF5, are no growth
                known.add(subject.name)
                intact(subject, folder / "intact")
            wire.send(case(subject, seed, foreign, folder / "case"))
    except EOFError:
        pass
    finally:
        shutil.rmtree(folder)


def intact(subject: Subject, folder: Path) -> tuple[str, str]:
    """What comes of the folder as it is."""
    shutil.rmtree(folder, ignore_errors=True)
    mutations.write(subject.tree, folder)
    try:
        return attempt(subject.ingest.model_copy(update={"path": str(folder)}))
    except Exception:
        return "error", traceback.format_exc()


def case(subject: Subject, seed: int, foreign: list[bytes], folder: Path) -> tuple[str, str, int, int]:
    mark = folder.with_name("it ran")
    tree = mutations.mutated(subject.tree, foreign, mutations.bomb(mark), seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    mutations.write(tree, folder)
    before = peaks_reset()
    try:
        outcome, detail = attempt(subject.ingest.model_copy(update={"path": str(folder)}))
    except Exception:
        outcome, detail = "error", traceback.format_exc()
    growth = peaks() - before
    if mark.exists():
        outcome, detail = "code ran", "a pickle was loaded"
        mark.rmdir()
    return outcome, detail, growth, max(map(len, tree.values()), default=0)


def attempt(ingest: Ingest) -> tuple[str, str]:
    """Open a source and read all of its rows; those it refuses, it must refuse by row, and read the others."""
    try:
        source = importlib.import_module(f"pipeline.sources.{ingest.source}").open_source(ingest)
        rows = np.arange(source.rows)
        try:
            lenses, outcome = source.read(rows), "read"
        except Refused as refused:
            if not refused.reasons or not all(name and why for name, why in refused.reasons.values()):
                return "error", f"rows refused without a reason: {refused.reasons}"
            rows, outcome = np.setdiff1d(rows, list(refused.reasons)), "rows refused"
            lenses = source.read(rows) if len(rows) else None
    except InputError as error:
        return ("refused", "") if str(error).strip() else ("error", "an InputError without a message")
    if lenses is not None:
        if lenses.images.dtype != np.float32 or lenses.images.shape != (len(rows), *source.shape):
            return "error", f"{lenses.images.dtype} images of shape {lenses.images.shape}"
        if not np.isfinite(lenses.images).all():
            return "error", "images that are not finite"
        if len(set(lenses.id.tolist())) != len(rows):
            return "error", "an id twice"
    return outcome, ""


def processes() -> list[Path]:
    """This process and the one in which HDF5 is read."""
    from pipeline.sources import hdf5

    reader = hdf5._reader(os.getpid()).process
    return [Path("/proc/self"), *([Path(f"/proc/{reader.pid}")] if reader else [])]


def peaks_reset() -> int:
    """Resident bytes now; from here peaks are counted anew."""
    for process in processes():
        (process / "clear_refs").write_text("5")
    return peaks()


def peaks() -> int:
    total = 0
    for process in processes():
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        total += int(status.get("VmHWM", "0").split()[0]) * 1024
    return total
