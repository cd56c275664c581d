"""Source `zarr`: a store of ours comes with all that it knows; of a foreign group nothing is made up, nothing runs."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr as library

from pipeline import store
from pipeline.errors import InputError
from pipeline.sources import OBSERVED, Source, zarr
from pipeline.store import Array
from tests.sources.mutations import bomb

Open = Callable[..., Source]
ROWS = 5
MASS = "ingest.targets={log10_axion_mass: {column: mass, unit: eV, transform: log10}}"


@pytest.fixture
def opened(tmp_path: Path, section: Callable[..., Any]) -> Open:
    """Opens the source on the test's folder, with overrides of its section."""
    return lambda *overrides: zarr.open_source(
        section("ingest", "ingest.source=zarr", f"ingest.path={tmp_path}", *overrides)
    )


@pytest.fixture
def held(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """What the store of another project holds."""
    return {
        "images": generator.normal(size=(ROWS, 2, 10, 12)).astype("f4"),
        "targets": np.array([[-24.0, 1.0], [-23.0, 2.0], [np.nan, 3.0], [-22.5, 4.0], [-22.0, 5.0]]),
        "id": np.array(["a", "b", "c", "d", "e"]),
        "kind": np.array(["axion", "cdm", "", "axion", "cdm"]),
        "group": np.array([3, 1, 3, 2, 1]),
        "identities": np.array([["p"], ["q"], ["p"], ["r"], ["q"]]),
        "noise": np.arange(1, ROWS + 1, dtype="f4"),
        "noise_known": np.array([True, False, True, True, False]),
        "peak": np.ones(ROWS, "f4"),
        "observed": np.tile([0.1, 0.2, np.nan, 1.5, np.nan], (ROWS, 1)),
    }


def write(path: Path, held: dict[str, np.ndarray]) -> None:
    axes = {"images": ("b", "h", "w"), "mask": ("b", "h", "w"), "targets": ("t",), "identities": ("i",)}
    arrays = [
        Array(name, "str" if values.dtype.kind == "U" else str(values.dtype), values.shape[1:], axes.get(name, ("o",)))
        for name, values in held.items()
    ]
    store.write(
        path,
        ROWS,
        arrays,
        lambda a, b: {name: values[a:b] for name, values in held.items()},
        target_names=["log10_axion_mass", "einstein_radius"],
        target_units={"log10_axion_mass": UNIT, "einstein_radius": "arcsec"},
        pixel_scale=0.1,
        psf_fwhm=None,
        units="electron / s",
        identities=["halo"],
        observed=list(OBSERVED),
        provenance={},
        quarantined=0,
    )


UNIT = "dex(eV)"


def test_a_store_of_ours_comes_with_all_it_knows(tmp_path: Path, held: dict[str, np.ndarray], opened: Open) -> None:
    write(tmp_path / "images.zarr", held)
    source = opened()
    rows = np.array([4, 0, 1, 2])
    lenses = source.read(rows)
    np.testing.assert_array_equal(lenses.images, held["images"][rows])
    np.testing.assert_array_equal(lenses.id, held["id"][rows])
    np.testing.assert_array_equal(lenses.targets["log10_axion_mass"], held["targets"][rows, 0])
    np.testing.assert_array_equal(lenses.group, held["group"][rows])
    np.testing.assert_array_equal(lenses.noise, [np.nan, 1, np.nan, 3])
    assert lenses.kind is not None
    np.testing.assert_array_equal(lenses.kind, held["kind"][rows])
    assert lenses.identities is not None
    np.testing.assert_array_equal(lenses.identities, held["identities"][rows])
    np.testing.assert_array_equal(lenses.observed["pixel_scale"], 0.1)
    np.testing.assert_array_equal(lenses.observed["gain"], 1.5)
    assert np.isnan(lenses.observed["exposure"]).all()
    assert (source.units, source.pixel_scale, source.identities) == ("electron / s", 0.1, ("halo",))
    assert dict(source.target_units) == {"log10_axion_mass": UNIT}


def test_the_path_may_be_the_store_itself(
    tmp_path: Path, held: dict[str, np.ndarray], opened: Open, section: Callable[..., Any]
) -> None:
    write(tmp_path / "images.zarr", held)
    itself = zarr.open_source(section("ingest", "ingest.source=zarr", f"ingest.path={tmp_path}/images.zarr"))
    assert itself.fingerprint == opened().fingerprint
    assert itself.rows == ROWS


def test_a_mask_is_kept(tmp_path: Path, held: dict[str, np.ndarray], opened: Open) -> None:
    mask = np.zeros((ROWS, 2, 10, 12), bool)
    mask[1, 0, 3, 4] = True
    write(tmp_path / "images.zarr", held | {"mask": mask})
    lenses = opened("ingest.nan=mask").read(np.arange(ROWS))
    np.testing.assert_array_equal(lenses.mask, mask)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("{log10_wdm_mass: {column: m}}", "no target 'log10_wdm_mass'.*; there are log10_axion_mass, einstein_radius"),
        ("{einstein_radius: {column: m, unit: rad}}", "^ingest.targets.einstein_radius: would be in rad; .*in arcsec"),
    ],
    ids=["absent", "other unit"],
)
def test_a_target_that_the_store_has_not_or_in_another_unit_is_refused(
    tmp_path: Path, held: dict[str, np.ndarray], opened: Open, targets: str, message: str
) -> None:
    write(tmp_path / "images.zarr", held)
    with pytest.raises(InputError, match=message):
        opened(f"ingest.targets={targets}")


