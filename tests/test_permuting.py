"""Permutation importance: what is known of planted networks, whose each column is, and nothing else anew."""

import json
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chisquare

import features as made
import models
from pipeline import store, tables
from pipeline.answering import Answering, of_run
from pipeline.errors import InputError
from pipeline.permuting import Permuting, dealt, features, of_channels, of_columns, order
from pipeline.predict import predict
from pipeline.store import Array, Store

BANDS = ["intensity_0", "intensity_1", "ridge_0", "ridge_1"]
VECTORS = {"radial_profile": ["d4"], "multipoles": ["d4"]}
COLUMNS = ["radial_profile_0", "radial_profile_1", "multipole_1_0"]
MEAN, STD = -23.5, 0.25
ROLES = {"fit.zarr": {"train": [0, 4], "validation": [4, 9], "calibration": [9, 20]}, "test.zarr": {"test": [0, 60]}}
PERMUTE = ["predict.permute=true"]


def prepare(folder: Path, channels: list[str], columns: list[str], vectors: dict[str, Any], seed: int = 0) -> None:
    """A prepared input of noise, whose target is noise too."""
    generator = np.random.default_rng(seed)
    arrays = [Array("maps", "float32", (len(channels), 12, 12), ("c", "h", "w")), Array("target", "float32", (1,))]
    arrays += [Array("id", "str"), Array("row", "int64")]
    arrays += [Array("vectors", "float32", (len(columns),), ("k",))] if columns else []
    for name, roles in ROLES.items():
        count = max(stop for _, stop in roles.values())
        shapes = {array.name: (count, *array.shape) for array in arrays}
        rows = {
            key: generator.normal(size=shapes[key]).astype(np.float32) for key in shapes if key not in ("id", "row")
        }
        rows |= {"id": np.array([f"{name} {i}" for i in range(count)]), "row": np.arange(count)}
        about = {"roles": roles, "channels": channels, "columns": columns, "symmetries": vectors, "targets": ["mass"]}
        statistics = {"target": {"mean": [MEAN], "std": [STD]}}
        about |= {"target_units": {"mass": "dex(eV)"}, "statistics": statistics}
        store.write(folder / name, count, arrays, lambda a, b, rows=rows: {k: v[a:b] for k, v in rows.items()}, **about)


def write_run(folder: Path, channels: int, columns: int, blind: list[int], seed: int = 3, **options: Any) -> None:
    """A run whose network is as it began, but for the channels that it is blind to."""
    torch.manual_seed(0)
    options = {"widths": [4, 8], **options}
    weights = models.build("cnn", channels, 1, columns, **options).state_dict()
    first = next(name for name, weight in weights.items() if weight.ndim == 4)
    weights[first][:, blind] = 0
    folder.mkdir(exist_ok=True)
    sizes = {"in_channels": channels, "num_targets": 1, "num_vectors": columns}
    torch.save({"backbone": "cnn", "options": options, "state_dict": weights, **sizes}, folder / "weights.pt")
    (folder / "fingerprint.json").write_text(json.dumps({"seed": seed}))


def predicted(*words: str) -> pd.DataFrame:
    predict("run", "toy", "out.parquet", words)
    return tables.read("out.parquet")


@pytest.fixture
def toy(tiny: Path) -> Path:
    """An input of two maps in two bands, and a network that sees the first map alone."""
    prepare(tiny / "toy", BANDS, [], {})
    write_run(tiny / "run", 4, 0, blind=[2, 3])
    return tiny


# what is answered


def test_a_network_relies_on_what_it_sees_and_on_nothing_else(toy: Path) -> None:
    """Its answers are the truth: permuting what it sees is all error, permuting what it does not see is none at all."""
    test = predicted(*PERMUTE).query("role == 'test'")
    assert tables.permuted(test) == ["intensity", "ridge"]
    assert test["permuted_ridge"].tolist() == test["prediction"].tolist()
    assert np.sqrt(((test["permuted_intensity"] - test["prediction"]) ** 2).mean()) > 0.1 * test["prediction"].std() > 0


