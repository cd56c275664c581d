"""Normalise: what is learnt is learnt on the training rows, and every row goes where the split sent it."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from pipeline import store
from pipeline.errors import InputError
from pipeline.normalise import normalise, scale
from pipeline.store import Array, Store, arrays
from pipeline.tables import physical

ROWS = 60
ARRAYS = {
    "images.zarr": [Array("targets", "float64", (3,), ("t",)), Array("id", "str"), Array("noise", "float32")],
    "input.zarr": [Array("maps", "float32", (2, 6, 6), ("c", "h", "w")), Array("vectors", "float32", (3,), ("k",))],
}
MANIFESTS = {
    "images.zarr": {
        "target_names": ["unused", "slope", "mass"],
        "target_units": {"slope": "", "mass": "dex(eV)"},
        "pixel_scale": 0.25,
    },
    "input.zarr": {
        "channels": ["pixels", "pedestal"],
        "columns": ["first", "second", "third"],
        "missing": ["third"],
        "symmetries": {"first": ["d4"], "second": []},
    },
}
Values = dict[str, np.ndarray]


@pytest.fixture
def values(generator: np.random.Generator) -> Values:
    maps = generator.normal(size=(ROWS, 2, 6, 6)).astype(np.float32) * np.array([5, 0.1], np.float32)[:, None, None]
    maps[:, 1] += 1000  # a sum of squares about zero would lose this channel's spread
    return {
        "maps": maps,
        "vectors": (generator.normal(size=(ROWS, 3)) * [1, 10, 100] + [3, 2, 1]).astype(np.float32),
        "targets": generator.normal(size=(ROWS, 3)) * [1, 2, 0.4] + [0, 4, -23.7],
        "id": np.array([f"lens {i}" for i in range(ROWS)]),
        "noise": np.linspace(1, 3, ROWS, dtype=np.float32),
    }


@pytest.fixture
def roles(generator: np.random.Generator) -> dict[str, list[int]]:
    """All rows but one, shuffled: every role has rows of every shard."""
    order = generator.permutation(ROWS)[1:].tolist()
    return {"train": order[:30], "validation": order[30:39], "calibration": order[39:46], "test": order[46:]}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of sixteen rows of maps."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * 2 * 36 * 4)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 16 * 2 * 36 * 4)


def prepare(values: Values, roles: dict[str, list[int]], target: str = "out", rows: int = ROWS) -> dict[str, Store]:
    """Run the stage in the working folder, and open what it wrote."""
    for name, described in ARRAYS.items():
        chosen = [array for array in described if array.name in values]
        manifest = MANIFESTS[name] | ({} if "vectors" in values or name == "images.zarr" else {"columns": []})
        store.write(name, ROWS, chosen, lambda a, b: {key: part[a:b] for key, part in values.items()}, **manifest)
    Path("split.json").write_text(json.dumps({"targets": ["mass", "slope"], "rows": rows, "roles": roles}))
    normalise("images.zarr", "input.zarr", "split.json", target)
    return {name: Store(Path(target) / name) for name in ("fit.zarr", "test.zarr")}


def of_role(stores: dict[str, Store], name: str, role: str) -> np.ndarray:
    opened = stores["test.zarr" if role == "test" else "fit.zarr"]
    return opened.read(name, *opened.attributes["roles"][role])


def test_what_augmentations_must_know_goes_with_the_rows(
    values: Values, roles: dict[str, list[int]], tiny: Path
) -> None:
    for store_ in prepare(values, roles).values():
        assert store_.attributes["observation"] == {"sky_rms": pytest.approx(2.0), "pixel_scale": 0.25}
        assert store_.attributes["symmetries"] == {"first": ["d4"], "second": []}


def test_every_row_goes_where_the_split_sent_it(tiny: Path, values: Values, roles: dict[str, list[int]]) -> None:
    stores = prepare(values, roles)
    for role, rows in roles.items():
        assert of_role(stores, "row", role).tolist() == rows
        assert of_role(stores, "id", role).tolist() == values["id"][rows].tolist()
    assert set(stores["fit.zarr"].attributes["roles"]) == {"train", "validation", "calibration"}
    assert set(stores["test.zarr"].attributes["roles"]) == {"test"}
    assert stores["test.zarr"].read("row").tolist() == roles["test"]  # and no other
    assert not set(stores["fit.zarr"].read("row")) & set(roles["test"])


def test_scales_as_scikit_learn_does_when_shown_the_training_rows(
    tiny: Path, values: Values, roles: dict[str, list[int]]
) -> None:
    stores = prepare(values, roles)
    assert stores["fit.zarr"]._cuts.shard_rows == 16  # so that sums run over several shards
    for name, source in (
        ("maps", values["maps"]),
        ("vectors", values["vectors"]),
        ("target", values["targets"][:, [2, 1]]),
    ):
        lines = np.moveaxis(source.astype(np.float64), 1, -1)  # channels last
        scaler = StandardScaler().fit(lines[roles["train"]].reshape(-1, lines.shape[-1]))
        for role, rows in roles.items():
            expected = scaler.transform(lines[rows].reshape(-1, lines.shape[-1])).reshape(lines[rows].shape)
            found = np.moveaxis(of_role(stores, name, role), 1, -1)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        statistics = stores["test.zarr"].attributes["statistics"][name]
        np.testing.assert_allclose(statistics["mean"], scaler.mean_, rtol=1e-12)
        np.testing.assert_allclose(statistics["std"], scaler.scale_, rtol=1e-9)


def test_training_maps_have_mean_zero_and_deviation_one(
    tiny: Path, values: Values, roles: dict[str, list[int]]
) -> None:
    maps = of_role(prepare(values, roles), "maps", "train").astype(np.float64)
    np.testing.assert_allclose(maps.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(maps.std(axis=(0, 2, 3)), 1, rtol=1e-6)


def test_what_is_not_in_train_teaches_nothing(tiny: Path, values: Values, roles: dict[str, list[int]]) -> None:
    """However wild the other rows are, statistics and training rows stay the same to the bit."""
    calm = prepare(values, roles)
    wild = {name: part.copy() for name, part in values.items()}
    others = np.setdiff1d(np.arange(ROWS), roles["train"])
    for name in ("maps", "vectors", "targets"):
        wild[name][others] *= -1e6
    stormy = prepare(wild, roles, target="wild")
    for name in ("fit.zarr", "test.zarr"):
        assert calm[name].attributes["statistics"] == stormy[name].attributes["statistics"]
    for name in ("maps", "vectors", "target"):
        assert of_role(calm, name, "train").tobytes() == of_role(stormy, name, "train").tobytes()
        for role in ("validation", "calibration", "test"):
            assert not np.array_equal(of_role(calm, name, role), of_role(stormy, name, role))


def test_targets_turn_back_into_what_they_were(tiny: Path, values: Values, roles: dict[str, list[int]]) -> None:
    """In the split's order of targets, which is not the image store's."""
    stores = prepare(values, roles)
    for role, rows in roles.items():
        found = physical(of_role(stores, "target", role), stores["fit.zarr"].attributes["statistics"]["target"])
        np.testing.assert_allclose(found, values["targets"][rows][:, [2, 1]], rtol=1e-6)


def test_the_statistics_treat_a_new_image_alike(tiny: Path, values: Values, roles: dict[str, list[int]]) -> None:
    stores = prepare(values, roles)
    again = scale(values["maps"][roles["test"]], stores["fit.zarr"].attributes["statistics"]["maps"], 1)
    np.testing.assert_array_equal(again, of_role(stores, "maps", "test"))


def test_a_missing_value_becomes_the_mean_of_those_that_are_there(
    tiny: Path, values: Values, roles: dict[str, list[int]]
) -> None:
    gone = [roles["train"][3], roles["train"][20], roles["test"][0]]
    values["vectors"][gone, 2] = np.nan
    stores = prepare(values, roles)
    there = np.delete(values["vectors"][roles["train"], 2].astype(np.float64), [3, 20])
    assert stores["fit.zarr"].attributes["statistics"]["vectors"]["mean"][2] == pytest.approx(there.mean(), rel=1e-12)
    assert stores["fit.zarr"].attributes["statistics"]["vectors"]["std"][2] == pytest.approx(there.std(), rel=1e-12)
    train, test = of_role(stores, "vectors", "train")[:, 2], of_role(stores, "vectors", "test")[:, 2]
    assert (train[[3, 20]] == 0).all()
    assert test[0] == 0
    assert np.isfinite(np.concatenate([train, test])).all()


def test_an_input_without_vectors_has_none(tiny: Path, values: Values, roles: dict[str, list[int]]) -> None:
    del values["vectors"]
    for opened in prepare(values, roles).values():
        assert "vectors" not in opened
        assert set(opened.attributes["statistics"]) == {"maps", "target"}


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
@pytest.mark.parametrize(("name", "part"), [("maps", "pedestal"), ("vectors", "second")])
def test_what_is_constant_in_train_is_refused_by_name(
    tiny: Path, values: Values, roles: dict[str, list[int]], name: str, part: str, level: float
) -> None:
    values[name][roles["train"], 1] = level
    with pytest.raises(InputError, match=rf"^input\.zarr: {part} is .* in every training row; drop that feature"):
        prepare(values, roles)
    assert not Path("out").exists()


@pytest.mark.parametrize("level", [0.0, -23.7])
def test_a_target_that_is_constant_in_train_is_refused_by_name(
    tiny: Path, values: Values, roles: dict[str, list[int]], level: float
) -> None:
    values["targets"][roles["train"], 1] = level
    with pytest.raises(InputError, match=rf"^split\.targets: slope is {level:g} in every training row"):
        prepare(values, roles)


@pytest.mark.parametrize(("name", "part"), [("maps", "pedestal"), ("vectors", "second")])
@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_what_is_not_finite_in_train_is_refused_by_name(
    tiny: Path, values: Values, roles: dict[str, list[int]], name: str, part: str, fault: float
) -> None:
    values[name][roles["train"][4], 1] = fault
    with pytest.raises(InputError, match=rf"^input\.zarr: {part} is not finite in some training row"):
        prepare(values, roles)


def test_a_split_of_another_store_is_refused(tiny: Path, values: Values, roles: dict[str, list[int]]) -> None:
    with pytest.raises(InputError, match=r"^split\.json: made for 61 rows; images\.zarr has 60, input\.zarr 60"):
        prepare(values, roles, rows=61)