def test_a_damaged_store_is_refused_by_the_name_of_its_shard(
    tmp_path: Path, held: dict[str, np.ndarray], opened: Open
) -> None:
    write(tmp_path / "images.zarr", held)
    shard = tmp_path / "images.zarr" / "images" / "c" / "0" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=rf"{shard}: this shard is damaged"):
        opened()


def test_of_several_stores_one_must_be_chosen(tmp_path: Path, held: dict[str, np.ndarray], opened: Open) -> None:
    write(tmp_path / "a.zarr", held)
    write(tmp_path / "b.zarr", held)
    with pytest.raises(InputError, match=r"several groups, and a\.zarr is a store of ours; ingest\.pattern chooses"):
        opened()
    assert opened("ingest.pattern=a.zarr").rows == ROWS


def group(path: Path, images: np.ndarray, version: Any = 3, **how: Any) -> library.Group:
    made = library.open_group(path, mode="w", zarr_format=version)
    made.create_array("images", data=images, chunks=(2, *images.shape[1:]), **how)
    made.create_array("mass", data=np.full(len(images), 1e-23))
    return made


@pytest.mark.parametrize(
    ("version", "how"),
    [
        (2, {"compressors": numcodecs.Zlib()}),
        (2, {"compressors": numcodecs.Blosc(), "filters": [numcodecs.Delta("f4")]}),
        (3, {}),
        (3, {"shards": (4, 10, 12), "compressors": library.codecs.BloscCodec()}),
        (3, {"compressors": None}),
    ],
    ids=["2 zlib", "2 delta", "3", "3 sharded", "3 plain"],
)
def test_foreign_groups_of_both_versions_are_read(
    tmp_path: Path, version: int, how: dict[str, Any], generator: np.random.Generator, opened: Open
) -> None:
    images = np.cumsum(generator.integers(0, 9, size=(9, 10, 12)), axis=0).astype("f4")
    made = group(tmp_path / "lenses.zarr", images, version, **how)
    made.create_array("id", shape=9, dtype=str)[:] = np.array(list("abcdefghi"), dtype=object)
    lenses = opened(MASS).read(np.array([8, 3, 4]))
    np.testing.assert_array_equal(lenses.images[:, 0], images[[8, 3, 4]])
    assert lenses.id.tolist() == ["i", "d", "e"]
    np.testing.assert_allclose(lenses.targets["log10_axion_mass"], -23)


