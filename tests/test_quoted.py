"""What the pages of docs/ quote is so: commands, numbers, code, errors, figures."""

import shlex
from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import image as pictures
from matplotlib import pyplot as plt
from ruamel.yaml import YAML

import models
from docs.making import figures
from pipeline import params
from pipeline.drawing import STYLE, png
from pipeline.errors import InputError
from pipeline.ingest import ingest
from pipeline.lensing.cosmology import ARCSEC, STANDARD
from pipeline.lensing.populations import VORTEX_HALF_LENGTH
from tests.conftest import ROOT, yaml
from tests.test_docs import DOCS, PAGES, fences, named


def experiments(page: Path) -> list[list[str]]:
    """The words of every `dvc exp run` that a page shows."""
    blocks = "\n".join(fences(page, "bash", "text")).replace("\\\n", " ")
    return [shlex.split(line) for line in blocks.splitlines() if line.startswith("dvc exp run")]


def changed(tree: dict[str, Any], setting: str) -> None:
    """As `dvc exp run -S` changes params.yaml: what is there, with + what is not, with ~ away."""
    key, _, value = setting.lstrip("+~").partition("=")
    *above, last = key.split(".")
    for name in above:
        tree = tree.setdefault(name, {}) if setting.startswith("+") else tree[name]
    assert (last in tree) is not setting.startswith("+"), setting
    if setting.startswith("~"):
        del tree[last]
    else:
        tree[last] = YAML(typ="safe").load(value)


@pytest.mark.parametrize("page", [page for page in [ROOT / "README.md", *PAGES] if experiments(page)], ids=named)
def test_every_experiment_that_is_shown_can_be_asked_for(page: Path, tmp_path: Path) -> None:
    for words in experiments(page):
        settings = [words[i + 1] for i, word in enumerate(words) if word == "-S"]
        assert settings, words
        queued = "--queue" in words  # then commas part several experiments
        several = [[f"{s.partition('=')[0]}={v}" for v in s.partition("=")[2].split(",")] if queued else [s]
                   for s in settings]  # fmt: skip
        for one in product(*several):
            tree = yaml(ROOT / "params.yaml")
            for setting in one:
                changed(tree, setting)
            with (tmp_path / "params.yaml").open("w") as file:
                YAML().dump(tree, file)
            params.read((), "train", path=tmp_path / "params.yaml")


def test_an_experiment_with_a_misspelt_key_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        changed(yaml(ROOT / "params.yaml"), "features.transfrom=log")


