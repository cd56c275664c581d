"""Source `hdf5`: arrays of images and the columns beside them, read exactly; nothing outside the file is followed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import Source, hdf5
from tests.sources.memory import at_most

Open = Callable[..., Source]
MASS = np.array([1e-24, 1e-23, np.nan])
WEIGHT = ("ingest.targets={m: {column: weight}}",)


@pytest.fixture
def images(generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=(3, 10, 12))


@pytest.fixture
def opened(tmp_path: Path, section: Callable[..., Any]) -> Open:
    """Opens the source on the test's folder, with overrides of its section."""

    def make(*overrides: str) -> Source:
        ingest: Ingest = section("ingest", "ingest.source=hdf5", f"ingest.path={tmp_path}", *overrides)
        return hdf5.open_source(ingest)

    return make


def save(path: Path, images: np.ndarray, mass: np.ndarray = MASS, **more: Any) -> None:
    with h5py.File(path, "w") as file:
        file["images"], file["mass"] = images, mass
        for name, values in more.items():
            file[name] = values


def test_reads_images_targets_classes_and_ids(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    save(tmp_path / "a.h5", images.astype(">f8"), id=["x", "y", "z"], model=["cdm", "axion", "axion"])
    source = opened("ingest.class_column=model")
    lenses = source.read(np.array([2, 0]))
    np.testing.assert_array_equal(lenses.images[:, 0], images[[2, 0]].astype("f4"))
    assert lenses.images.dtype == np.float32
    assert lenses.id.tolist() == ["z", "x"]
    assert lenses.kind is not None
    assert lenses.kind.tolist() == ["axion", "cdm"]
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], [np.nan, -24])


@pytest.mark.parametrize("dtype", ["f2", "f4", "i2", "u1", ">i4", "i8"])
def test_every_type_of_number_is_read(tmp_path: Path, dtype: str, opened: Open) -> None:
    images = np.arange(3 * 120).reshape(3, 10, 12) % 100
    save(tmp_path / "a.h5", images.astype(dtype))
    np.testing.assert_array_equal(opened().read(np.arange(3)).images[:, 0], images)


@pytest.mark.parametrize(("shape", "axis"), [((3, 2, 10, 12), 1), ((3, 10, 12, 2), 3)], ids=["first", "last"])
def test_the_short_axis_is_of_bands(
    tmp_path: Path, shape: tuple[int, ...], axis: int, generator: np.random.Generator, opened: Open
) -> None:
    images = generator.normal(size=shape).astype("f4")
    save(tmp_path / "a.h5", images)
    source = opened()
    assert source.shape == (2, 10, 12)
    np.testing.assert_array_equal(source.read(np.arange(3)).images, np.moveaxis(images, axis, 1))


@pytest.mark.parametrize("shape", [(3, 12, 12, 12), (3, 4, 4, 12), (3, 12, 3), (3, 4, 12, 12, 2)])
def test_axes_that_may_be_anything_are_refused(tmp_path: Path, shape: tuple[int, ...], opened: Open) -> None:
    save(tmp_path / "a.h5", np.ones(shape))
    with pytest.raises(InputError, match=r"a\.h5: images: .* is not images x height x width.*reshape"):
        opened("ingest.dataset=images")


def test_rows_of_several_files_are_numbered_in_order(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    (tmp_path / "sub").mkdir()
    save(tmp_path / "b.hdf5", np.concatenate([images] * 4), np.ones(12))
    save(tmp_path / "sub" / "a.h5", 2 * images)
    with h5py.File(tmp_path / "single.h5", "w") as file:
        file["images"], file["mass"] = 3 * images[0], [1.0]
    source = opened()
    lenses = source.read(np.arange(source.rows))
    assert lenses.id.tolist()[-5:] == ["b.hdf5:11", "single.h5", *(f"sub/a.h5:{i}" for i in range(3))]
    assert lenses.id.tolist()[0] == "b.hdf5:00"
    np.testing.assert_array_equal(lenses.images[12:, 0], np.concatenate([3 * images[:1], 2 * images]).astype("f4"))
    assert len(set(lenses.group.tolist())) == 16


def test_columns_are_those_beside_the_images(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/images"], file["train/mass"] = images, MASS
        file["test/images"], file["test/mass"] = 2 * images, 10 * MASS
    with pytest.raises(InputError, match=r"several arrays may be .* ingest\.dataset .*train/images.*test/images"):
        opened()
    lenses = opened("ingest.dataset=test/images").read(np.arange(3))
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], [-23, -22, np.nan])
    np.testing.assert_array_equal(lenses.images[:, 0], (2 * images).astype("f4"))


