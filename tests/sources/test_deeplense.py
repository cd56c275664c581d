"""Source `deeplense`: what its generator writes is read exactly; a hostile pickle is refused before it runs."""

import io
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import params
from pipeline.errors import InputError
from pipeline.params import Ingest
from pipeline.sources import deeplense
from tests.conftest import TINY, complaint

IMAGE = np.arange(36, dtype=np.int64).reshape(6, 6)


def load(path: Path) -> tuple[np.ndarray, Any]:
    """The image and the labels of one file."""
    frame = deeplense.read_image(params.read([], "ingest", path=TINY), path)
    return frame.image[0], frame.labels


def pair(image: object, mass: object) -> np.ndarray:
    both = np.empty(2, dtype=object)
    both[:] = image, mass
    return both


@pytest.fixture
def ingest(section: Callable[..., Any], tmp_path: Path) -> Ingest:
    return section("ingest", "ingest.source=deeplense", f"ingest.path={tmp_path}")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("mass", [3e-24, np.float64(3e-24)], ids=["float", "numpy"])
def test_reads_pairs_of_every_pickle_protocol(tmp_path: Path, protocol: int, mass: float) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (2,)})
        pickle.dump(pair(IMAGE, mass), file, protocol=protocol)
    image, labels = load(path)
    np.testing.assert_array_equal(image, IMAGE)
    assert image.dtype == np.int64
    assert labels == {"mass": 3e-24}


def test_reads_what_numpy_saves(tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "axion").mkdir()
    np.save(tmp_path / "axion" / "b.npy", pair(IMAGE, 1e-23), allow_pickle=True)
    np.save(tmp_path / "no_sub.npy", IMAGE.astype(np.float64) * 1e-9)
    source = deeplense.open_source(ingest)
    lenses = source.read(np.arange(0, 2))
    assert lenses.id.tolist() == ["axion/b.npy", "no_sub.npy"]
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], [-23, np.nan])
    np.testing.assert_array_equal(lenses.images[0, 0], IMAGE)
    np.testing.assert_allclose(lenses.images[1, 0], IMAGE * 1e-9)
    assert lenses.images.dtype == np.float32
    assert np.isnan(lenses.noise).all()
    assert lenses.group[0] != lenses.group[1]
    np.testing.assert_array_equal(source.read(np.arange(1, 2)).images, lenses.images[1:])


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


class Evaluation:
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1 + 1",)


@pytest.mark.parametrize("place", ["mass", "image", "inside the image", "alone"])
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path, place: str) -> None:
    mark, path = tmp_path / "it ran", tmp_path / "a.npy"
    bomb = Bomb(Path("'" + str(mark) + "'"))
    nested = np.empty((6, 6), dtype=object)
    nested[0, 0] = bomb
    hostile = {
        "mass": pair(IMAGE, bomb),
        "image": pair(bomb, 1e-23),
        "inside the image": pair(nested, 1e-23),
        "alone": np.array(bomb, dtype=object),
    }[place]
    np.save(path, hostile, allow_pickle=True)
    with pytest.raises(InputError, match=rf"{path}: not a readable \.npy file: it pickles posix\.system"):
        load(path)
    assert not mark.exists()
    np.load(path, allow_pickle=True)  # the fault is real: NumPy would have run it
    assert mark.exists()


@pytest.mark.parametrize(
    "thing",
    [Evaluation(), Path("x"), {1, 2}, np.random.default_rng, np.float64],
    ids=["expression", "path", "set", "function", "class"],
)
def test_a_pickle_of_anything_but_arrays_and_numbers_is_refused(tmp_path: Path, thing: object) -> None:
    np.save(tmp_path / "a.npy", pair(IMAGE, thing), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy: "):
        load(tmp_path / "a.npy")


def test_a_pickled_array_gets_no_memory_that_its_bytes_do_not_fill(tmp_path: Path) -> None:
    """numpy's own _reconstruct would allocate a petabyte here before it looked at the data."""
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (2,)})
        file.write(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L1000000000000000L\ntS'b'\ntR.")
    with pytest.raises(InputError, match="does not hold an array"):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize("keep", [0, 5, 20, 100, 200, 290])
@pytest.mark.parametrize("form", ["plain", "pair"])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, keep: int, form: str) -> None:
    path = tmp_path / "cut.npy"
    np.save(path, IMAGE if form == "plain" else pair(IMAGE, 1e-23), allow_pickle=True)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"{path}: not a readable \.npy file"):
        load(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((6, 6, 3)), r"6 x 6 x 3 is not height x width, nor has it one axis of at most 8 bands"),
        (np.zeros((2, 16, 16, 3)), r"2 x 16 x 16 x 3 is many images in one file; ingest\.source: npz reads those"),
        (np.zeros((6, 6), dtype=complex), "not complex128"),
        (np.array([["a", "b"]]), "expected an image of real numbers"),
        (pair(IMAGE, "heavy"), r"\[image, mass\], not \[ndarray, str\]"),
        (pair(3.0, IMAGE), r"\[image, mass\], not \[float, ndarray\]"),
    ],
    ids=["no telling", "cube of cubes", "complex", "text", "mass is text", "swapped"],
)
def test_other_content_is_refused_by_name(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "odd.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"odd\.npy: .*" + message):
        load(tmp_path / "odd.npy")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (np.zeros((6, 7)), r"b\.npy: 1 x 6 x 7 pixels, but the first image has 1 x 6 x 6"),
        (np.full((6, 6), np.nan), r"b\.npy: every pixel is NaN"),
        (np.where(IMAGE == 3, np.inf, 1.0), r"b\.npy: 1 of 36 pixels are NaN, infinite or masked"),
        (pair(IMAGE, -1.0), r"b\.npy: its mass is -1; a log10 needs it above zero"),
    ],
    ids=["size", "all NaN", "one inf", "negative mass"],
)
def test_a_bad_image_among_good_ones_is_refused_by_name(
    tmp_path: Path, ingest: Ingest, second: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "a.npy", np.ones((6, 6)))
    np.save(tmp_path / "b.npy", second, allow_pickle=True)
    said = complaint(lambda: deeplense.open_source(ingest).read(np.arange(2)))
    assert re.search(message, said), said


