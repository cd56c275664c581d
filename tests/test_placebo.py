"""Placebos: as wide as their recipe, its image kept, and of the rest nothing that could help."""

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipeline import params, placebo, store
from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.errors import InputError
from pipeline.figures import draw_gallery
from pipeline.fitting import Task
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.split import split
from pipeline.store import Array, Store, arrays
from tests.conftest import TINY

RECIPE = "engineered"
KINDS = {kind: f"{RECIPE}_{kind}" for kind in params.PLACEBOS}
ROLES = ("train", "validation", "calibration", "test")
SEED = 3


def digests(path: str | Path) -> dict[str, bytes]:
    root = Path(path)
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def of_role(folder: str | Path, name: str, role: str) -> np.ndarray:
    opened = Store(Path(folder) / ("test.zarr" if role == "test" else "fit.zarr"))
    return opened.read(name, *opened.attributes["roles"][role])


def lines(values: np.ndarray) -> list[bytes]:
    """The bytes of each row."""
    return [row.tobytes() for row in values]


# ---------------------------------------------------------------------------- the miniature, end to end


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the miniature's images and split, and its recipe and every placebo engineered and normalised."""
    folder = tmp_path_factory.mktemp("placebo")
    shutil.copy(TINY, folder / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(arrays, "CHUNK_BYTES", 8 * 4 * 24 * 24 * 4)
        patch.setattr(arrays, "SHARD_BYTES", 16 * 4 * 24 * 24 * 4)
        ingest("images.zarr", "quarantine.csv")
        describe("images.zarr", "lenses.parquet")
        audit("images.zarr", "lenses.parquet", "audit.json", "audit")
        split("images.zarr", "audit.json", "audit/pairs.csv", "split.json", [f"split.seed={SEED}"])
        for name in (RECIPE, *KINDS.values()):
            engineer(name, "images.zarr", f"{name}.zarr")
            normalise("images.zarr", f"{name}.zarr", "split.json", name)
    return folder


@pytest.fixture
def inside(miniature: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(miniature)
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 8 * 4 * 24 * 24 * 4)
    monkeypatch.setattr(arrays, "SHARD_BYTES", 16 * 4 * 24 * 24 * 4)
    return miniature


@pytest.mark.parametrize(("kind", "role"), [*product(KINDS, ROLES)])
def test_a_placebo_is_its_recipe_but_for_what_it_replaces(inside: Path, kind: str, role: str) -> None:
    """The same lenses in the same order, with the same labels and the same image, in as many channels."""
    for name in ("row", "id", "target"):
        assert of_role(KINDS[kind], name, role).tolist() == of_role(RECIPE, name, role).tolist()
    mine, recipe = of_role(KINDS[kind], "maps", role), of_role(RECIPE, "maps", role)
    assert mine.shape == recipe.shape
    assert mine[:, 0].tobytes() == recipe[:, 0].tobytes()
    assert all(mine[:, channel].tobytes() != recipe[:, channel].tobytes() for channel in range(1, recipe.shape[1]))


@pytest.mark.parametrize("role", ROLES)
def test_shuffled_features_are_those_of_another_lens_of_the_role(inside: Path, role: str) -> None:
    """All of one lens, each lens's once (so the same values in every role, to the bit), and never one's own."""
    maps, vectors = (of_role(KINDS["shuffled"], name, role) for name in ("maps", "vectors"))
    recipe_maps, recipe_vectors = (of_role(RECIPE, name, role) for name in ("maps", "vectors"))
    origin = [lines(recipe_vectors).index(line) for line in lines(vectors)]
    assert sorted(origin) == list(range(len(origin)))
    assert all(own != other for own, other in enumerate(origin))
    assert maps[:, 1:].tobytes() == recipe_maps[origin, 1:].tobytes()


def test_no_feature_of_a_test_lens_reaches_another_store(inside: Path) -> None:
    sealed = set(lines(Store(f"{RECIPE}/test.zarr").read("vectors")))
    assert not sealed & set(lines(Store(f"{KINDS['shuffled']}/fit.zarr").read("vectors")))
    assert sealed == set(lines(Store(f"{KINDS['shuffled']}/test.zarr").read("vectors")))


def test_noise_is_white_and_each_lenss_own(inside: Path) -> None:
    """Of mean zero and unit spread, normally distributed, and unlike that of any other channel, pixel or lens."""
    drawn = []
    for role in ROLES:
        maps, vectors = (of_role(KINDS["noise"], name, role) for name in ("maps", "vectors"))
        drawn.append(np.concatenate([maps[:, 1:].reshape(len(maps), -1), vectors], axis=1))
    values = np.concatenate(drawn).astype(np.float64)  # (n, (c - 1) h w + k)
    few = 5 / np.sqrt(values.size)  # five standard errors
    assert values.mean() == pytest.approx(0, abs=few)
    assert values.std() == pytest.approx(1, abs=few)
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    between = np.corrcoef(values)[np.triu_indices(len(values), 1)]
    assert np.abs(between).max() < 6 / np.sqrt(values.shape[1])
    assert (values[:, 1:] * values[:, :-1]).mean() == pytest.approx(0, abs=few)
    assert len(set(lines(values))) == len(values)


def test_vectors_of_noise_are_as_many_as_the_recipes(inside: Path) -> None:
    mine, recipe = (Store(f"{name}/fit.zarr") for name in (KINDS["noise"], RECIPE))
    assert mine.shape("vectors") == recipe.shape("vectors")
    assert len(mine.attributes["statistics"]["vectors"]["mean"]) == recipe.shape("vectors")[1]


@pytest.mark.parametrize("role", ROLES)
def test_repeated_channels_are_the_first_one(inside: Path, role: str) -> None:
    maps = of_role(KINDS["repeated"], "maps", role)
    assert (maps == maps[:, :1]).all()
    assert "vectors" not in Store(f"{KINDS['repeated']}/fit.zarr")


def test_statistics_are_the_recipes_where_its_features_are(inside: Path) -> None:
    """A shuffled training set has the same values; of noise the mean and spread that it was drawn with."""
    found = {kind: Store(f"{name}/fit.zarr").attributes["statistics"] for kind, name in KINDS.items()}
    recipe = Store(f"{RECIPE}/fit.zarr").attributes["statistics"]
    assert found["shuffled"] == recipe
    for key, drawn in (("mean", 0), ("std", 1)):
        first, channels, columns = recipe["maps"][key][0], len(recipe["maps"][key]), len(recipe["vectors"][key])
        assert found["noise"]["maps"][key] == [first] + [drawn] * (channels - 1)
        assert found["noise"]["vectors"][key] == [drawn] * columns
        assert found["repeated"]["maps"][key] == [first] * channels
    assert "vectors" not in found["repeated"]
    assert all(each["target"] == recipe["target"] for each in found.values())


@pytest.mark.parametrize(
    "name", [KINDS["noise"], *(pytest.param(KINDS[k], marks=pytest.mark.proof) for k in KINDS if k != "noise")]
)
def test_every_engine_makes_the_same_bytes(inside: Path, name: str, tmp_path: Path) -> None:
    assert sum(1 for _ in Store(f"{name}/fit.zarr").spans()) > 1
    normalise("images.zarr", f"{name}.zarr", "split.json", str(tmp_path), ["engine.kind=processes"])
    assert digests(tmp_path) == digests(name)


def test_another_seed_shuffles_and_draws_anew(inside: Path, tmp_path: Path) -> None:
    decided = json.loads(Path("split.json").read_text())
    decided["scheme"]["seed"] += 1
    (tmp_path / "split.json").write_text(json.dumps(decided))
    for kind in ("shuffled", "noise"):
        normalise("images.zarr", f"{KINDS[kind]}.zarr", str(tmp_path / "split.json"), str(tmp_path / kind))
        assert not np.array_equal(of_role(tmp_path / kind, "vectors", "test"), of_role(KINDS[kind], "vectors", "test"))


def test_no_more_is_computed_than_a_placebo_needs(inside: Path) -> None:
    assert Store(f"{KINDS['shuffled']}.zarr").read("maps").tobytes() == Store(f"{RECIPE}.zarr").read("maps").tobytes()
    for kind in ("noise", "repeated"):
        computed = Store(f"{KINDS[kind]}.zarr")
        assert computed.attributes["channels"] == ["intensity"]
        assert computed.shape("maps")[1] == 1
        assert "vectors" not in computed


def test_a_network_is_as_wide_and_sees_what_there_is(inside: Path) -> None:
    """The repeated image has no vectors, so a network that fuses them elsewhere has none to fuse."""
    fusing = {"widths": [4], "fusion": "concat"}
    sizes = {name: Task(Store(f"{name}/fit.zarr"), "cnn", fusing).sizes for name in (RECIPE, *KINDS.values())}
    assert sizes[KINDS["shuffled"]] == sizes[KINDS["noise"]] == sizes[RECIPE]
    assert sizes[KINDS["repeated"]] == sizes[RECIPE] | {"num_vectors": 0}


def test_a_placebo_bears_the_augmentations_that_its_recipe_bears(inside: Path) -> None:
    """Or the two could be trained in different ways."""
    said = {name: Store(f"{name}/fit.zarr").attributes for name in (RECIPE, *KINDS.values())}
    for kind in ("shuffled", "noise"):
        for key in ("channels", "symmetries"):
            assert said[KINDS[kind]][key] == said[RECIPE][key]
    assert said[KINDS["repeated"]]["channels"] == ["intensity"] * len(said[RECIPE]["channels"])
    assert said[KINDS["repeated"]]["symmetries"] == {}


def test_a_store_says_that_it_is_a_placebo_and_of_what(inside: Path) -> None:
    for kind, name in KINDS.items():
        for part in ("fit.zarr", "test.zarr"):
            assert Store(f"{name}/{part}").attributes["placebo"] == {"kind": kind, "recipe": RECIPE}
    assert "placebo" not in Store(f"{RECIPE}/fit.zarr").attributes


def test_the_gallery_shows_of_a_placebo_what_it_keeps(inside: Path) -> None:
    """Its other channels are not those of the lens beside which they would stand."""
    stores = {name: Store(f"{name}.zarr") for name in (RECIPE, *KINDS.values())}
    figure = draw_gallery(Store("images.zarr"), stores, np.array([0, 1]))
    titles = [title for axis in figure.axes if (title := axis.get_title())]
    channels = [f"{RECIPE}\n{channel}" for channel in stores[RECIPE].attributes["channels"]]
    assert titles == channels + [f"{name}\nintensity" for name in KINDS.values()]


# ---------------------------------------------------------------------------- planted stores


BANDS, MAPS, ROWS = 2, 3, 40


def planted(folder: Path, values: np.ndarray, kind: str, groups: np.ndarray, roles: dict[str, list[int]]) -> Path:
    """A prepared placebo of features that a test chose: three maps of two bands, and two columns."""
    names = [f"{name}_{band}" for name in ("pixels", "first", "second") for band in range(BANDS)]
    vectors = values.reshape(ROWS, -1)[:, -2:]
    targets = np.random.default_rng(1).normal(size=(ROWS, 1))
    columns = {
        "targets": targets,
        "id": np.arange(ROWS).astype(str),
        "noise": np.ones(ROWS, np.float32),
        "group": groups,
    }
    described = [
        Array("targets", "float64", (1,), ("t",)),
        Array("id", "str"),
        Array("noise", "float32"),
        Array("group", "int64"),
    ]
    manifest = {"target_names": ["mass"], "target_units": {"mass": ""}, "pixel_scale": 0.1}
    store.write(
        folder / "images.zarr", ROWS, described, lambda a, b: {k: v[a:b] for k, v in columns.items()}, **manifest
    )
    whole = kind == "shuffled"
    features = {"maps": values if whole else values[:, :BANDS]} | ({"vectors": vectors} if whole else {})
    said = {
        "channels": names if whole else names[:BANDS],
        "columns": ["one", "two"] if whole else [],
        "missing": [],
        "symmetries": {"one": ["d4"], "two": []},
        "placebo": placebo.described(kind, "mine", names, ["one", "two"], BANDS),
    }
    shapes = [
        Array(name, "float32", part.shape[1:], tuple("chw" if name == "maps" else "k"))
        for name, part in features.items()
    ]
    store.write(folder / "input.zarr", ROWS, shapes, lambda a, b: {k: v[a:b] for k, v in features.items()}, **said)
    decided = {"targets": ["mass"], "rows": ROWS, "roles": roles, "scheme": {"name": "holdout", "seed": 0}}
    (folder / "split.json").write_text(json.dumps(decided))
    normalise(str(folder / "images.zarr"), str(folder / "input.zarr"), str(folder / "split.json"), str(folder / "out"))
    return folder / "out"


@pytest.fixture
def values(generator: np.random.Generator) -> np.ndarray:
    return generator.normal(3, 2, size=(ROWS, MAPS * BANDS, 5, 5)).astype(np.float32)


@pytest.fixture
def roles(generator: np.random.Generator) -> dict[str, list[int]]:
    """All rows but one, which has no role."""
    order = generator.permutation(ROWS)[1:].tolist()
    return {"train": order[:18], "validation": order[18:25], "calibration": order[25:31], "test": order[31:]}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_in_train_teaches_nothing(
    tiny: Path, values: np.ndarray, roles: dict[str, list[int]], kind: str
) -> None:
    """However wild the other rows are, statistics and training rows stay the same to the bit."""
    others = np.setdiff1d(np.arange(ROWS), roles["train"])
    wild = values.copy()
    wild[others] *= -1e6
    for name, given in (("calm", values), ("wild", wild)):
        (tiny / name).mkdir()
        planted(tiny / name, given, kind, np.arange(ROWS), roles)
    calm, stormy = tiny / "calm" / "out", tiny / "wild" / "out"
    assert Store(calm / "fit.zarr").attributes["statistics"] == Store(stormy / "fit.zarr").attributes["statistics"]
    assert of_role(calm, "maps", "train").tobytes() == of_role(stormy, "maps", "train").tobytes()
    assert of_role(calm, "maps", "test").tobytes() != of_role(stormy, "maps", "test").tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_band_of_the_first_map_is_kept(
    tiny: Path, values: np.ndarray, roles: dict[str, list[int]], kind: str
) -> None:
    found = of_role(planted(tiny, values, kind, np.arange(ROWS), roles), "maps", "train")
    train = values[roles["train"], :BANDS].astype(np.float64)
    expected = (train - train.mean(axis=(0, 2, 3), keepdims=True)) / train.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(found[:, :BANDS], expected, rtol=1e-5, atol=1e-6)
    assert found.shape[1] == MAPS * BANDS
    if kind == "repeated":
        assert found.tobytes() == np.tile(found[:, :BANDS], (1, MAPS, 1, 1)).tobytes()


def test_a_role_that_is_mostly_one_group_cannot_be_shuffled(
    tiny: Path, values: np.ndarray, roles: dict[str, list[int]]
) -> None:
    groups = np.arange(ROWS)
    groups[roles["test"][:5]] = ROWS
    with pytest.raises(InputError, match=r"^train\.inputs: .*5 of the 8 rows of test are of one group; give test more"):
        planted(tiny, values, "shuffled", groups, roles)


@pytest.mark.parametrize("seed", range(5))
def test_a_partner_is_never_of_ones_own_group(seed: int) -> None:
    """The largest group may be half of its role."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(20, size=60) * 1000
    groups[:15] = -7
    roles = {"train": generator.permutation(30), "test": 30 + generator.permutation(29)}
    found = placebo.partners(roles, groups, seed)
    for rows in roles.values():
        assert sorted(found[rows]) == sorted(rows)
        assert (groups[found[rows]] != groups[rows]).all()
    assert found[59] == -1


def test_partners_are_not_neighbours_of_an_order() -> None:
    """All others come up as partners of a row, about equally often."""
    roles = {"train": np.arange(5)}
    drawn = np.array([placebo.partners(roles, np.arange(5), seed) for seed in range(2000)])
    for row in range(5):
        counts = np.bincount(drawn[:, row], minlength=5)
        assert counts[row] == 0
        assert stats.chisquare(np.delete(counts, row)).pvalue > 1e-4


def test_noise_depends_on_seed_and_row_alone() -> None:
    rows = np.array([7, 2, 2**40, 5])
    whole = placebo.noise(rows, 12, seed=1)
    for line, row in zip(whole, rows, strict=True):
        assert placebo.noise(np.array([row]), 12, seed=1)[0].tolist() == line.tolist()
    assert not np.isin(placebo.noise(rows, 12, seed=2), whole).any()


# ---------------------------------------------------------------------------- names


def test_recipes_have_placebos_where_there_is_something_to_replace() -> None:
    one, two = "{maps: {ridge: {}}, vectors: {radial_profile: {}}}", "{maps: {pixels: {}, ridge: {}}}"
    recipes = f"{{raw: {{maps: {{pixels: {{}}}}}}, one: {one}, two: {two}}}"
    chosen = params.read([f"features.recipes={recipes}", "train.inputs=[raw]"], "features", path=TINY)
    assert set(chosen.placebos) == {"one_shuffled", "one_noise", "two_shuffled", "two_noise", "two_repeated"}
    assert chosen.source("two_noise") == ("two", "noise")
    assert chosen.source("two") == ("two", "")


@pytest.mark.parametrize("name", ["enginered_noise", "raw_noise", "engineered_silence", "engineered_noise_noise"])
def test_a_name_of_nothing_is_told_what_there_is(tiny: Path, name: str) -> None:
    there = "there are raw, engineered, engineered_shuffled, engineered_noise, engineered_repeated$"
    with pytest.raises(InputError, match=rf"^train\.inputs: no input '{name}'; {there}"):
        params.read([f"train.inputs=[raw, {name}]"], "split")
    with pytest.raises(InputError, match=rf"^features\.recipes: no input '{name}'; {there}"):
        engineer(name, "images.zarr", "out.zarr")


def test_a_recipe_may_not_have_the_name_of_a_placebo() -> None:
    recipes = "{raw: {maps: {pixels: {}}}, a: {maps: {pixels: {}, ridge: {}}}, a_noise: {maps: {ridge: {}}}}"
    line = r"^features\.recipes\.a_noise: a placebo of a has this name \(its features noise\); call the recipe"
    with pytest.raises(InputError, match=line):
        params.read([f"features.recipes={recipes}", "train.inputs=[raw]"], "split", path=TINY)


def test_a_recipe_may_end_in_a_kind_where_there_is_no_such_placebo() -> None:
    recipes = "{raw: {maps: {pixels: {}}}, raw_noise: {maps: {ridge: {}}}, sky_noise: {maps: {ridge: {}}}}"
    params.read([f"features.recipes={recipes}", "train.inputs=[raw, raw_noise, sky_noise]"], "split", path=TINY)


def test_a_mistake_in_the_recipe_is_told_of_the_recipe(inside: Path) -> None:
    """It stands there, not under the name of the placebo, and also where the placebo would not compute it."""
    override = "features.recipes.engineered.maps={intensity: {}, ridge: {sigmas: [9.0]}}"
    for name in KINDS.values():
        with pytest.raises(InputError, match=r"^features\.recipes\.engineered\.maps\.ridge: sigmas: 9 pixels"):
            engineer(name, "images.zarr", "out.zarr", [override])
