"""Digests that say whether half-done work still belongs to what is asked for now."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
EVERYTHING = ("pipeline/**/*.py", "features/**/*.py", "models/**/*.py")


def digest(*things: Any) -> str:
    """SHA-256 of plain values and arrays, in this order."""
    summary = hashlib.sha256()
    for thing in things:
        if isinstance(thing, np.ndarray):
            summary.update(f"{thing.dtype}{thing.shape}".encode() + np.ascontiguousarray(thing).tobytes())
        else:
            summary.update(json.dumps(thing, sort_keys=True).encode())
    return summary.hexdigest()


def code(*patterns: str) -> dict[str, str]:
    """SHA-256 of every file of ours that matches; without a pattern, of all the code that there is."""
    files = sorted({file for pattern in patterns or EVERYTHING for file in ROOT.glob(pattern)})
    return {file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
