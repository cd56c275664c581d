"""The report of a small comparison: its tables, its page in a browser, and `dvc plots` without a network."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import report
from pipeline.chapters import cost
from pipeline.chapters.sources import Sources
from pipeline.page import page
from pipeline.page.schema import SECTIONS, check
from tests import reported
from tests.conftest import ROOT, environment, yaml
from tests.page.browser import PROGRAM, Browser
from tests.reported import CHANNELS, PLACES, SEEDS, TARGETS, TEST

DRAWN = "!document.querySelector('main > section .body:empty')"
in_browser = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed (apt-get install chromium)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported.made(tmp_path_factory, "report")


@pytest.fixture(scope="module")
def known(folder: Path) -> Sources:
    return reported.sources(folder)


@pytest.fixture(scope="module")
def told(known: Sources) -> dict[str, Any]:
    return report.content(known, cost.cost(known), [], "train: {}\n", 12)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


def test_the_page_can_show_what_it_is_told(told: dict[str, Any]) -> None:
    """And has every chapter but those that nothing was asked for."""
    check(told)
    assert set(SECTIONS) - set(told) == {"ablation", "classes", "efficiency", "robustness"}
    assert told["subtitle"] == f"{len(TEST)} test lenses; mass, slope"
    assert told["verdict"]["cautions"][0] == "no noise"


def test_lenses_of_the_gallery_are_spread_over_the_first_target(known: Sources) -> None:
    order = TEST[np.argsort(reported.labels()[TEST, 0])]
    assert known.spread_out(3).tolist() == [order[0], order[21], order[-1]]
    assert known.spread_out(500).tolist() == order.tolist()


def test_axes_say_the_unit_of_the_label_and_errors_that_of_its_differences(known: Sources) -> None:
    assert known.labels == {"mass": "mass [dex(eV)]", "slope": "slope"}
    assert known.units == {"mass": " [dex]", "slope": ""}


def test_the_tables_are_what_the_runs_wrote(folder: Path, known: Sources) -> None:
    tables = report.tables(known)
    scatter, learning = tables["scatter"], tables["learning"]
    assert len(scatter) == len(CHANNELS) * len(TARGETS) * len(TEST)
    one = scatter[(scatter["run"] == "raw-cnn-all") & (scatter["target"] == "slope")]
    np.testing.assert_array_equal(one["truth"], reported.labels()[TEST, 1])
    read = [pd.read_parquet(folder / "predictions" / f"raw-cnn-all-{seed}.parquet") for seed in SEEDS]
    mine = [table[(table["role"] == "test") & (table["target"] == "slope")]["prediction"] for table in read]
    np.testing.assert_allclose(one["prediction"], np.mean(mine, axis=0), rtol=1e-12)
    assert len(learning) == len(CHANNELS) * len(SEEDS) * 2  # once, however many targets
    assert set(tables["by_truth"]["covariate"]) == {"truth"}


def test_no_more_points_are_plotted_than_an_eye_can_tell_apart(known: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    for most, kept in ((44, 44), (43, 22), (10, 9)):
        monkeypatch.setattr(report, "PLOTTED", most)
        lines = report.tables(known)["scatter"].groupby(["run", "target"]).size()
        assert set(lines) == {kept}


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_the_table_is_there_and_a_lens_opens(
    browser: Browser, told: dict[str, Any], tmp_path: Path, width: int
) -> None:
    (tmp_path / "index.html").write_text(page(told))
    browser.open(tmp_path / "index.html", width)
    browser.wait(DRAWN)
    assert browser.run("document.documentElement.scrollWidth") == width
    cells = browser.each("#verdict tbody tr:last-child td, #verdict tbody tr:last-child th", "e.textContent")
    last = told["verdict"]["rows"][-1]
    assert last["input"] in cells
    assert any(f"{last['rmse']['value']:.3f}" in cell for cell in cells)
    browser.click("#lenses .lens")
    browser.wait("document.querySelector('dialog').open")
    opened = browser.run("document.querySelector('dialog').textContent")
    assert told["scatter"]["ids"][told["lenses"]["shown"][0]["row"]] in opened
    assert all(channel in opened for channel in told["lenses"]["channels"])
    assert browser.wrong == []


@in_browser
def test_epochs_are_whole_numbers(browser: Browser, told: dict[str, Any], tmp_path: Path) -> None:
    """Of two epochs there is room for a tick every fifth."""
    (tmp_path / "index.html").write_text(page(told))
    browser.open(tmp_path / "index.html", 1280)
    browser.wait(DRAWN)
    assert {"1", "2"} <= set(browser.each("#curves svg text", "e.textContent"))
    assert "1.5" not in browser.each("#curves svg text", "e.textContent")


@pytest.fixture(scope="module")
def plots(known: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that `dvc plots show` writes of the tables, with this repository's templates and settings."""
    clone = tmp_path_factory.mktemp("plots")
    declared = [one for one in yaml(ROOT / "dvc.yaml")["plots"] if isinstance(one, dict)]
    with (clone / "dvc.yaml").open("w") as file:
        YAML().dump({"plots": declared}, file)
    (clone / "data" / "report").mkdir(parents=True)
    for name, table in report.tables(known).items():
        table.to_csv(clone / "data" / "report" / f"{name}.csv", index=False)
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=clone, env=environment(), check=True)
    shutil.copytree(ROOT / ".dvc" / "plots", clone / ".dvc" / "plots")
    (clone / ".dvc" / "config").rename(clone / ".dvc" / "config.local")  # it says that there is no Git here
    shutil.copy(ROOT / ".dvc" / "config", clone / ".dvc" / "config")
    done = subprocess.run(
        ["dvc", "plots", "show", "-o", "shown"], cwd=clone, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout + done.stderr
    return clone / "shown" / "index.html"


def test_plots_fetch_nothing(plots: Path) -> None:
    text = plots.read_text()
    assert "<script src" not in text
    assert "BSD-3-Clause" in text


@in_browser
def test_plots_are_drawn_without_a_network(browser: Browser, plots: Path) -> None:
    browser.open(plots, 1280)
    browser.wait("document.querySelectorAll('.vega-embed canvas').length === 3")
    assert browser.wrong == []  # no request left, no error


@pytest.mark.proof
def test_the_same_inputs_give_the_same_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And every figure is there twice, as a picture and for print."""
    monkeypatch.chdir(folder)
    for name in ("first", "second"):
        report.report(*PLACES, name)
    first, second = (
        {file.relative_to(folder / name): file.read_bytes() for file in (folder / name).rglob("*") if file.is_file()}
        for name in ("first", "second")
    )
    assert first == second
    kinds = ("scatter", "error_by_bin", "cost")
    figures = {"gallery", "learning", *(f"{kind}_{name}" for kind in kinds for name in TARGETS)}
    assert {path.stem for path in first if path.parts[0] == "figures"} == figures
    assert {path.stem for path in first if path.parts[0] == "pdf"} == figures
    assert {path.name for path in first if len(path.parts) == 1} == {
        *("index.html", "scatter.csv", "learning.csv", "by_truth.csv")
    }