def test_each_lens_is_answered_as_the_network_answers_the_mixed_image(toy: Path) -> None:
    """By hand: an image made of two, through the network alone."""
    write_run(toy / "run", 4, 0, blind=[])
    test = predicted(*PERMUTE).query("role == 'test'")
    partner, maps = order(3, "ridge", 60), Store("toy/test.zarr").read("maps")
    mixed = np.concatenate([maps[:, :2], maps[partner, 2:]], axis=1)
    network = of_run("run", "cpu", symmetric=False).network.eval()
    with torch.no_grad():
        alone = torch.cat([network(torch.from_numpy(one[None])) for one in mixed])[:, 0].numpy()
    np.testing.assert_allclose(test["permuted_ridge"], MEAN + STD * alone.astype(float), rtol=0, atol=1e-5)


def test_the_answers_to_the_image_as_it_is_are_the_same_bits(toy: Path) -> None:
    without, beside = predicted(), predicted(*PERMUTE)
    assert tables.permuted(without) == []
    assert without.equals(beside[without.columns])
    more = beside[[name for name in beside if name not in without]]
    assert len(more.columns) == 2
    assert (more.notna().all(axis=1) == (beside["role"] == "test")).all()
    assert (more.isna().all(axis=1) == (beside["role"] != "test")).all()
    assert tables.gaps(beside) == {}


@pytest.mark.parametrize("head", ["point", "gaussian"])
def test_the_same_bits_again_and_others_of_another_seed(toy: Path, head: str) -> None:
    write_run(toy / "run", 4, 0, blind=[], head={"kind": head})
    first = predicted(*PERMUTE)
    assert predicted(*PERMUTE).equals(first)
    write_run(toy / "run", 4, 0, blind=[], seed=4, head={"kind": head})
    other = predicted(*PERMUTE)
    changed = [name for name in first if not first[name].equals(other[name])]
    assert changed == ["permuted_intensity", "permuted_ridge"]


def test_vectors_count_where_the_network_fuses_them(toy: Path) -> None:
    prepare(toy / "toy", BANDS, COLUMNS, VECTORS)
    write_run(toy / "run", 4, 3, blind=[2, 3], fusion="concat")
    fused = predicted(*PERMUTE).query("role == 'test'")
    assert tables.permuted(fused) == ["intensity", "ridge", "radial_profile", "multipoles"]
    assert [name for name in fused if name.startswith("permuted") and fused[name].equals(fused["prediction"])] == [
        "permuted_ridge"
    ]
    write_run(toy / "run", 4, 3, blind=[])
    assert tables.permuted(predicted(*PERMUTE)) == ["intensity", "ridge"]


@pytest.mark.parametrize("channels", [["pixels"], ["pixels_0", "pixels_1"], ["intensity"] * 3])
def test_a_single_feature_has_nothing_to_stay_beside(toy: Path, channels: list[str]) -> None:
    """One band, two, and a placebo that repeats its first map."""
    prepare(toy / "toy", channels, [], {})
    write_run(toy / "run", len(channels), 0, blind=[])
    assert list(predicted(*PERMUTE).columns) == list(tables.COLUMNS)


def test_a_run_that_does_not_say_its_seed_is_named(toy: Path) -> None:
    (toy / "run" / "fingerprint.json").unlink()
    with pytest.raises(InputError, match=r"^run/fingerprint\.json: missing; predict\.permute takes the run's seed"):
        predicted(*PERMUTE)
    assert len(predicted()) == 76


def test_what_is_not_finite_is_counted_among_the_test_lenses(toy: Path) -> None:
    table = predicted(*PERMUTE)
    hole = (table["role"] == "test") & (table.index % 20 == 0)
    assert tables.gaps(table.assign(permuted_ridge=table["permuted_ridge"].mask(hole, np.inf))) == {"permuted_ridge": 3}


class Linear(Answering):
    """What stands for a network: a weighted sum of the channels' means."""

    weights = np.array([[1.0], [0.0], [0.5], [0.5]], dtype=np.float32)

    def __init__(self) -> None:
        object.__setattr__(self, "symmetric", False)

    @property
    def arrays(self) -> tuple[str, ...]:
        return ("maps",)

    def __call__(self, seen: Any, targets: np.ndarray, rows: np.ndarray) -> tables.Answer:
        return tables.Answer(seen["maps"].mean(axis=(2, 3)) @ self.weights)


