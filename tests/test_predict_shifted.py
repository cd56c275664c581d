"""Predict shifted: the answers of `predict` where nothing is shifted, and nothing that the network was not told."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import store, tables
from pipeline.audit import audit
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.errors import InputError
from pipeline.find_lr import find_lr
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.predict import predict
from pipeline.predict_shifted import predict_shifted
from pipeline.shift import shift
from pipeline.split import split
from pipeline.store import Store
from pipeline.train import train
from tests.conftest import TINY

WORDS = ["features.transform=arcsinh"]
TWO = [  # targets
    "simulation.priors={source_magnitude: {uniform: [22.0, 23.0]}, einstein_radius: {uniform: [1.0, 1.4]}}",
    "split.targets=[log10_axion_mass, einstein_radius]",
]
INPUTS = ("raw", "engineered")
RUNS = {  # input, options of the network
    "raw": ("raw", "{widths: [8]}"),
    "engineered": ("engineered", "{widths: [8], fusion: concat, head: {kind: gaussian}}"),
    "flow": ("raw", "{widths: [8], head: {kind: flow, draws: 16}}"),
}
SAID = {"raw": 0, "engineered": 2, "flow": 2}  # columns beside the quantiles: densities, and TARP


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both inputs in miniature and a run on each, with the test lenses as they are and under a wider PSF."""
    work = tmp_path_factory.mktemp("shifted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        (work / "params.yaml").write_text(TINY.read_text())
        ingest("images.zarr", "quarantine.csv", TWO)
        describe("images.zarr", "lenses.parquet", TWO)
        audit("images.zarr", "lenses.parquet", "audit.json", "audit", TWO)
        split("images.zarr", "audit.json", "audit/pairs.csv", "split.json", TWO)
        for kind in ("identity", "psf_wide"):
            shift(kind, "images.zarr", "split.json", f"{kind}.zarr", TWO)
        for name in INPUTS:
            engineer(name, "images.zarr", f"{name}.zarr", WORDS)
            normalise("images.zarr", f"{name}.zarr", "split.json", name)
        for name, (seen, options) in RUNS.items():
            fit, words = f"{seen}/fit.zarr", [f"backbones.cnn={options}", "train.fit.epochs=1"]
            find_lr("cnn", fit, f"rate-{name}", words)
            train("cnn", "all", "0", fit, f"rate-{name}/rate.json", f"run-{name}", f"{name}.json", words)
        yield work


def answers(kind: str, name: str, images: str = "", *words: str) -> pd.DataFrame:
    seen, run = RUNS[name][0] if name in RUNS else name, name if name in RUNS else "raw"
    fit = f"{seen if seen in INPUTS else 'raw'}/fit.zarr"
    words = (*WORDS, *words)
    predict_shifted(kind, seen, images or f"{kind}.zarr", "images.zarr", f"run-{run}", fit, "out.parquet", words)
    return pd.read_parquet("out.parquet")


@pytest.mark.parametrize(
    ("name", "turned"),
    [("raw", "true"), ("raw", "false"), ("engineered", "false"), ("flow", "true"), ("flow", "false")],
)
def test_without_a_shift_the_answers_are_those_of_predict(folder: Path, name: str, turned: str) -> None:
    """To the last column: of a network that says a distribution its quantiles, its density at the truth, and TARP."""
    word = f"predict.symmetric={turned}"
    predict(f"run-{name}", RUNS[name][0], "answers.parquet", [word])
    found, expected = answers("identity", name, "", word), tables.read("answers.parquet", role="test")
    assert list(found.columns) == [*expected.columns, "shift"]
    assert len(found.columns) == len(tables.COLUMNS) + 1 + (SAID[name] and SAID[name] + len(tables.LEVELS))
    assert set(found["shift"]) == {"identity"}
    assert set(found["target"]) == {"log10_axion_mass", "einstein_radius"}
    for column in ("role", "id", "target", "unit", "truth"):
        assert found[column].tolist() == expected[column].tolist()
    for column in expected.columns[5:]:
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-5, atol=1e-6, err_msg=column)


@pytest.mark.parametrize("name", RUNS)
def test_under_a_shift_the_answers_are_others(folder: Path, name: str) -> None:
    """And so is the spread of a network that has one of its own; of others it is that of the calibration rows."""
    found, other = answers("identity", name), answers("psf_wide", name)
    assert other["truth"].tolist() == found["truth"].tolist()
    assert (other["prediction"] != found["prediction"]).all()
    assert (other["spread"] == found["spread"]).all() == (name == "raw")


def test_no_feature_is_permuted_under_a_shift(folder: Path) -> None:
    """What a network relies on is asked of the lenses as they were; there it is, of the same run."""
    word = "predict.permute=true"
    predict("run-engineered", "engineered", "answers.parquet", [word])
    assert len(tables.permuted(tables.read("answers.parquet"))) == 6
    pd.testing.assert_frame_equal(answers("identity", "engineered", "", word), answers("identity", "engineered"))


def test_nobody_tells_the_network_of_the_shift(folder: Path) -> None:
    """A store of the same pixels that says of itself another sky, pixel and PSF: no answer depends on what it says."""
    found, images = answers("identity", "engineered"), Store("identity.zarr")

    def rows(start: int, stop: int) -> dict[str, np.ndarray]:
        own = {array.name: images.read(array.name, start, stop) for array in images.arrays}
        return own | {"noise": 9 * own["noise"], "peak": 9 * own["peak"], "observed": 2 * own["observed"]}

    said = {key: images.attributes[key] for key in ("target_names", "target_units", "units", "observed")}
    store.write("liar.zarr", images.rows, images.arrays, rows, **said, pixel_scale=7.0, psf_fwhm=7.0)
    assert answers("identity", "engineered", "liar.zarr")["prediction"].tolist() == found["prediction"].tolist()


def test_the_stretch_is_that_of_the_training_images(folder: Path) -> None:
    """Its knee is a multiple of their sky rms: with another, the answers are others. So the test above can fail."""
    found = answers("identity", "engineered")["prediction"]
    other = answers("identity", "engineered", "", "features.softening=27.0")["prediction"]
    assert (found != other).all()


def test_what_is_no_recipe_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left_out = answers("identity", "raw_shuffled")
    assert "raw_shuffled is no recipe of features.recipes" in capsys.readouterr().out
    assert left_out.empty
    assert list(left_out.columns) == [*tables.COLUMNS, "shift"]


def test_an_input_of_another_recipe_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^raw/fit\.zarr: prepared by another recipe than features\.recipes\.engi"):
        predict_shifted(
            "identity", "engineered", "identity.zarr", "images.zarr", "run-raw", "raw/fit.zarr", "no.parquet"
        )