def test_the_numbers_of_the_science_pages_are_those_of_the_code() -> None:
    lensing, dark = ((DOCS / "science" / f"{name}.md").read_text() for name in ("lensing", "dark_matter"))
    lens, source = torch.tensor(0.5, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    density = float(STANDARD.critical_density(lens, source))
    kpc = float(STANDARD.distance(lens)) * ARCSEC
    assert f"is {density / 1e9:.2f} × 10⁹ solar masses per kpc²" in lensing
    assert f"an arcsec at the lens is {kpc:.2f} kpc" in lensing
    assert f"that is {np.pi * (1.2 * kpc) ** 2 * density / 1e11:.2f} × 10¹¹ solar masses" in lensing
    point = {mass: float((mass / (np.pi * kpc**2 * density)) ** 0.5) for mass in (1e12, 1e9, 1e8)}
    dispersion = torch.tensor(250.0, dtype=torch.float64)
    sphere = float(STANDARD.isothermal_radius(dispersion, lens, source))
    assert f"{point[1e12]:.2f}″ for 10¹² solar masses in a point, and {sphere:.3f}″ for 250 km/s" in lensing
    assert f"{point[1e9]:.2f}″ for 10⁹ solar masses and {point[1e8]:.3f}″ for 10⁸" in dark
    assert rf"\ell = {VORTEX_HALF_LENGTH:.3f} \, \mathrm{{kpc}}" in dark


def test_the_backbone_of_the_guide_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is built with every option of the page, answers, and has a gradient in every weight."""
    page = DOCS / "guide" / "backbone.md"
    (code,) = fences(page, "python")
    (block,) = fences(page, "yaml")
    room: dict[str, Any] = {}
    exec(code, room)
    monkeypatch.setitem(models.BACKBONES, "thin", room["build"])
    options = YAML(typ="safe").load(block)["backbones"]["thin"]
    network = models.build("thin", 3, 2, 5)
    network(torch.randn(4, 3, 24, 20)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())
    init = [name for name in options.pop("init") if name != "zero_gamma"]  # a chain has no residual branch
    whole = models.build("thin", 3, 2, 5, init=init, **options)
    assert whole.head.point(whole(torch.randn(4, 3, 24, 20), torch.randn(4, 5))).shape == (4, 2)


TARGET = ("ingest.targets={theta_e: {column: theta_e, unit: arcsec}}", "split.targets=[theta_e]")
LABELS = ("ingest.labels=labels.csv", *TARGET)


def without_folder(folder: Path) -> tuple[str, ...]:
    return ()


def without_files(folder: Path) -> tuple[str, ...]:
    folder.mkdir()
    return ()


def labelled(table: str) -> Callable[[Path], tuple[str, ...]]:
    def made(folder: Path) -> tuple[str, ...]:
        with_files(folder)
        (folder / "labels.csv").write_text(table)
        return LABELS

    return made


def another_column(folder: Path) -> tuple[str, ...]:
    labelled("id,theta_e\nlens_0,1\n")(folder)
    return ("ingest.labels=labels.csv", TARGET[0].replace("column: theta_e", "column: theta"), TARGET[1])


def without_table(folder: Path) -> tuple[str, ...]:
    with_files(folder)
    return TARGET


def blank(folder: Path) -> tuple[str, ...]:
    with_files(folder)
    for i in range(4):
        np.save(folder / f"lens_{i}.npy", np.zeros((8, 8), np.float32))
    return ()


def with_files(folder: Path) -> None:
    folder.mkdir()
    for i in range(6):
        np.save(folder / f"lens_{i}.npy", np.random.default_rng(i).normal(5, 1, (8, 8)).astype(np.float32))


FAULTS = [without_folder, without_files, another_column, labelled("id,theta_e\nring.npy,1\n"),
          labelled("id,theta_e\nlens_0,large\n"), without_table, blank]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_errors_say_what_the_guide_says(number: int, tiny: Path) -> None:
    quoted = fences(DOCS / "guide" / "data.md", "text")[0].splitlines()
    assert len(quoted) == len(FAULTS)
    folder = tiny / "lenses"
    more = FAULTS[number](folder)
    with pytest.raises(InputError) as said:
        ingest("images.zarr", "quarantine.csv", ("ingest.source=deeplense", f"ingest.path={folder}", *more))
    assert str(said.value).replace(str(folder), "/home/me/lenses") == quoted[number]


def test_the_curves_of_the_figure_are_the_stretches() -> None:
    pixels, made = figures.curves()
    at = {
        "sqrt": np.sqrt,
        "power": lambda x: x**0.7,
        "log": lambda x: np.log1p(x / 3),
        "arcsinh": lambda x: np.arcsinh(x / 3),
    }
    assert set(made) == {"linear", *at}
    for name, function in at.items():
        expected = np.sign(pixels) * function(np.abs(pixels)) / function(1000)
        np.testing.assert_allclose(made[name], expected, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_figure_is_what_its_code_draws(name: str) -> None:
    """Up to what another rounding changes of a pixel here and there."""
    with plt.rc_context(STYLE):
        drawn = pictures.imread(BytesIO(png(figures.FIGURES[name]())))
    kept = pictures.imread(DOCS / "figures" / f"{name}.png")
    assert drawn.shape == kept.shape
    assert np.abs(drawn - kept).mean() < 1e-3
