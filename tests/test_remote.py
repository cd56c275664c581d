"""Stores and stages at s3:// URLs, on an S3 server that the tests start; credentials come from the environment."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import s3fs

from pipeline import store, tables
from pipeline.audit import audit
from pipeline.baselines import baselines
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.errors import InputError
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.places import place
from pipeline.predict import predict
from pipeline.split import split
from pipeline.store import Array, Store, arrays
from pipeline.train import train
from tests.conftest import ROOT, environment

SECRET = "kept-out-of-every-file"
ARRAYS = [Array("maps", "float32", (8, 8), ("h", "w")), Array("id", "str")]
ROWS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an S3 server. It logs every request: into a file, because a pipe that nobody reads fills up."""
    log = tmp_path_factory.mktemp("s3") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not (announced := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield announced[0]
    process.kill()
    process.wait()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, and an environment that opens it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lensprep")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    urllib.request.urlopen(urllib.request.Request(f"{server}/moto-api/reset", method="POST")).close()
    s3fs.S3FileSystem().mkdir("lenses")
    yield "s3://lenses"
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 16 * 256)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 64 * 256)


def row(start: int, stop: int) -> dict[str, np.ndarray]:
    number = np.arange(start, stop)
    maps = np.broadcast_to(number[:, None, None], (len(number), 8, 8)).astype(np.float32)
    return {"maps": maps, "id": np.array([f"row {i}" for i in number])}


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_remote_store_is_the_local_one_to_the_byte(bucket: str, tmp_path: Path, small_shards: None) -> None:
    store.write(f"{bucket}/a.zarr", ROWS, ARRAYS, row)
    store.write(tmp_path / "a.zarr", ROWS, ARRAYS, row)
    s3fs.S3FileSystem().get(f"{bucket}/a.zarr", str(tmp_path / "fetched"), recursive=True)
    local = {
        f.relative_to(tmp_path / "a.zarr"): f.read_bytes() for f in (tmp_path / "a.zarr").rglob("*") if f.is_file()
    }
    fetched = {
        f.relative_to(tmp_path / "fetched"): f.read_bytes() for f in (tmp_path / "fetched").rglob("*") if f.is_file()
    }
    assert fetched == local
    opened, wanted = Store(f"{bucket}/a.zarr"), np.array([299, 0, 64, 63, 0])
    np.testing.assert_array_equal(opened.read("maps", 50, 200)[:, 0, 0], np.arange(50, 200))
    np.testing.assert_array_equal(opened.take("maps", wanted)[:, 0, 0], wanted)
    assert store.verify(f"{bucket}/a.zarr") == 6


def test_damage_to_a_remote_shard_is_an_error_that_names_it(bucket: str, small_shards: None) -> None:
    store.write(f"{bucket}/a.zarr", ROWS, ARRAYS, row)
    shard = place(f"{bucket}/a.zarr/maps/c/1/0/0")
    good = shard.read_bytes()
    opened = Store(f"{bucket}/a.zarr")
    shard.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:])
    for attempt in (lambda: opened.read("maps"), lambda: opened.take("maps", np.array([66]))):
        with pytest.raises(InputError, match=f"^{shard}: this shard is damaged"):
            attempt()
    shard.unlink()
    with pytest.raises(InputError, match=f"^{shard}: this shard is missing"):
        opened.read("maps")
    with pytest.raises(InputError, match=f"^{shard}: this shard is missing"):
        Store(f"{bucket}/a.zarr")


def test_a_remote_store_that_is_half_written_is_none_and_is_gone_on_with(bucket: str, small_shards: None) -> None:
    class Killed(BaseException):
        pass

    asked: list[int] = []

    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        if start >= 128 and not asked:
            raise Killed
        asked.extend([start] if start >= 128 else [])
        return row(start, stop)

    with pytest.raises(Killed):
        store.write(f"{bucket}/a.zarr", ROWS, ARRAYS, produce, key="same")
    with pytest.raises(InputError, match=r"a\.zarr: no store here"):
        Store(f"{bucket}/a.zarr")
    asked.append(-1)
    store.write(f"{bucket}/a.zarr", ROWS, ARRAYS, produce, key="same")
    assert asked[1] == 128
    np.testing.assert_array_equal(Store(f"{bucket}/a.zarr").read("maps")[:, 0, 0], np.arange(ROWS))


