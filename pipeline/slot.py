"""One GPU a run: a slot that a run holds for as long as it lives.

Queued experiments (`dvc queue start -j 2`) know nothing of one another, and `device: auto` would put all on the first
GPU. A run locks a file that stands for a GPU; the kernel lets go of the lock when the run dies, however it dies.
"""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InputError

POLL = 0.2  # seconds between two attempts


@contextmanager
def slot(
    device: str,
    folder: Path | None = None,
    gpus: Sequence[str] | None = None,
) -> Iterator[str]:
    """The device to compute on: of several GPUs one that no other run has, as `cuda:i`, until the block is left.

    Waits, and says so, while all are taken. A device that names one GPU, a CPU, and a machine with one GPU or none
    are given back as they are: whoever queues several runs for one GPU wants them to share it. `gpus` are the names
    of the visible ones (torch is asked), the same in every process; `folder` is where their locks lie, by default one
    that all checkouts of this user share.
    """
    names = _visible(device) if gpus is None else gpus
    if device not in ("auto", "cuda") or len(names) < 2:
        yield device
        return
    index, lock = _taken(_ours(folder or _shared()), names)
    try:
        yield f"cuda:{index}"
    finally:
        os.close(lock)


def _visible(device: str) -> list[str]:
    """Names of the GPUs that torch sees; hardware's own, because CUDA_VISIBLE_DEVICES numbers them anew."""
    if device not in ("auto", "cuda"):
        return []
    import torch  # only here: a test of slots needs none

    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]


def _shared() -> Path:
    return Path(tempfile.gettempdir()) / f"lensprep-gpus-{os.getuid()}"


def _ours(folder: Path) -> Path:
    """The folder, made if need be. Raises `InputError` for one that somebody else has put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder}: belongs to somebody else; set TMPDIR to a folder of your own")
    return folder


def _taken(folder: Path, names: Sequence[str]) -> tuple[int, int]:
    """The index of the first free GPU and its open lock; waits for one."""
    waiting = False
    while True:
        for index, name in enumerate(names):
            lock = _locked(folder / re.sub(r"[^\w-]", "_", name))
            if lock is not None:
                return index, lock
        if not waiting:
            print(f"all {len(names)} GPUs are taken by other runs; waiting for one", flush=True)
            waiting = True
        time.sleep(POLL)


def _locked(path: Path) -> int | None:
    """The open file if nobody else has locked it. It is never removed: somebody might be about to lock it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file
