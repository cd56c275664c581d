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
    with pytest.raises(InputError, match="--show: no such option; there are --preview and --arrays"):
        simulate("--show", "a.png")


def test_the_arrays_are_the_lenses_with_their_noise_map_and_their_truth(tiny: Path) -> None:
    simulate("--arrays", "lenses.npz", ["simulation.images=40"])
    with np.load(tiny / "lenses.npz") as written:
        arrays = dict(written)
    assert arrays["images"].shape == arrays["clean"].shape == arrays["noise_map"].shape == (40, 24, 24)
    assert arrays["log10_axion_mass"].shape == arrays["source_x"].shape == (40,)
    pull = (arrays["images"] - arrays["clean"]) / arrays["noise_map"]
    assert pull.std() == pytest.approx(1, abs=0.02)
    ring = arrays["clean"] > np.quantile(arrays["clean"], 0.95)
    assert pull[ring].std() == pytest.approx(1, abs=0.06)  # where photons of the lens dominate as well
