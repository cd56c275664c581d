"""Parts of a recipe by name: one feature left out, or let in alone beside the image."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.errors import InputError
from tests.conftest import TINY


def recipes(*inputs: str) -> dict[str, Any]:
    names = ", ".join(inputs)
    found = params.read([f"train.inputs=[raw, {names}]"], "features", path=TINY)
    return {name: (list(found.recipes[name].maps), list(found.recipes[name].vectors)) for name in inputs}


def test_a_part_has_what_its_name_says() -> None:
    found = recipes("engineered_without_ridge", "engineered_only_ridge", "engineered_without_multipoles")
    every = ["radial_profile", "multipoles"]
    assert found["engineered_without_ridge"] == (["intensity", "radial_residual", "log_power"], every)
    assert found["engineered_only_ridge"] == (["intensity", "ridge"], [])
    assert found["engineered_without_multipoles"][1] == ["radial_profile"]
    assert recipes("engineered_only_intensity")["engineered_only_intensity"] == (["intensity"], [])
    assert recipes("engineered_only_multipoles")["engineered_only_multipoles"] == (["intensity"], ["multipoles"])


def test_options_are_those_of_the_recipe() -> None:
    whole, part = params.read(
        ["train.inputs=[raw, engineered_only_ridge]"],
        "features.recipes.engineered",
        "features.recipes.engineered_only_ridge",
        path=TINY,
    )
    assert part.maps["ridge"] == whole.maps["ridge"] != {}


def test_what_is_a_part_is_known() -> None:
    found = params.read(["train.inputs=[raw, engineered_without_ridge]"], "features", path=TINY)
    assert found.ablations == {"engineered_without_ridge": ("engineered", "without", "ridge")}
    assert params.read([], "features", path=TINY).ablations == {}


def test_a_part_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="raw_without_pixels"):
        params.read(["train.inputs=[raw_without_pixels]"], "train", path=TINY)


def test_a_part_of_a_recipe_without_maps_is_refused(tmp_path: Path) -> None:
    path, bare = tmp_path / "params.yaml", "    bare: {maps: {}, vectors: {radial_profile: {}}}\n"
    path.write_text(TINY.read_text().replace("    raw:", f"{bare}    raw:"))
    with pytest.raises(InputError, match=r"features\.recipes\.bare\S*maps"):
        params.read(["train.inputs=[bare_only_radial_profile]"], "train", path=path)


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(InputError, match=r"no input 'engineered_without_ring'; there are raw, engineered"):
        params.read(["train.inputs=[raw, engineered_without_ring]"], "train", path=TINY)