def test_the_error_of_a_linear_network_grows_by_what_the_books_say(tmp_path: Path) -> None:
    """By 2 a' C a in the mean square, C being the covariance of the feature's channels: exactly so over all orders,
    and on average over seeds; the truth is what the network says.
    """
    prepare(tmp_path, BANDS, [], {})
    opened = Store(tmp_path / "test.zarr")
    means = opened.read("maps").mean(axis=(2, 3))
    found: dict[str, list[float]] = {"intensity": [], "ridge": []}
    for seed in range(200):
        said = Permuting(Linear(), seed).of(opened, 0, 60)
        for name, point in said.permuted.items():
            found[name].append(float(((point - said.point) ** 2).mean()))
    for name, own in (("intensity", slice(0, 2)), ("ridge", slice(2, 4))):
        a = Linear.weights[own, 0]
        expected = 2 * a @ np.cov(means[:, own].T, ddof=0) @ a
        assert np.mean(found[name]) == pytest.approx(expected, rel=0.04), name


# who is dealt what


def test_a_feature_s_channels_and_columns_stay_together_and_keep_their_values(generator: np.random.Generator) -> None:
    seen = {"maps": generator.normal(size=(30, 4, 5, 5)), "vectors": generator.normal(size=(30, 3))}
    kept = {name: values.copy() for name, values in seen.items()}
    partner = order(0, "ridge", 30)
    found = dealt(seen, {"maps": [1, 3], "vectors": [2]}, partner)
    for name, values in kept.items():
        np.testing.assert_array_equal(seen[name], values)
    np.testing.assert_array_equal(found["maps"][:, [0, 2]], kept["maps"][:, [0, 2]])
    np.testing.assert_array_equal(found["vectors"][:, :2], kept["vectors"][:, :2])

    def lenses(of: dict[str, np.ndarray]) -> list[bytes]:
        own = (np.concatenate([of["maps"][i, [1, 3]].ravel(), of["vectors"][i, 2:]]).tobytes() for i in range(30))
        return sorted(own)

    assert lenses(found) == lenses(kept)
    assert (found["maps"][:, 1] != kept["maps"][:, 1]).any()


def test_every_order_is_as_likely_and_one_lens_keeps_its_own_on_average() -> None:
    drawn = [tuple(order(seed, "ridge", 3).tolist()) for seed in range(3000)]
    counts = Counter(drawn)
    assert set(counts) == set(permutations(range(3)))
    assert chisquare(list(counts.values())).pvalue > 0.01
    kept = [(order(seed, "ridge", 50) == np.arange(50)).sum() for seed in range(1000)]
    assert np.mean(kept) == pytest.approx(1, abs=0.1)


def test_the_order_is_the_seed_s_and_the_feature_s() -> None:
    assert order(5, "ridge", 40).tolist() == order(5, "ridge", 40).tolist()
    for seed, feature in ((6, "ridge"), (5, "ridges"), (5, "log_power")):
        assert order(seed, feature, 40).tolist() != order(5, "ridge", 40).tolist()


# whose is what


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_channels_are_told_apart_as_features_name_them(bands: int) -> None:
    recipe: dict[str, Any] = {"intensity": {}, "thin_1": {"feature": "ridge"}, "ridge": {}, "log_power": {}}
    expected = [label for label in recipe for _ in range(bands)]
    assert of_channels(made.map_names(recipe, bands)) == expected


def test_columns_are_told_apart_as_features_name_them() -> None:
    """A second of a kind begins like the first, and multipoles have columns called multipole."""
    recipe: dict[str, Any] = {
        "radial_profile": {"width": 2.0},
        "radial_profile_wide": {"feature": "radial_profile", "width": 4.0},
        "multipoles": {"orders": 2, "width": 4.0},
        "arcs": {"feature": "multipoles", "orders": 1, "width": 4.0},
        "radii": {},
    }
    names, expected = list[str](), list[str]()
    image = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    for label, options in recipe.items():
        own = made.compute_vectors(image, {label: options}, {})[1]
        names += own
        expected += [label] * len(own)
    assert names == made.compute_vectors(image, recipe, {})[1]
    assert of_columns(names, recipe) == expected


def test_a_column_that_nobody_owns_and_a_vector_without_one_are_refused(tmp_path: Path) -> None:
    prepare(tmp_path, BANDS, ["radial_profile_0", "stranger"], {"radial_profile": ["d4"]})
    with pytest.raises(InputError, match=r"test\.zarr: column 'stranger' is called after none of .* radial_profile"):
        features(Store(tmp_path / "test.zarr"), ("maps", "vectors"))
    with pytest.raises(ValueError, match=r"vector 'multipole' has no column that is not called after another"):
        of_columns(["multipole_1_0"], ["multipoles", "multipole"])
