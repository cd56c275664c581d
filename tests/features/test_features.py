"""Every feature of the tables keeps the contract; and how recipes of them are checked and computed."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from features import MAPS, VECTORS, check, compute_maps, compute_vectors, map_names, needs, symmetries
from features.contract import QUESTIONS, Asked
from features.feature import OBSERVATION, Feature
from features.fourier import multipoles
from features.radial import radial_profile, radial_residual
from features.stretch import STRETCHES, intensity
from tests.conftest import ROOT

Case = tuple[str, Mapping[str, Any]]
KNOWN = {"sky_rms": 0.2}
MORE: list[Case] = [("intensity", {"transform": transform}) for transform in STRETCHES]
STEEP = {(stretch, "has_the_declared_derivative") for stretch in ("sqrt", "power")}  # whose slope at zero is infinite
CASES: list[Case] = [(name, {}) for name in (*MAPS, *VECTORS)] + MORE


UNTYPED = "compiles_as_declared"  # asked where types are not checked: torch cannot trace the checks
ASKED = [
    pytest.param(case, question, id="-".join([case[0], *map(str, case[1].values()), question]))
    for case in CASES
    for question in QUESTIONS
    if question != UNTYPED and (case[1].get("transform"), question) not in STEEP
]


@pytest.mark.parametrize(("case", "question"), ASKED)
def test_every_feature_answers(case: Case, question: str) -> None:
    assert QUESTIONS[question](asked(case)) == ""


@pytest.mark.proof
def test_every_feature_compiles_or_says_why_not() -> None:
    code = """if True:
        import features
        from features.contract import QUESTIONS, Asked
        for known, is_map in ((features.MAPS, True), (features.VECTORS, False)):
            for feature in known.values():
                if answer := QUESTIONS["compiles_as_declared"](Asked(feature, is_map)):
                    print(feature.name, answer)
    """
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (found.stdout, found.returncode) == ("", 0), found.stderr


def asked(case: Case) -> Asked:
    name, options = case
    return Asked((MAPS | VECTORS)[name], name in MAPS, options)


def test_a_feature_is_told_of_the_observation_and_of_nothing_else() -> None:
    """No signature has room for a label or for a true parameter of the lens."""
    asked = {need for feature in (*MAPS.values(), *VECTORS.values()) for need in feature.needs}
    assert asked <= set(OBSERVATION)


def test_every_feature_says_what_it_keeps_and_loses() -> None:
    for feature in (*MAPS.values(), *VECTORS.values()):
        assert feature.keeps, feature.name
        assert feature.loses, feature.name
    assert not set(MAPS) & set(VECTORS)


@pytest.fixture
def draw(generator: np.random.Generator) -> Callable[[tuple[int, int]], Tensor]:
    """Three images without any symmetry, of either sign."""
    return lambda frame: torch.from_numpy(generator.normal(1, 1, (3, *frame)))


def test_channels_are_every_band_of_the_first_feature_then_of_the_next(draw: Callable[..., Tensor]) -> None:
    bands = torch.stack([draw((48, 40)), draw((48, 40))], dim=1)
    blue, red = bands.unbind(dim=1)
    recipe: dict[str, dict[str, Any]] = {
        "radial_residual": {"width": 2.0},
        "pixels": {},
        "intensity": {"transform": "arcsinh"},
    }
    expected = [radial_residual(blue, 2.0), radial_residual(red, 2.0), blue, red]
    expected += [intensity(band, "arcsinh", sky_rms=KNOWN["sky_rms"]) for band in (blue, red)]
    torch.testing.assert_close(compute_maps(bands, recipe, KNOWN), torch.stack(expected, dim=1))
    doubled = ["radial_residual_0", "radial_residual_1", "pixels_0", "pixels_1", "intensity_0", "intensity_1"]
    assert map_names(recipe, 2) == doubled
    assert map_names(recipe, 1) == ["radial_residual", "pixels", "intensity"]


def test_one_feature_makes_two_channels_under_labels_of_their_own(draw: Callable[..., Tensor]) -> None:
    images = draw((48, 40))
    recipe = {"fine": {"feature": "radial_residual"}, "coarse": {"feature": "radial_residual", "width": 4.0}}
    check(recipe, {})
    expected = torch.stack([radial_residual(images), radial_residual(images, 4.0)], dim=1)
    torch.testing.assert_close(compute_maps(images[:, None], recipe, KNOWN), expected)
    assert map_names(recipe, 1) == ["fine", "coarse"]
    _, columns = compute_vectors(images[:, None], {"wide": {"feature": "radial_profile", "width": 10.0}}, KNOWN)
    assert columns == ["wide_0", "wide_1"]


def test_vectors_are_those_of_the_first_band_side_by_side(draw: Callable[..., Tensor]) -> None:
    bands = torch.stack([draw((48, 40)), draw((48, 40))], dim=1)
    modes, mode_names = multipoles(bands[:, 0], orders=2)
    means, mean_names = radial_profile(bands[:, 0])
    values, names = compute_vectors(bands, {"multipoles": {"orders": 2}, "radial_profile": {}}, KNOWN)
    torch.testing.assert_close(values, torch.cat([modes, means], dim=1))
    assert names == mode_names + mean_names


def test_a_recipe_without_vectors_has_no_columns(draw: Callable[..., Tensor]) -> None:
    values, names = compute_vectors(draw((48, 48))[:, None].float(), {}, KNOWN)
    assert values.shape == (3, 0)
    assert values.dtype == torch.float32
    assert names == []


def test_a_recipe_says_what_it_needs_to_know_of_the_observation() -> None:
    assert needs({"pixels": {}, "radial_residual": {"width": 2.0}}, {"radial_profile": {}}) == {}
    assert needs({"pixels": {}, "spectrum": {"feature": "log_power"}}, {"multipoles": {}}) == {"sky_rms": "spectrum"}


@pytest.mark.parametrize("options", [{}, {"phases": False}, {"phases": True}], ids=str)
def test_the_symmetries_of_a_vector_are_those_that_it_keeps(options: Mapping[str, Any]) -> None:
    """Under whatever label: the phases of multipoles turn with the image, their amplitudes and a profile do not."""
    recipe = {"modes": {"feature": "multipoles", **options}, "radial_profile": {"width": 2.0}}
    kept = QUESTIONS["turns_as_declared"](asked(("multipoles", options))) == ""
    assert kept != bool(options.get("phases"))
    assert symmetries(recipe) == {"modes": ("d4",) if kept else (), "radial_profile": ("d4",)}


def test_a_vector_that_turns_has_no_symmetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VECTORS, "top", Feature(radial_profile, keeps="the top", loses="the rest", turns="has a top"))
    assert symmetries({"top": {}}) == {"top": ()}
    assert symmetries({}) == {}


def test_a_vector_is_told_what_it_asks_for(monkeypatch: pytest.MonkeyPatch, draw: Callable[..., Tensor]) -> None:
    def brightness(images: Tensor, power: float = 1.0, *, sky_rms: float) -> tuple[Tensor, list[str]]:
        return (images.mean(dim=(1, 2))[:, None] / sky_rms) ** power, ["brightness"]

    monkeypatch.setitem(VECTORS, "brightness", Feature(brightness, keeps="the flux", loses="where it is"))
    recipe = {"brightness": {"power": 2.0}}
    check({}, recipe)
    assert needs({}, recipe) == {"sky_rms": "brightness"}
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
        ({"pixles": {}}, {}, f"maps: no feature 'pixles'; there are {', '.join(MAPS)}"),
        ({"mine": {"feature": "pixles"}}, {}, f"maps: no feature 'pixles'; there are {', '.join(MAPS)}"),
        ({}, {"pixels": {}}, f"vectors: no feature 'pixels'; there are {', '.join(VECTORS)}"),
        ({"radial_residual": {"wdith": 2.0}}, {}, "maps.radial_residual: no option 'wdith'; there are width"),
        ({"pixels": {"images": 0}}, {}, "maps.pixels: no option 'images'; there are none"),
        ({"log_power": {"sky_rms": 1.0}}, {}, "maps.log_power: no option 'sky_rms'; there are none"),
    ],
)
def test_what_a_recipe_misspells_is_named_beside_what_there_is(
    maps: dict[str, Any], vectors: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(maps, vectors)
