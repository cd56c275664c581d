"""Source `hdf5`: arrays of images in .h5 and .hdf5 files, with labels as one-dimensional arrays beside them.

The HDF5 library does not survive every damaged file, so it runs in a process of its own (hdf5_reader.py); what it does
there ends as an error that names the file.
"""

import atexit
import json
import math
import os
import signal
import subprocess
import sys
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

import numpy as np
from jaxtyping import Shaped

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source
from pipeline.sources.arrays import Format, Header
from pipeline.sources.cubes import open_cubes
from pipeline.sources.files import below

PATTERNS = ("**/*.h5", "**/*.hdf5")

PATIENCE = 60  # s for one answer of the library, which is a file's headers or 16 MB of its pixels
READER = Path(__file__).with_name("hdf5_reader.py")


def open_source(ingest: Ingest) -> Source:
    """Every file below `ingest.path` that matches `ingest.pattern` (by default all .h5 and .hdf5)."""
    return open_cubes(ingest, Format(headers, values), *below(ingest, PATTERNS, Path.is_file))


def headers(path: Path) -> dict[str, Header]:
    """Every array of a file, or of links what is wrong with them."""
    said, _ = _ask({"path": str(path.absolute())})
    return {name: _header(about) for name, about in said["headers"].items()}


def _header(about: dict[str, Any]) -> Header:
    return Header(
        shape=tuple(about.get("shape", ())),
        dtype=about.get("dtype", ""),
        chunk_rows=about.get("chunk_rows", 1),
        units=about.get("units", ""),
        fault=about["fault"],
    )


def values(path: Path, name: str, start: int, stop: int) -> Shaped[np.ndarray, "n ..."]:
    """Rows [start, stop) of an array, in its own type; text as str."""
    said, array = _ask({"path": str(path.absolute()), "name": name, "start": start, "stop": stop})
    return np.array(said["text"], dtype=str) if array is None else array


def _ask(question: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
    """The reader's answer; whatever becomes of the reader is the file's fault."""
    said, array = _reader(os.getpid()).ask(question)
    if "error" in said:
        raise InputError(f"{question['path']}: not a readable HDF5 file: {said['error']}")
    return said, array


class _Reader:
    """The other process: started when it is first asked, and again after it came to grief."""

    def __init__(self) -> None:
        self.lock = Lock()  # one question at a time
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, question: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
        with self.lock:
            if self.process is None:
                self.process = _started()
            try:
                return _asked(self.process, question)
            except (EOFError, BrokenPipeError):
                return {"error": _fate(self.close())}, None

    def close(self) -> int:
        """End the process; its exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        with process:  # closes the pipes, and waits
            pass
        return process.returncode


@lru_cache(maxsize=1)
def _reader(pid: int) -> _Reader:
    """That of this process: a fork must not speak through its parent's pipe."""
    reader = _Reader()
    atexit.register(reader.close)
    return reader


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", str(READER), str(PATIENCE)],  # -P: our file names are not to shadow the libraries'
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where the C library says that it corrupted its heap
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # each of its threads would take address space
    )


def _asked(process: subprocess.Popen[bytes], question: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
    """One question and its answer. Raises EOFError if the process ended in between."""
    to, back = cast(IO[bytes], process.stdin), cast(BufferedReader, process.stdout)
    to.write(json.dumps(question).encode() + b"\n")
    to.flush()
    line = back.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    said = json.loads(line)
    if "dtype" not in said:
        return said, None
    array = np.empty(math.prod(said["shape"]) * np.dtype(said["dtype"]).itemsize, dtype=np.uint8)
    if back.readinto(array.data) != array.nbytes:
        raise EOFError
    return said, array.view(said["dtype"]).reshape(said["shape"])


def _fate(status: int) -> str:
    if status == -signal.SIGALRM:
        return f"the HDF5 library was not done with it after {PATIENCE} s; the file is damaged, or its disk very slow"
    return f"the HDF5 library crashed on it (status {status}); the file is damaged"
