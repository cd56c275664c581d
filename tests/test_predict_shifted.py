"""Predict shifted: the answers of `predict` where nothing is shifted, and nothing that the network was not told."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import store, tables
from pipeline.audit import audit
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
BACKBONES = {"raw": "backbones.cnn={widths: [8]}", "engineered": "backbones.cnn={widths: [8], fusion: concat}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both inputs in miniature and a run on each, with the test lenses as they are and under a wider PSF."""
    work = tmp_path_factory.mktemp("shifted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        (work / "params.yaml").write_text(TINY.read_text())
        ingest("images.zarr", "quarantine.csv")
        audit("images.zarr", "audit.json", "audit")
        split("images.zarr", "audit.json", "audit/pairs.csv", "split.json")
        for kind in ("identity", "psf_wide"):
            shift(kind, "images.zarr", "split.json", f"{kind}.zarr")
        for name, backbone in BACKBONES.items():
            fit = f"{name}/fit.zarr"
            engineer(name, "images.zarr", f"{name}.zarr", WORDS)
            normalise("images.zarr", f"{name}.zarr", "split.json", name)
            find_lr("cnn", fit, f"rate-{name}", [backbone])
            words = [backbone, "train.fit.epochs=1"]
            train("cnn", "all", "0", fit, f"rate-{name}/rate.json", f"run-{name}", f"{name}.json", words)
        yield work


def answers(kind: str, name: str, images: str = "", *words: str) -> pd.DataFrame:
    run = f"run-{name}" if name in BACKBONES else "run-raw"
    fit = f"{name}/fit.zarr" if name in BACKBONES else "raw/fit.zarr"
    predict_shifted(kind, name, images or f"{kind}.zarr", "images.zarr", run, fit, "out.parquet", [*WORDS, *words])
    return pd.read_parquet("out.parquet")


@pytest.mark.parametrize(("name", "turned"), [("raw", "true"), ("raw", "false"), ("engineered", "false")])
def test_without_a_shift_the_answers_are_those_of_predict(folder: Path, name: str, turned: str) -> None:
    word = f"predict.symmetric={turned}"
    predict(f"run-{name}", name, "answers.parquet", [word])
    found = answers("identity", name, "", word)
    assert list(found.columns) == [*tables.COLUMNS, "shift"]
    assert set(found["shift"]) == {"identity"}
    expected = tables.read("answers.parquet", role="test")
    for column in ("role", "id", "target", "unit", "truth"):
        assert found[column].tolist() == expected[column].tolist()
    for column in ("prediction", "spread"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-6)
    other = answers("psf_wide", name, "", word)
    assert other["truth"].tolist() == found["truth"].tolist()
    assert other["spread"].tolist() == found["spread"].tolist()
    assert (other["prediction"] != found["prediction"]).all()


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
