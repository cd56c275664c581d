"""A training's curves while it runs, for DVCLive or TensorBoard; the run's own history does not depend on them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from pipeline import atomic
from pipeline.errors import InputError
from pipeline.places import Place, is_remote


@runtime_checkable
class Logger(Protocol):
    """Takes numbers by name (`loss/train`), at a step."""

    def log(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


def logger(kind: str, folder: Place, since: int = 0) -> Logger:
    """Where curves go: files in `folder`, of `none`, `dvclive` or `tensorboard`.

    A run that is resumed gives the first step it takes anew, `since`: later ones of the run that was killed are
    dropped, earlier ones kept. With zero nothing is kept. Raises `InputError` for an unknown kind, a package that is
    not there, or a folder that is no local one.
    """
    if kind not in KINDS:
        raise InputError(f"train.watch.log: no {kind!r}; there are {', '.join(KINDS)}")
    if kind != "none" and is_remote(folder):
        raise InputError(f"train.watch.log: {kind} writes to a local folder, not to {folder}; choose none")
    try:
        return KINDS[kind](folder, since)
    except ModuleNotFoundError as error:
        raise InputError(
            f"train.watch.log: {kind} needs a package ({error}); pip install '.[logs]', or choose none"
        ) from error


class _Silent:
    def __init__(self, folder: Place, since: int) -> None:
        """Nothing is written, nor is the folder made."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Not kept."""

    def close(self) -> None:
        """Nothing is open."""


class _DvcLive:
    """Curves that `dvc plots` and the editor's extension read."""

    def __init__(self, folder: Path, since: int) -> None:
        from dvclive import Live  # two seconds

        if since:
            _forget(folder, since)
        # by default it would rewrite dvc.yaml while the stage runs, and make an experiment of its own
        self.live = Live(
            str(folder), resume=since > 0, dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False
        )

    def log(self, step: int, values: dict[str, float]) -> None:
        self.live.step = step
        for name, value in values.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def close(self) -> None:
        self.live.end()


class _TensorBoard:
    """Event files, shown by `tensorboard --logdir`."""

    def __init__(self, folder: Path, since: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # two seconds

        if not since:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self.writer = SummaryWriter(str(folder), purge_step=since or None)

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


KINDS: dict[str, Callable[[Place, int], Logger]] = {"none": _Silent, "dvclive": _DvcLive, "tensorboard": _TensorBoard}


def _forget(folder: Path, since: int) -> None:
    """Drop what DVCLive kept from a step on: it would append the same steps again."""
    for table in folder.glob("plots/metrics/**/*.tsv"):
        head, *lines = table.read_text().splitlines(keepends=True)
        step = next(csv.reader([head], delimiter="\t")).index("step")
        kept = [line for line in lines if line.endswith("\n") and int(line.split("\t")[step]) < since]
        atomic.write(table, "".join([head, *kept]))
