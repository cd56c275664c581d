"""How far a run has come: on the terminal, in its checkpoint and, if asked for, in a log."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from models.training.record import Epoch, State
from pipeline.checkpoint import Checkpoint
from pipeline.logs import Logger


class Progress:
    """Shows each epoch (a bar on a terminal, a line in a log) and keeps the checkpoint."""

    def __init__(self, name: str, epochs: int, checkpoint: Checkpoint, logger: Logger) -> None:
        self.name, self.epochs, self.checkpoint, self.logger = name, epochs, checkpoint, logger
        self.bar = tqdm(total=epochs, desc=name, unit="epoch") if sys.stderr.isatty() else None

    def stepped(self, step: int, state: Callable[[], State]) -> None:
        self.checkpoint.keep(state)

    def ended(self, epoch: Epoch, state: Callable[[], State]) -> None:
        losses = f"train {epoch.train_loss:.4f}  validation {epoch.validation_loss:.4f}"
        if self.bar is None:
            print(f"{self.name}  epoch {epoch.epoch + 1}/{self.epochs}  {losses}{'  best' * epoch.best}", flush=True)
        else:
            self.bar.update(epoch.epoch + 1 - self.bar.n)
            self.bar.set_postfix_str(losses)
        numbers = {name: float(value) for name, value in vars(epoch).items() if name != "epoch"}
        self.logger.log(epoch.epoch, numbers)
        self.checkpoint.keep(state)
