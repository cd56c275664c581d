"""Classes as targets: folders of DeepLense become 0 and 1, whatever the source; a slip of the pen is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.ingest import ingest, open_source
from pipeline.params import PROBABILITY, TargetSource
from pipeline.sources import classes
from pipeline.store import Store
from tests.conftest import complaint

KINDS = ("no_sub", "sphere", "vort")
FILES = ("ingest.source=deeplense", "ingest.path=lenses")
ONE = "ingest.targets={vortex: {classes: [vort]}}"


@pytest.fixture
def lenses(tiny: Path, generator: np.random.Generator) -> Path:
    """Four images in the folder of each class, and one that lies in none."""
    for kind in KINDS:
        (tiny / "lenses" / kind).mkdir(parents=True)
        for i in range(4):
            np.save(tiny / "lenses" / kind / f"{i}.npy", generator.normal(1, 1, (12, 12)))
    np.save(tiny / "lenses" / "alone.npy", generator.normal(1, 1, (12, 12)))
    return tiny


def test_the_folder_of_an_image_is_a_target(lenses: Path) -> None:
    asked = ["vortex: {classes: [vort]}", "log10_mass: {column: mass, unit: eV, transform: log10}"]
    asked += ["any: {classes: [vort, sphere]}"]
    ingest("images.zarr", "q.csv", [*FILES, f"ingest.targets={{{', '.join(asked)}}}"])
    images = Store("images.zarr")
    assert images.attributes["target_names"] == ["log10_mass", "vortex", "any"]
    assert images.attributes["target_units"] == {"log10_mass": "dex(eV)", "vortex": PROBABILITY, "any": PROBABILITY}
    assert images.attributes["provenance"]["classes"] == {"vortex": ["vort"], "any": ["vort", "sphere"]}
    mass, vortex, either = images.read("targets").T
    kinds = images.read("kind")
    assert np.isnan(mass).all()
    np.testing.assert_array_equal(vortex, [np.nan if k == "" else float(k == "vort") for k in kinds])
    np.testing.assert_array_equal(either, [np.nan if k == "" else float(k in ("vort", "sphere")) for k in kinds])
    assert np.isnan(vortex).sum() == 1


def test_a_column_of_the_table_is_a_class_too(lenses: Path) -> None:
    """Numbers are words there: {classes: ["1"]} is a column of 0 and 1."""
    lines = [f"{kind}/{i}.npy,{int(i == 3)}" for kind in KINDS for i in range(4)]
    (lenses / "lenses" / "labels.csv").write_text("\n".join(["id,yes", *lines]))
    more = ["ingest.labels=labels.csv", "ingest.class_column=yes", 'ingest.targets={yes: {classes: ["1"]}}']
    ingest("images.zarr", "q.csv", [*FILES, *more])
    images = Store("images.zarr")
    known = {name: value for name, value in zip(images.read("id"), images.read("targets")[:, 0], strict=True)}
    assert [name for name, value in known.items() if value == 1] == [f"{kind}/3.npy" for kind in KINDS]


def test_a_simulation_has_classes_as_well(tiny: Path) -> None:
    simulated = ["simulation.preset=deeplense_1", "simulation.images=6", "simulation.accept_noise_free=true"]
    ingest("images.zarr", "q.csv", [*simulated, "simulation.variant=corrected"])
    kinds = Store("images.zarr").read("kind")
    ingest("images.zarr", "q.csv", [*simulated, f"ingest.targets={{some: {{classes: [{kinds[0]}]}}}}"])
    images = Store("images.zarr")
    some = images.read("targets")[:, images.attributes["target_names"].index("some")]
    np.testing.assert_array_equal(some, images.read("kind") == kinds[0])


def test_a_source_with_classes_goes_to_other_processes(lenses: Path, section: Any) -> None:
    source = open_source(section("ingest", *FILES, ONE), section("simulation"))
    rows = np.arange(source.rows)
    again = pickle.loads(pickle.dumps(source.read))(rows)
    np.testing.assert_array_equal(again.targets["vortex"], source.read(rows).targets["vortex"])


def test_a_class_that_no_image_has_is_refused_with_those_there_are(lenses: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"^ingest\.targets\.vortex\.classes: no image is of class 'vortex'; there are no_sub, sphere, vort$",
    ):
        ingest("images.zarr", "q.csv", [*FILES, "ingest.targets={vortex: {classes: [vortex]}}"])
    assert sorted(path.name for path in lenses.iterdir()) == ["lenses", "params.yaml"], "nothing is left"


def test_a_store_that_was_there_survives_a_class_that_is_refused(lenses: Path) -> None:
    ingest("images.zarr", "q.csv", [*FILES, ONE])
    before = {path: path.read_bytes() for path in lenses.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="no image is of class 'vortex'"):
        ingest("images.zarr", "q.csv", [*FILES, "ingest.targets={vortex: {classes: [vortex]}}"])
    assert {path: path.read_bytes() for path in lenses.rglob("*") if path.is_file()} == before


def test_images_without_classes_say_where_a_column_is_named() -> None:
    how = {"vortex": TargetSource(classes=["vort"])}
    said = complaint(lambda: classes.check(how, np.array(["", ""])))
    assert said.endswith("no image is of class 'vort'; none has a class (ingest.class_column names their column)")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{}", "ingest.targets.a: a target is of one column, or of classes"),
        ("{column: mass, classes: [vort]}", "ingest.targets.a: a target is of one column, or of classes"),
        (
            "{classes: [vort], unit: eV}",
            "ingest.targets.a: of classes a target is 0 or 1; leave out unit and transform",
        ),
        ("{classes: [vort, vort]}", "ingest.targets.a.classes: 'vort' is there twice"),
    ],
)
def test_a_target_is_a_column_or_classes(section: Any, written: str, said: str) -> None:
    assert complaint(lambda: section("ingest", f"ingest.targets={{a: {written}}}")).startswith(said)
