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


def test_what_the_images_do_not_say_is_left_out_aloud(
    tiny: Path, generator: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("source").mkdir()
    for i, frame in enumerate(generator.normal(size=(8, 48, 48))):
        np.save(f"source/{i}.npy", frame)
    ingest("images.zarr", "quarantine.csv", ["ingest.source=deeplense", "ingest.path=source"])
    gallery("images.zarr", "gallery")
    expected = {feature.name for feature in (*MAPS.values(), *VECTORS.values()) if "psf_fwhm" in feature.needs}
    said = capsys.readouterr().out
    assert expected <= {line.split()[3] for line in said.splitlines() if line.startswith("gallery: left out: ")}
    assert f"gallery: {len(MAPS) + len(VECTORS) - said.count('left out')} features" in said
