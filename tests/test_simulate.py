"""The preview of a preset: a picture of its first lenses."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.simulate import simulate


def test_the_preview_shows_lenses_and_is_the_same_every_time(tiny: Path) -> None:
    for name in ("a.png", "b.png"):
        simulate("--preview", name, ["simulation.preset=lens64"])
    assert (tiny / "a.png").read_bytes() == (tiny / "b.png").read_bytes()
    pixels = np.asarray(Image.open(tiny / "a.png").convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def test_another_option_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match="--show: no such option; there is --preview"):
        simulate("--show", "a.png")