def test_a_remote_store_that_vanishes_while_it_is_written_is_one_clear_error(bucket: str, small_shards: None) -> None:
    def produce(start: int, stop: int) -> dict[str, np.ndarray]:
        if start >= 128:
            s3fs.S3FileSystem().rm(bucket, recursive=True)
        return row(start, stop)

    with pytest.raises(InputError, match=rf"^{bucket}/a\.zarr: cannot be written"):
        store.write(f"{bucket}/a.zarr", ROWS, ARRAYS, produce)


def test_a_server_that_does_not_answer_is_one_clear_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match=rf"^{bucket}/a\.zarr: cannot be"):
        Store(f"{bucket}/a.zarr")


@pytest.mark.parametrize("url", [f"s3://key:{SECRET}@lenses/a.zarr", f"https://host/a.zarr?signature={SECRET}"])
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match="give credentials in the environment") as caught:
        Store(url)
    assert SECRET not in str(caught.value)


def test_the_stages_run_from_ingest_to_predictions_on_urls(bucket: str, tiny: Path) -> None:
    """The same predictions as on local paths, and no credential in anything that was written."""
    found = {}
    for home in (bucket, str(tiny)):
        images, split_file, raw, prepared, run = (
            f"{home}/{name}" for name in ("images.zarr", "split.json", "raw.zarr", "prepared", "raw-cnn-all-0")
        )
        ingest(images, f"{home}/quarantine.csv")
        describe(images, f"{home}/lenses.parquet")
        audit(images, f"{home}/lenses.parquet", f"{home}/audit.json", f"{home}/audit")
        split(images, f"{home}/audit.json", f"{home}/audit/pairs.csv", split_file)
        engineer("engineered", images, raw)
        normalise(images, raw, split_file, prepared)
        find_lr("cnn", f"{prepared}/fit.zarr", f"{home}/rate")
        train("cnn", "all", "0", f"{prepared}/fit.zarr", f"{home}/rate/rate.json", run, f"{home}/clock.json")
        predict(run, prepared, f"{home}/predictions.parquet")
        baselines(prepared, f"{home}/baselines.parquet")
        found[home] = tables.read(f"{home}/predictions.parquet")
    assert found[bucket].equals(found[str(tiny)])
    files = s3fs.S3FileSystem().find(bucket)
    assert {Path(file).name for file in files} >= {"predictions.parquet", "baselines.parquet", "weights.pt"}
    assert not [file for file in files if ".checkpoint" in file or ".partial" in file or "/.done" in file]
    for file in files:
        assert SECRET.encode() not in s3fs.S3FileSystem().cat_file(file), file


def test_dvc_pushes_to_and_pulls_from_it(bucket: str, server: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for command in (
        "git init -q",
        "dvc init -q",
        f"dvc remote add -q -d s3 {bucket}/dvc",
        f"dvc remote modify -q s3 endpointurl {server}",
    ):
        dvc(folder, command)
    store.write(folder / "a.zarr", 20, ARRAYS, row)
    dvc(folder, "dvc add -q a.zarr")
    assert "pushed" in dvc(folder, "dvc push")
    shutil.rmtree(folder / "a.zarr")
    shutil.rmtree(folder / ".dvc" / "cache")
    dvc(folder, "dvc pull")
    store.verify(folder / "a.zarr")
    assert SECRET not in (folder / ".dvc" / "config").read_text()


def dvc(folder: Path, command: str) -> str:
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    done = subprocess.run(
        command.split(), cwd=folder, env=environment(PATH=path, **keys), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
