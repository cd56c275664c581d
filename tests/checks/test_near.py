"""Near-duplicates: which images are copies of one lens, and which are only alike."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.checks import duplicates, near
from pipeline.checks.symmetries import SYMMETRIES, symmetries
from pipeline.lensing import populations
from tests.checks.planted import Lenses, clean, measured, observe, photographed_again, preset, rates


@pytest.mark.parametrize("size", [7, 15, 16, 17, 48, 50, 63, 64, 120, 281])
@pytest.mark.parametrize("turn", SYMMETRIES)
def test_a_thumbnail_turns_with_its_image(size: int, turn: str, generator: np.random.Generator) -> None:
    image = generator.normal(size=(1, size, size))
    np.testing.assert_allclose(near.thumbnail(SYMMETRIES[turn](image)), SYMMETRIES[turn](near.thumbnail(image)))


def test_symmetries_are_eight_and_different() -> None:
    image = np.arange(9).reshape(3, 3)
    assert len({turn(image).tobytes() for turn in SYMMETRIES.values()}) == 8
    assert set(symmetries(3, 4)) == {"identity", "rot180", "flip_x", "flip_y"}


def test_the_symmetry_is_the_one_that_turns_the_second_row_into_the_first(tmp_path: Path) -> None:
    lenses = photographed_again(clean())
    found = duplicates.pairs(measured(lenses.write(tmp_path / "images.zarr")))
    assert list(zip(found["row_a"], found["row_b"], strict=True)) == [(i, 300 + i) for i in range(8)]
    for a, b, name in zip(found["row_a"], found["row_b"], found["symmetry"], strict=True):
        one, other = lenses["images"][a, 0], SYMMETRIES[name](lenses["images"][b, 0])
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


def test_many_copies_of_one_lens_are_linked_without_a_square_of_pairs(tmp_path: Path) -> None:
    """Forty exposures of one lens among three hundred others are one cluster."""
    lenses = clean()
    images = lenses["images"].copy()
    images[280:] = observe(preset(), np.repeat(rates(preset(), 1), 40, axis=0), draw=populations.NOISE + 7)
    found = duplicates.pairs(measured(lenses.but(images=images).write(tmp_path / "images.zarr")))
    linked = {0}
    for a, b in zip(found["row_a"], found["row_b"], strict=True):
        assert {a, b} <= {0, *range(280, 320)}
        linked |= {a, b} if {a, b} & linked else set()
    assert len(linked) >= 39
    assert len(found) <= near.LINKS * 40


@pytest.mark.parametrize("faint", [0.0, 1e-3])
def test_noise_has_no_copies(faint: float, tmp_path: Path, generator: np.random.Generator) -> None:
    """Images that show nothing, or next to nothing, are not alike for that."""
    images = generator.normal(size=(50, 1, 32, 32)) + faint
    columns = {"images": images.astype(np.float32), "id": np.arange(50).astype(str)}
    assert duplicates.pairs(measured(Lenses(columns).write(tmp_path / "images.zarr"))).empty
