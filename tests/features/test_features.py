"""Every feature of the tables: the promises that all of them make, and how recipes of them are checked and computed."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from features import MAPS, VECTORS, check, compute_maps, compute_vectors, map_names, needs
from features.feature import COVARIANT, Feature
from features.fourier import multipoles
from features.radial import radial_profile
from features.ring.ridge import ring
from features.stretch import STRETCHES, intensity

Case = tuple[str, Mapping[str, Any]]

OBSERVATION = {"sky_rms": 0.2}
INTENSITIES: list[Case] = [("intensity", {"transform": transform}) for transform in STRETCHES]
MAP_CASES: list[Case] = [(name, {}) for name in MAPS if name != "intensity"] + INTENSITIES
VECTOR_CASES: list[Case] = [(name, {}) for name in VECTORS]

FRAMES = [(48, 48), (64, 64), (40, 48), (47, 48), (47, 47), (47, 39)]


def cases(chosen: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", chosen, ids=title)


def title(case: Case) -> str:
    name, options = case
    return "-".join([name, *options.values()])


every_feature = cases(MAP_CASES + VECTOR_CASES)
every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


def compute(case: Case, images: Tensor, sky_rms: float = OBSERVATION["sky_rms"]) -> Tensor:
    """One feature of images of one band."""
    name, options = case
    observation = OBSERVATION | {"sky_rms": sky_rms}
    if name in MAPS:
        return compute_maps(images[:, None], {name: options}, observation)[:, 0]
    return compute_vectors(images[:, None], {name: options}, observation)[0]


@pytest.fixture
def draw(generator: np.random.Generator) -> Callable[[tuple[int, int]], Tensor]:
    """Three images without any symmetry, of either sign."""
    return lambda frame: torch.from_numpy(generator.normal(1, 1, (3, *frame)))


@every_feature
@every_frame
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_survives_every_image_with_its_shape_and_precision(
    case: Case, frame: tuple[int, int], dtype: torch.dtype, draw: Callable[..., Tensor]
) -> None:
    blank, one_hot = torch.zeros(frame), torch.zeros(frame)
    one_hot[frame[0] // 2, 3] = 1
    images = torch.stack([blank, one_hot, -one_hot, blank + 5, blank - 5, -draw(frame)[0].abs()]).to(dtype)
    values = compute(case, images)
    assert values.dtype == dtype
    assert values.isfinite().all()
    if case[0] in MAPS:
        assert values.shape == images.shape
    else:
        assert values.ndim == 2
        assert len(values) == len(images)


@every_feature
@every_frame
def test_an_image_does_not_see_its_batch(case: Case, frame: tuple[int, int], draw: Callable[..., Tensor]) -> None:
    images = draw(frame)
    alone, together = compute(case, images[1:2]), compute(case, images)
    torch.testing.assert_close(together[1:2], alone)
    images[0], images[2] = torch.nan, 1e30
    torch.testing.assert_close(compute(case, images)[1:2], together[1:2], rtol=0, atol=0)


@every_feature
def test_leaves_its_input_alone(case: Case, draw: Callable[..., Tensor]) -> None:
    images = draw((48, 48))
    before = images.clone()
    compute(case, images)
    assert torch.equal(images, before)


@every_feature
@every_frame
def test_single_precision_is_enough(case: Case, frame: tuple[int, int], draw: Callable[..., Tensor]) -> None:
    images = draw(frame).float()
    single, double = compute(case, images).double(), compute(case, images.double())
    rms = double.square().mean().sqrt().item()
    torch.testing.assert_close(single, double, rtol=0, atol=1e-4 * rms)


def turned(images: Tensor) -> list[Tensor]:
    """A quarter turn and a mirror image: together they generate all eight symmetries of a square."""
    return [images.rot90(dims=(-2, -1)), images.flip(-1)]


@pytest.mark.parametrize(
    ("case", "frame"),
    [
        pytest.param(case, frame, id=f"{title(case)}-{frame}")
        for case in MAP_CASES
        if MAPS[case[0]].turns == COVARIANT
        for frame in FRAMES
    ],
)
def test_a_map_turns_with_its_image(case: Case, frame: tuple[int, int], draw: Callable[..., Tensor]) -> None:
    images = draw(frame)
    for expected, moved in zip(turned(compute(case, images)), turned(images), strict=True):
        torch.testing.assert_close(compute(case, moved), expected, rtol=1e-9, atol=1e-9)


@cases(VECTOR_CASES)
@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_a_vector_does_not_change_when_its_image_turns(
    case: Case, frame: tuple[int, int], draw: Callable[..., Tensor]
) -> None:
    images = draw(frame)
    for moved in turned(images):
        torch.testing.assert_close(compute(case, moved), compute(case, images), rtol=1e-9, atol=1e-9)


@cases([(name, {}) for name in ("pixels", "intensity", "radial_residual", "ring", "radial_profile", "multipoles")])
def test_twice_the_flux_is_twice_the_feature(case: Case, draw: Callable[..., Tensor]) -> None:
    images = draw((48, 48))
    torch.testing.assert_close(compute(case, 2 * images), 2 * compute(case, images))


@cases([("log_power", {}), ("intensity", {"transform": "log"}), ("intensity", {"transform": "arcsinh"})])
def test_only_the_ratio_to_the_sky_counts(case: Case, draw: Callable[..., Tensor]) -> None:
    images = draw((48, 48))
    torch.testing.assert_close(compute(case, 7 * images, sky_rms=7 * 0.2), compute(case, images, sky_rms=0.2))
    assert not torch.allclose(compute(case, 7 * images), compute(case, images))


@every_frame
def test_every_column_of_a_vector_has_a_name_of_its_own(frame: tuple[int, int], draw: Callable[..., Tensor]) -> None:
    values, names = compute_vectors(draw(frame)[:, None], {name: {} for name in VECTORS}, OBSERVATION)
    assert values.shape == (3, len(names))
    assert len(set(names)) == len(names)


def test_channels_are_every_band_of_the_first_feature_then_of_the_next(draw: Callable[..., Tensor]) -> None:
    bands = torch.stack([draw((48, 40)), draw((48, 40))], dim=1)
    blue, red = bands.unbind(dim=1)
    recipe: dict[str, dict[str, Any]] = {"ring": {"sigma": 2.0}, "pixels": {}, "intensity": {"transform": "arcsinh"}}
    expected = [ring(blue, 2.0), ring(red, 2.0), blue, red]
    expected += [intensity(band, "arcsinh", sky_rms=OBSERVATION["sky_rms"]) for band in (blue, red)]
    torch.testing.assert_close(compute_maps(bands, recipe, OBSERVATION), torch.stack(expected, dim=1))
    assert map_names(recipe, 2) == ["ring_0", "ring_1", "pixels_0", "pixels_1", "intensity_0", "intensity_1"]
    assert map_names(recipe, 1) == ["ring", "pixels", "intensity"]


def test_vectors_are_those_of_the_first_band_side_by_side(draw: Callable[..., Tensor]) -> None:
    bands = torch.stack([draw((48, 40)), draw((48, 40))], dim=1)
    modes, mode_names = multipoles(bands[:, 0], orders=2)
    means, mean_names = radial_profile(bands[:, 0])
    values, names = compute_vectors(bands, {"multipoles": {"orders": 2}, "radial_profile": {}}, OBSERVATION)
    torch.testing.assert_close(values, torch.cat([modes, means], dim=1))
    assert names == mode_names + mean_names


def test_a_recipe_without_vectors_has_no_columns(draw: Callable[..., Tensor]) -> None:
    values, names = compute_vectors(draw((48, 48))[:, None].float(), {}, OBSERVATION)
    assert values.shape == (3, 0)
    assert values.dtype == torch.float32
    assert names == []


def test_a_recipe_says_what_it_needs_to_know_of_the_observation() -> None:
    assert needs({"pixels": {}, "ring": {"sigma": 2.0}}, {"radial_profile": {}}) == set()
    assert needs({"pixels": {}, "log_power": {}}, {"multipoles": {}}) == {"sky_rms"}


def test_a_vector_is_told_what_it_asks_for(monkeypatch: pytest.MonkeyPatch, draw: Callable[..., Tensor]) -> None:
    def brightness(images: Tensor, power: float = 1.0, *, sky_rms: float) -> tuple[Tensor, list[str]]:
        return (images.mean(dim=(1, 2))[:, None] / sky_rms) ** power, ["brightness"]

    monkeypatch.setitem(VECTORS, "brightness", Feature(brightness, keeps="the flux", loses="where it is"))
    recipe = {"brightness": {"power": 2.0}}
    check({}, recipe)
    assert needs({}, recipe) == {"sky_rms"}
    images = draw((48, 48))
    values, names = compute_vectors(images[:, None], recipe, {"sky_rms": 0.5, "pixel_scale": 0.1})
    torch.testing.assert_close(values[:, 0], (2 * images.mean(dim=(1, 2))) ** 2)
    assert names == ["brightness"]


def test_a_recipe_of_known_features_and_options_is_accepted() -> None:
    check(
        {"pixels": {}, "intensity": {"transform": "log", "softening": 2.0, "power": 0.5}, "log_power": {}},
        {"multipoles": {"orders": 2, "width": 2.0}, "radial_profile": {"width": 2.0}},
    )


@pytest.mark.parametrize(
    ("maps", "vectors", "message"),
    [
        ({"rign": {}}, {}, f"maps: no feature 'rign'; there are {', '.join(MAPS)}"),
        ({}, {"ring": {}}, f"vectors: no feature 'ring'; there are {', '.join(VECTORS)}"),
        ({"ring": {"sgima": 2.0}}, {}, "maps.ring: no option 'sgima'; there are sigma"),
        ({}, {"multipoles": {"order": 2}}, "vectors.multipoles: no option 'order'; there are orders, width, phases"),
        ({"pixels": {"images": 0}}, {}, "maps.pixels: no option 'images'; there are none"),
        ({"log_power": {"sky_rms": 1.0}}, {}, "maps.log_power: no option 'sky_rms'; there are none"),
    ],
)
def test_what_a_recipe_misspells_is_named_beside_what_there_is(
    maps: dict[str, Any], vectors: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(maps, vectors)
