"""SIGKILL at random moments of the data stages: whatever is left, the next run ends in the bytes of a calm one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline import store
from pipeline.engineer import engineer
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from tests.conftest import ROOT, environment

pytestmark = pytest.mark.proof
KILLS = 20
IMAGES = 1500
SMALL = "from pipeline.store import arrays; arrays.CHUNK_BYTES = 2**15; arrays.SHARD_BYTES = arrays.BLOCK_BYTES = 2**17"
STAGES = {
    "ingest": (ingest, ("images.zarr", "q.csv"), [f"simulation.images={IMAGES}"], "images.zarr"),
    "engineer": (engineer, ("engineered", "images.zarr", "engineered.zarr"), [], "engineered.zarr"),
    "normalise": (normalise, ("images.zarr", "engineered.zarr", "split.json", "prepared"), [], "prepared"),
}


def start(name: str, folder: Path) -> subprocess.Popen[bytes]:
    """The stage in a process of its own, with shards so small that it writes dozens."""
    _, words, overrides, _ = STAGES[name]
    code = f"{SMALL}; from pipeline.{name} import {name}; {name}(*{words!r}, overrides={overrides!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=environment(PYTHONPATH=str(ROOT)), stdout=subprocess.DEVNULL
    )


def finish(name: str, folder: Path) -> float:
    """Seconds from its first trace in the folder to its end."""
    process = start(name, folder)
    wait_for_a_trace(process, folder)
    began = time.monotonic()
    assert process.wait() == 0
    return time.monotonic() - began


def wait_for_a_trace(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until the process has written something, or has ended: starting Python can take longer than the writing."""
    before = traces(folder)
    while process.poll() is None and traces(folder) == before:
        time.sleep(0.005)


def traces(folder: Path) -> list[tuple[str, list[str]]]:
    """What lies in the folder and below; a file being written has a name that none had before."""
    return [(room, sorted(files)) for room, _, files in os.walk(folder)]


def digests(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", STAGES)
def test_twenty_kills_change_no_byte(name: str, tiny: Path) -> None:
    """Every kill hits what the one before has left, until a run gets through; then it begins again from nothing."""
    for before in list(STAGES)[: list(STAGES).index(name)]:
        finish(before, tiny)
    rows = np.random.default_rng(0).permutation(IMAGES).tolist()
    cuts = {"train": rows[:900], "validation": rows[900:1100], "calibration": rows[1100:1200], "test": rows[1200:]}
    (tiny / "split.json").write_text(json.dumps({"rows": IMAGES, "targets": ["log10_axion_mass"], "roles": cuts}))
    target = tiny / STAGES[name][3]
    whole = finish(name, tiny)
    calm = digests(target)
    assert len(calm) > 15
    generator, kills, through, unfinished = np.random.default_rng(1), 0, 0, 0
    clear(target)
    while kills < KILLS:
        process = start(name, tiny)
        wait_for_a_trace(process, tiny)
        try:
            process.wait(timeout=generator.uniform(0, 1.2) * whole)
            assert process.returncode == 0
            assert digests(target) == calm
            through += 1
            clear(target)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            unfinished += bool(list(tiny.glob(".*.partial")) or list(target.glob(".*.partial")))
    finish(name, tiny)
    assert digests(target) == calm
    assert unfinished > KILLS // 4, "most kills must have hit the writing"
    print(f"{name}: {kills} kills, {unfinished} of them with a store half-written, {through} runs got through")


def clear(target: Path) -> None:
    store.discard(target)
    subprocess.run(["rm", "-rf", str(target)], check=True)
