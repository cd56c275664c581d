"""Where an unfinished run stands, with the fingerprint of what made it."""

import io
import json
import pickle
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from models.training.record import State
from pipeline import atomic
from pipeline.places import Place


class Checkpoint:
    """A file beside the run's folder, written at most every so many minutes: what it holds takes time to gather."""

    def __init__(self, file: Place, made_of: Mapping[str, Any], minutes: float) -> None:
        self.file, self.seconds = file, 60 * minutes
        self.fingerprint = json.dumps(made_of)
        self.last = time.monotonic()

    def resumed(self) -> State | None:
        """The state of a run that was killed, if it was a run of exactly this."""
        if not self.file.exists():
            return None
        try:
            found = torch.load(io.BytesIO(self.file.read_bytes()), map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            return print(f"train: {self.file} cannot be read ({error}); starting over")
        if found["fingerprint"] != self.fingerprint:
            return print(f"train: {self.file} belongs to other parameters, data or code; starting over")
        epochs, steps = len(found["state"]["record"]["epochs"]), len(found["state"]["record"]["trace"]["rates"])
        print(f"train: going on from {self.file}, after {epochs} epochs and {steps} steps")
        return found["state"]

    def keep(self, state: Callable[[], State]) -> None:
        """Write the state if it is time to."""
        if time.monotonic() - self.last >= self.seconds:
            atomic.write(self.file, saved({"fingerprint": self.fingerprint, "state": state()}))
            self.last = time.monotonic()

    def remove(self) -> None:
        """The run is whole: what it wrote stands in its folder."""
        self.file.unlink(missing_ok=True)


def saved(thing: Any) -> bytes:
    """What torch.save would put into a file."""
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()
