"""The gallery: every feature, the same lenses, and a page that needs no network."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features import MAPS, VECTORS
from pipeline.gallery import gallery
from pipeline.ingest import ingest


def test_every_feature_is_on_the_page(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest("images.zarr", "quarantine.csv", ["simulation.images=12", "simulation.size=48"])
    gallery("images.zarr", "gallery")
    assert "left out" not in capsys.readouterr().out
    page = Path("gallery/index.html").read_text()
    assert re.findall(r'<section id="(\w+)">', page) == [*MAPS, *VECTORS]
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    pixels = np.asarray(Image.open("gallery/features.png").convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def test_what_the_images_do_not_say_is_left_out_aloud(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(8):
        np.save(f"{i}.npy", np.random.default_rng(i).normal(size=(48, 48)))
    Path("source").mkdir()
    for i in range(8):
        Path(f"{i}.npy").rename(f"source/{i}.npy")
    words = ["ingest.source=deeplense", "ingest.path=source", "ingest.targets={}"]
    ingest("images.zarr", "quarantine.csv", words)
    gallery("images.zarr", "gallery")
    said = capsys.readouterr().out
    assert "gallery: left out: " in said
    assert "do not say; it comes from" in said