def test_rows_of_one_group_stay_together(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    save(tmp_path / "a.h5", images, group=[7, 8, 7], halo=["p", "q", "q"])
    one, two, three = opened().read(np.arange(3)).group.tolist()
    assert one == three != two
    one, two, three = opened("ingest.identities=[halo]").read(np.arange(3)).group.tolist()
    assert one != two == three


def test_units_of_the_array_are_kept(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    save(tmp_path / "a.h5", images)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["images"].attrs["units"] = "electron / s"
    assert opened().units == "electron / s"


def test_the_fingerprint_follows_the_file(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    save(tmp_path / "a.h5", images)
    first = opened().fingerprint
    assert opened().fingerprint == first
    save(tmp_path / "a.h5", images, more=[1])
    assert opened().fingerprint != first


def test_what_was_read_of_a_file_is_forgotten_when_it_changes(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    for factor in (1, 2):
        save(tmp_path / "a.h5", factor * images)
        np.testing.assert_array_equal(opened().read(np.arange(3)).images[:, 0], (factor * images).astype("f4"))


def elsewhere(tmp_path: Path, images: np.ndarray) -> None:
    save(tmp_path / "other.hdf", images)


def linked(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file["images"] = h5py.ExternalLink(str(other), "images")


def soft(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file["real"], file["images"] = images, h5py.SoftLink("/real")


def virtual(file: h5py.File, images: np.ndarray, other: Path) -> None:
    layout = h5py.VirtualLayout(images.shape, "f8")
    layout[:] = h5py.VirtualSource(str(other), "images", images.shape)
    file.create_virtual_dataset("images", layout)


def external(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file.create_dataset("images", images.shape, "f8", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def ragged(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file.create_dataset("images", images.shape, h5py.vlen_dtype("f8"))


def complex_numbers(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file["images"] = images.astype(complex)


def flags(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file["images"] = images > 0


def unwritten(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file.create_dataset("images", (3, 1000, 1000), "f8")


def half_written(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file.create_dataset("images", images.shape, "f8", chunks=(1, 10, 12))[:2] = images[:2]


def inflated(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file.create_dataset("images", data=np.zeros((3, 1000, 1000)), chunks=(1, 1000, 1000), compression="gzip")


def no_rows(file: h5py.File, images: np.ndarray, other: Path) -> None:
    file["images"] = images[:0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (linked, "link to 'images' elsewhere"),
        (soft, "link to '/real' elsewhere"),
        (virtual, "in other files; copy them into this one"),
        (external, "in other files; copy them into this one"),
        (ragged, "objects or of varying length"),
        (complex_numbers, "real numbers, not <c16"),
        (flags, r"real numbers, not \|b1"),
        (unwritten, "only 0 of its 24000000 bytes were ever written"),
        (half_written, "1 of its 3 chunks were never written"),
        (inflated, "it announces 24000000 bytes"),
        (no_rows, "holds no pixels"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_images_that_cannot_be_had_are_refused_by_name(
    tmp_path: Path, images: np.ndarray, opened: Open, make: Callable[..., None], message: str
) -> None:
    other = tmp_path / "other.hdf"
    save(other, images)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, images, other)
        file["mass"] = MASS
    with pytest.raises(InputError, match=rf"^{tmp_path}/a\.h5: images: .*{message}"):
        opened("ingest.dataset=images")


@pytest.mark.parametrize(
    ("more", "overrides", "message"),
    [
        ({"id": ["x", "y", "x"]}, (), r"a\.h5, row 2: its id 'x' is also that of a\.h5, row 0"),
        ({"id": ["x", "", "z"]}, (), r"a\.h5, row 1: no id"),
        ({}, WEIGHT, r"no array 'weight' of 3 values; there are mass <f8 3"),
        (
            {"weight": [1.0, 2.0]},
            WEIGHT,
            r"a\.h5: weight: .*shape \(3,\), not \(2,\)",
        ),
        ({}, ("ingest.dataset=pictures",), r"a\.h5: no array 'pictures'; .*images <f8 3 x 10 x 12"),
    ],
    ids=["id twice", "no id", "no column", "short column", "no such array"],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, images: np.ndarray, opened: Open, more: dict[str, Any], overrides: tuple[str, ...], message: str
) -> None:
    save(tmp_path / "a.h5", images, **more)
    with pytest.raises(InputError, match=message):
        opened(*overrides)


def test_an_id_in_two_files_names_both(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    save(tmp_path / "a.h5", images, id=["x", "y", "z"])
    save(tmp_path / "b.h5", images, id=["u", "v", "y"])
    with pytest.raises(InputError, match=r"b\.h5, row 2: its id 'y' is also that of a\.h5, row 1"):
        opened()


def test_a_file_without_images_lists_what_it_has(tmp_path: Path, opened: Open) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spectrum"] = np.ones(5)
    with pytest.raises(InputError, match=r"a\.h5: no array of images in it; there are spectrum <f8 5"):
        opened()


def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a.h5").write_bytes(b"SIMPLE  =                    T" * 100)
    with pytest.raises(InputError, match=rf"{tmp_path}/a\.h5: not a readable HDF5 file"):
        opened()


def test_a_reader_that_hangs_or_crashes_is_an_error_and_the_next_file_is_read(
    tmp_path: Path, images: np.ndarray, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the library: it sleeps, or dies of its memory."""
    save(tmp_path / "a.h5", images)
    real, fake = hdf5.READER, tmp_path / "fake.py"
    hdf5._reader(hdf5.os.getpid()).close()
    monkeypatch.setattr(hdf5, "PATIENCE", 1)
    monkeypatch.setattr(hdf5, "READER", fake)
    for body, message in (
        ("signal.alarm(int(sys.argv[1])); time.sleep(60)", "was not done with it after 1 s"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"crashed on it \(status -11\)"),
    ):
        fake.write_text(f"import os, signal, sys, time\nsys.stdin.readline()\n{body}\n")
        with pytest.raises(InputError, match=rf"{tmp_path}/a\.h5: .*{message}"):
            opened()
    monkeypatch.setattr(hdf5, "READER", real)
    assert opened().rows == 3


def test_memory_does_not_follow_the_size_of_the_file(tmp_path: Path, opened: Open) -> None:
    """Rows are read in blocks: the reader gets by on its allowance, and we on two blocks."""
    images = np.ones((2000, 200, 200), dtype="f4")  # 320 MB
    save(tmp_path / "a.h5", images, np.ones(2000))
    del images
    source = opened()
    with at_most(120 * 2**20):
        for start in range(0, source.rows, 100):
            assert source.read(np.arange(start, start + 100)).images.all()
