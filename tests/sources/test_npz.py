"""Source `npz`: archives and plain arrays read row by row; bombs, pickles and headers that lie are refused unread."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.sources import Source, npz
from tests.sources.memory import at_most
from tests.sources.mutations import Act

Open = Callable[..., Source]
MASS = np.array([1e-24, 1e-23, 1e-22])


@pytest.fixture
def images(generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=(3, 10, 12)).astype("f4")


@pytest.fixture
def opened(tmp_path: Path, section: Callable[..., Any]) -> Open:
    """Opens the source on the test's folder, with overrides of its section."""
    return lambda *overrides: npz.open_source(
        section("ingest", "ingest.source=npz", f"ingest.path={tmp_path}", *overrides)
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_reads_what_numpy_saves(tmp_path: Path, save: Callable[..., None], images: np.ndarray, opened: Open) -> None:
    save(tmp_path / "a.npz", images=images.astype(">f8"), mass=MASS, id=np.array(["x", "y", "z"]), kind=[1, 2, 1])
    lenses = opened("ingest.class_column=kind").read(np.array([2, 0, 1]))
    np.testing.assert_array_equal(lenses.images[:, 0], images[[2, 0, 1]])
    assert lenses.id.tolist() == ["z", "x", "y"]
    assert lenses.kind is not None
    assert lenses.kind.tolist() == ["1", "1", "2"]
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], [-22, -24, -23])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_either_order_of_axes_in_memory_is_read(
    tmp_path: Path, save: Callable[..., None], order: Any, images: np.ndarray, opened: Open
) -> None:
    save(tmp_path / "a.npz", images=np.array(images, order=order), mass=MASS)
    np.testing.assert_array_equal(opened().read(np.arange(1, 3)).images[:, 0], images[1:])


def test_reads_a_cube_in_one_file_with_a_table_of_labels(tmp_path: Path, images: np.ndarray, opened: Open) -> None:
    np.save(tmp_path / "cube.npy", np.moveaxis(np.stack([images, 2 * images], axis=1), 1, -1))
    (tmp_path / "labels.csv").write_text("id,mass\n" + "".join(f"cube.npy:{i},{m}\n" for i, m in enumerate(MASS)))
    lenses = opened("ingest.labels=labels.csv").read(np.arange(3))
    np.testing.assert_array_equal(lenses.images, np.stack([images, 2 * images], axis=1))
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], [-24, -23, -22])


def bomb(path: Path, images: np.ndarray) -> None:
    np.savez_compressed(path, images=np.zeros((3, 3000, 3000)), mass=MASS)


def short(path: Path, images: np.ndarray) -> None:
    """The header of the array says ten thousand times as much as its bytes hold."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (30000, 10, 12)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", head.getvalue() + images.tobytes())


def twice(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=images, mass=MASS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("images.npy", archive.read("images.npy"))


def lzma(path: Path, images: np.ndarray) -> None:
    data = io.BytesIO()
    np.save(data, images)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("images.npy", data.getvalue())


def pickled(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=np.array([[[Act(path.with_name("it ran"))]]], dtype=object), mass=MASS)


def complex_numbers(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=images.astype(complex))


def flags(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=images > 0)


def records(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=np.zeros((3, 10, 12), dtype=[("flux", "f4")]))


def flipped(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=images, mass=MASS)
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)


def negative(path: Path, images: np.ndarray) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (-3, -10, 12)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", head.getvalue() + images.tobytes())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bomb, r"images: it announces 216000128 bytes, and \d+ are stored"),
        (short, "images: its header announces 14400000 bytes of data, there are 1440"),
        (negative, "not a readable .*: its header announces a shape of"),
        (twice, "not a readable .*: one of its arrays is there twice"),
        (lzma, "images: it is compressed in a way that NumPy does not write"),
        (pickled, "images: it holds pickled objects"),
        (complex_numbers, "images: images must be of real numbers, not <c16"),
        (flags, r"images: images must be of real numbers, not \|b1"),
        (records, "images: images must be of real numbers, not"),
        (flipped, "not a readable .npz or .npy file: Bad CRC-32"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_read_safely_is_refused_by_name_and_takes_no_memory(
    tmp_path: Path, images: np.ndarray, opened: Open, make: Callable[..., None], message: str
) -> None:
    make(tmp_path / "a.npz", images)
    with at_most(8 * 2**20), pytest.raises(InputError, match=rf"^{tmp_path}/a\.npz: {message}"):
        opened("ingest.dataset=images")
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data + b"\0"], ids=["too short", "too long"])
def test_a_cube_of_another_length_than_its_header_says_is_refused(
    tmp_path: Path, images: np.ndarray, opened: Open, spoil: Callable[[bytes], bytes]
) -> None:
    np.save(tmp_path / "a.npy", images)
    (tmp_path / "a.npy").write_bytes(spoil((tmp_path / "a.npy").read_bytes()))
    with pytest.raises(InputError, match=r"a\.npy: its header announces 1440 bytes of data, there are 14[34][19]"):
        opened()


def test_rows_out_of_order_do_not_decompress_the_archive_again(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, generator: np.random.Generator
) -> None:
    images = generator.normal(size=(40, 300, 300)).astype("f4")  # two blocks
    np.savez_compressed(tmp_path / "a.npz", images=images, mass=np.full(40, 1e-22))
    source, copied = opened(), []
    monkeypatch.setattr(npz.shutil, "copyfileobj", lambda *_: copied.append(1))
    rows = generator.permutation(40)
    np.testing.assert_array_equal(source.read(rows).images[:, 0], images[rows])
    assert copied == []


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_memory_does_not_follow_the_size_of_the_archive(
    tmp_path: Path, save: Callable[..., None], opened: Open, generator: np.random.Generator
) -> None:
    images = generator.integers(0, 255, (2000, 256, 256), dtype="u1")  # 131 MB
    save(tmp_path / "a.npz", images=images, mass=np.full(2000, 1e-22))
    expected = images[-1].astype("f4")
    del images
    with at_most(90 * 2**20):
        source = opened()
        for start in range(0, source.rows, 50):
            last = source.read(np.arange(start, start + 50)).images[-1, 0]
    np.testing.assert_array_equal(last, expected)