def test_rows_of_several_groups_follow_one_another(tmp_path: Path, opened: Open) -> None:
    group(tmp_path / "a.zarr", np.ones((2, 10, 12)))
    group(tmp_path / "sub" / "b.zarr", 2 * np.ones((3, 10, 12)))
    lenses = opened().read(np.arange(5))
    assert lenses.id.tolist() == ["a.zarr:0", "a.zarr:1", "sub/b.zarr:0", "sub/b.zarr:1", "sub/b.zarr:2"]
    np.testing.assert_array_equal(lenses.images[:, 0, 0, 0], [1, 1, 2, 2, 2])


def test_a_missing_chunk_is_not_taken_for_zeros(tmp_path: Path, opened: Open) -> None:
    group(tmp_path / "a.zarr", np.ones((6, 10, 12)))
    shutil.rmtree(tmp_path / "a.zarr" / "images" / "c" / "1")
    with pytest.raises(InputError, match=r"a\.zarr/images: 1 of 3 chunks are missing"):
        opened()


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_chunk_missing_in_a_shard_is_not_taken_for_zeros(tmp_path: Path, opened: Open, at: str) -> None:
    """Shards reach beyond the array: only chunks that lie in it are wanted."""
    codec = library.codecs.ShardingCodec(chunk_shape=(2, 4, 4), index_location=at)

    def written(pixels: np.ndarray) -> Source:
        made = library.open_group(tmp_path / "a.zarr", mode="w")
        made.create_array("mass", data=np.ones(9))
        layout = {"shape": pixels.shape, "dtype": "f4", "chunks": (4, 8, 8), "compressors": None}
        made.create_array("images", serializer=codec, **layout)[:] = pixels
        return opened()

    pixels = np.ones((9, 10, 12), dtype=np.float32)
    np.testing.assert_array_equal(written(pixels).read(np.arange(9)).images[:, 0], pixels)
    pixels[2:4, 4:8, :4] = 0
    pixels[8:, 8:, 8:] = 0
    with pytest.raises(InputError, match=r"a\.zarr/images: 2 of 45 chunks are missing"):
        written(pixels)


def alter(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_codec_that_could_run_code_is_refused_before_anything_is_decoded(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = group(tmp_path / "a.zarr", np.ones((4, 10, 12)), 2)
    made.create_array("id", shape=4, dtype=str)[:] = np.array(list("abcd"), dtype=object)
    alter(tmp_path / "a.zarr" / "id" / ".zarray", compressor={"id": "pickle", "protocol": 2})
    mark = tmp_path / "it ran"
    (tmp_path / "a.zarr" / "id" / "0").write_bytes(bomb(mark))
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    with pytest.raises(InputError, match=r"a\.zarr/id: its codec pickle is not one of"):
        opened()
    assert not mark.exists()
    pickle.loads(bomb(mark))  # the fault is real
    assert mark.exists()


@pytest.mark.parametrize("shape", [[4, 10, 10**9], [10**12, 10, 12]], ids=["a side", "rows"])
def test_a_shape_that_is_only_announced_takes_neither_time_nor_memory(
    tmp_path: Path, opened: Open, shape: list[int]
) -> None:
    group(tmp_path / "a.zarr", np.ones((4, 10, 12)))
    alter(tmp_path / "a.zarr" / "images" / "zarr.json", shape=shape)
    with pytest.raises(InputError, match=r"a\.zarr/images: \d+ of \d+ chunks are missing"):
        opened()


def test_huge_chunks_of_little_are_refused(tmp_path: Path, opened: Open) -> None:
    made = library.open_group(tmp_path / "a.zarr", mode="w")
    made.create_array("images", data=np.ones((4, 10, 12)), chunks=(10**6, 10, 12))
    with pytest.raises(InputError, match=r"a\.zarr/images: its chunks are of 960000000 bytes each"):
        opened()


def test_what_is_no_group_is_refused_by_name(tmp_path: Path, opened: Open, section: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=rf"{tmp_path}: nothing of source zarr matches"):
        opened()
    with pytest.raises(InputError, match="nowhere: no such folder"):
        zarr.open_source(section("ingest", f"ingest.path={tmp_path}/nowhere"))
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(InputError, match=rf"{tmp_path}: not a readable Zarr group"):
        opened()
