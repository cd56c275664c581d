"""What a feature costs: exactly those that `engineer` computes, each for itself, and no store knows of it."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import features
from pipeline import time_features as timing
from pipeline.engineer import engineer
from pipeline.ingest import ingest
from pipeline.store import Store
from pipeline.time_features import TURNS, time_features
from tests.conftest import TINY, yaml

RECIPE = yaml(TINY)["features"]["recipes"]["engineered"]
NUMBERS = {"images": 60, "turns": TURNS, "threads": 1, "device": "cpu"}  # the miniature has fewer images than a block


@pytest.fixture
def images(tiny: Path) -> Path:
    ingest("images.zarr", "quarantine.csv")
    return tiny


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", ["raw", "engineered", "engineered_shuffled", "engineered_noise"])
def test_what_is_timed_is_what_engineer_computes(images: Path, name: str) -> None:
    """Of a placebo that keeps the image alone, the image alone."""
    time_features(name, "images.zarr", "clock/features/a.json")
    engineer(name, "images.zarr", "a.zarr")
    said, computed = read(images / "clock/features/a.json"), Store("a.zarr").attributes["recipe"]
    timed = {kind: list(said.pop(kind)) for kind in ("maps", "vectors")}
    assert timed == {kind: list(computed[kind]) for kind in ("maps", "vectors")}
    assert said == NUMBERS


def test_the_recipe_is_listed_whole_and_every_time_is_above_zero(images: Path) -> None:
    time_features("engineered", "images.zarr", "a.json")
    said = read(images / "a.json")
    assert {kind: list(said[kind]) for kind in RECIPE} == {kind: list(RECIPE[kind]) for kind in RECIPE}
    times = [took for kind in RECIPE for took in said[kind].values()]
    assert all(set(took) == {"work_us", "wall_us"} and min(took.values()) > 0 for took in times)


def test_stores_are_the_same_to_the_byte_with_and_without(images: Path) -> None:
    engineer("engineered", "images.zarr", "a.zarr")
    before = digests(images)
    time_features("engineered", "images.zarr", "a.json")
    engineer("engineered", "images.zarr", "a.zarr")
    after = digests(images)
    assert len(after.pop(str(images / "a.json"))) == 64
    assert after == before


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Both clocks stand still, until somebody moves them."""
    now = {"work": 0.0, "wall": 100.0}
    monkeypatch.setattr(time, "process_time", lambda: now["work"])
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    return now


def planted(clocks: dict[str, float], threads: list[int]) -> Iterator[None]:
    """A feature, turn by turn: long to prepare; then a millisecond, but for one turn that was interrupted."""
    for turn in range(TURNS + 1):
        clocks["work"] += 9.0 if turn == 0 else 1e-3
        clocks["wall"] += 9.0 if turn == 0 else 5.0 if turn == 3 else 2e-3
        threads.append(torch.get_num_threads())
        yield


def test_a_time_is_the_median_turn_of_one_image_without_the_first(
    images: Path, clocks: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    turns = planted(clocks, threads)
    monkeypatch.setattr(features, "compute_maps", lambda *_: next(turns))
    monkeypatch.setattr(timing.recipes, "ready", lambda *_: Ready())
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    time_features("raw", "images.zarr", "a.json")
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    took = read(images / "a.json")["maps"]["pixels"]
    assert took == pytest.approx({"work_us": 1e3 / 60, "wall_us": 2e3 / 60})
    assert threads == [1] * (TURNS + 1)
    assert next(turns, "over") == "over"
    assert after == 2


class Ready:
    """A recipe of one map."""

    maps: dict[str, Any] = {"pixels": {}}  # noqa: RUF012
    vectors: dict[str, Any] = {}  # noqa: RUF012
    known: dict[str, float] = {}  # noqa: RUF012


def test_the_sum_is_said(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    time_features("engineered", "images.zarr", "a.json")
    said = read(images / "a.json")
    total = sum(took["work_us"] for kind in ("maps", "vectors") for took in said[kind].values())
    assert f"time_features: engineered: {total:,.1f} µs an image, of 60 on one thread" in capsys.readouterr().out
