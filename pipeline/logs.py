"""Where the numbers of a run can be followed besides the terminal: DVCLive's files, or TensorBoard's.

Both are optional (`pip install -e '.[logs]'`), and neither has a say in what a run is: their files lie beside the
record of what it cost, and no stage reads them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import InputError
from pipeline.places import Place, is_remote


@runtime_checkable
class Logger(Protocol):
    """Numbers by name, one set for every epoch."""

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class Silent:
    """No log."""

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class DvcLive:
    """`dvc plots` and the editors' plug-ins read these files. dvc.yaml stays as it is: DVCLive would rewrite it."""

    def __init__(self, folder: Place) -> None:
        from dvclive import Live

        self.live = Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False, resume=True)

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        self.live.step = epoch
        for name, number in numbers.items():
            self.live.log_metric(name, number)
        self.live.make_summary()

    def close(self) -> None:
        self.live.end()


class TensorBoard:
    """`tensorboard --logdir` reads these files."""

    def __init__(self, folder: Place) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self.writer.add_scalar(name, number, epoch)

    def close(self) -> None:
        self.writer.close()


LOGGERS: dict[str, Callable[[Place], Any]] = {
    "none": lambda folder: Silent(),
    "dvclive": DvcLive,
    "tensorboard": TensorBoard,
}


def logger(kind: str, folder: Place) -> Logger:
    """A log of that kind in a folder of its own. Raises `InputError` where its package is not installed."""
    if kind != "none" and is_remote(folder):
        raise InputError(f"train.watch.log: {kind} writes to a local folder only, not to {folder}; choose none")
    try:
        return LOGGERS[kind](folder)
    except ImportError as error:
        raise InputError(f"train.watch.log: {kind} is not installed ({error}); pip install -e '.[logs]'") from error