@pytest.mark.parametrize("shape", [(3, 16, 20), (16, 20, 3)], ids=["bands first", "bands last"])
def test_bands_are_found_and_chosen(tmp_path: Path, section: Callable[..., Any], shape: tuple[int, ...]) -> None:
    colour = np.random.default_rng(0).normal(size=shape)
    np.save(tmp_path / "a.npy", colour)
    chosen = section("ingest", f"ingest.path={tmp_path}", "ingest.bands=[2, 0]")
    found = deeplense.open_source(chosen).read(np.arange(1)).images[0]
    bands_first = colour if shape[0] == 3 else np.moveaxis(colour, 2, 0)
    np.testing.assert_array_equal(found, bands_first[[2, 0]].astype(np.float32))


def test_the_folder_is_the_class_and_large_counts_survive(tmp_path: Path, ingest: Ingest) -> None:
    for kind, value in (("cdm", 70_000), ("axion", 2**24)):
        (tmp_path / kind).mkdir()
        np.save(tmp_path / kind / "a.npy", np.full((16, 16), value, dtype=np.int64))
    lenses = deeplense.open_source(ingest).read(np.arange(2))
    assert lenses.kind is not None
    assert lenses.kind.tolist() == ["axion", "cdm"]
    assert lenses.images.max(axis=(1, 2, 3)).tolist() == [2**24, 70_000]


def test_an_empty_or_absent_folder_is_refused_by_name(tmp_path: Path, section: Callable[..., Any]) -> None:
    for folder, message in ((tmp_path, "nothing of source"), (tmp_path / "away", "no such folder")):
        with pytest.raises(InputError, match=f"{folder}: {message}"):
            deeplense.open_source(section("ingest", f"ingest.path={folder}"))


def test_the_public_generators_files(shared_data: Path, section: Callable[..., Any]) -> None:
    """Every file of both models, against NumPy's own (trusting) reader and the generator's truth table."""
    for model, count in (("Model_I", 120), ("Model_II", 600)):
        folder = shared_data / "deeplense" / model
        source = deeplense.open_source(section("ingest", f"ingest.path={folder}"))
        lenses = source.read(np.arange(0, source.rows))
        assert source.rows == count
        truth = {line.split(",")[0]: line.split(",")[3] for line in (folder / "truth.csv").read_text().splitlines()[1:]}
        for name, image, found in zip(lenses.id, lenses.images[:, 0], lenses.targets["log10_axion_mass"], strict=True):
            loaded = np.load(folder / name, allow_pickle=True)
            np.testing.assert_array_equal(image, (loaded[0] if loaded.dtype == object else loaded).astype(np.float32))
            mass = truth[f"{model}/{name}"]
            assert (np.isnan(found) and not mass) or np.isclose(found, np.log10(float(mass)))


def pickled(body: bytes) -> bytes:
    """A .npy file of shape (2,) whose pickle is `body`."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    return head.getvalue() + body


@pytest.mark.parametrize(
    "body",
    [
        b"cnumpy\nndarray\n((I3\nI4\ntS'f8'\ntR.",
        b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.",
        b"c_codecs\nencode\n(dS'__defaults__'\nI1\nsb.",
        b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb.",
    ],
    ids=["uninitialised memory", "structured type", "alters a function", "a type alone"],
)
def test_a_pickle_gets_nothing_out_of_the_names_it_may_use(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(pickled(body))
    with pytest.raises(InputError, match=r"a\.npy: "):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize("protocol", [2, 5])
def test_every_changed_byte_is_read_or_refused_by_name(
    tmp_path: Path, protocol: int, generator: np.random.Generator
) -> None:
    """No crash and no other error, whichever byte is spoilt; what is read has the shape of an image."""
    good = pickled(pickle.dumps(pair(IMAGE.astype(np.float64), 3e-24), protocol=protocol))
    path, refused = tmp_path / "a.npy", 0
    for position in range(len(good)):
        for value in generator.integers(0, 256, 4):
            path.write_bytes(good[:position] + bytes([value]) + good[position + 1 :])
            try:
                image, _ = load(path)
            except InputError:
                refused += 1
            else:
                assert image.ndim == 2
    assert refused > len(good)


def test_a_column_that_the_files_do_not_have_is_refused(tmp_path: Path, section: Callable[..., Any]) -> None:
    targets = "ingest.targets={f_sub: {column: fraction}}"
    with pytest.raises(InputError, match=r"^ingest\.targets\.f_sub\.column: .* have 'mass', not 'fraction'"):
        deeplense.open_source(section("ingest", f"ingest.path={tmp_path}", targets))


@pytest.mark.parametrize("pattern", ["../*.npy", "/tmp/*.npy"])
def test_a_pattern_that_leads_out_of_the_folder_is_refused(
    tmp_path: Path, section: Callable[..., Any], pattern: str
) -> None:
    with pytest.raises(InputError, match=r"^ingest\.pattern: .* leads out of"):
        deeplense.open_source(section("ingest", f"ingest.path={tmp_path}", f"ingest.pattern={pattern}"))
