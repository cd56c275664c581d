"""The figures: what is drawn is what was given, and its bytes are the same every time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from pipeline import figures
from pipeline.drawing import STYLE, pdf, png
from pipeline.store import Store
from tests import reported

RUNS = [f"{name}-cnn-all" for name in ("raw", "engineered", "placebo")] + ["raw-cnn-200", "engineered-cnn-200"]


def scatter() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    parts = [pd.DataFrame(generator.normal(size=(20, 2)), columns=["truth", "prediction"]) for _ in RUNS]
    return pd.concat([part.assign(run=run) for part, run in zip(parts, RUNS, strict=True)])


def bins() -> pd.DataFrame:
    """The last bin of the second run has no bounds: one seed and a lens or two."""
    parts = [
        pd.DataFrame({"truth": [0.0, 0.5, 1.0], "mae": [0.3, 0.2, 0.4 + i]}).assign(run=run)
        for i, run in enumerate(RUNS)
    ]
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(mae_low=table["mae"] - 0.05, mae_high=table["mae"] + 0.1)
    table.loc[5, ["mae_low", "mae_high"]] = [np.nan, np.inf]
    return table


def learning() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    return pd.concat(
        [
            pd.DataFrame({"epoch": range(4), "run": run, "seed": seed}).assign(
                train_loss=generator.uniform(0.1, 1, 4), validation_loss=generator.uniform(0.1, 1, 4)
            )
            for run in RUNS
            for seed in (0, 3)
        ]
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, Store]]:
    folder = tmp_path_factory.mktemp("figures")
    reported.write_store(
        folder / "images.zarr", "images", 1, target_names=list(reported.TARGETS), target_units=reported.TARGETS
    )
    inputs = {}
    for name, channels in reported.CHANNELS.items():
        said = {"placebo": {"kept": 1}} if "_" in name else {}
        reported.write_store(folder / f"{name}.zarr", name, len(channels), channels=channels, **said)
        inputs[name] = Store(folder / f"{name}.zarr")
    return Store(folder / "images.zarr"), inputs


@pytest.fixture
def gallery(stores: tuple[Store, dict[str, Store]]) -> Callable[[], Figure]:
    return lambda: figures.draw_gallery(*stores, np.array([8, 3]))


def panel(figure: Figure, run: str) -> Axes:
    (found,) = [axis for axis in figure.axes if axis.get_title() == figures.label(run)]
    return found


def test_every_run_has_its_points_in_its_panel() -> None:
    table = scatter()
    figure = figures.draw_scatter(table, "mass [dex(eV)]")
    for run in RUNS:
        own = table[table["run"] == run]
        (points,) = panel(figure, run).collections
        np.testing.assert_array_equal(points.get_offsets(), own[["truth", "prediction"]])
        (diagonal,) = panel(figure, run).lines
        ends = [table["truth"].min(), table["truth"].max()]
        np.testing.assert_array_equal(diagonal.get_xydata(), np.array([ends, ends]).T)
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("true mass [dex(eV)]", "predicted mass [dex(eV)]")
    plt.close(figure)


def test_panels_go_on_in_a_new_row_and_none_is_empty() -> None:
    """Five runs are four and one."""
    figure = figures.draw_scatter(scatter(), "mass")
    assert [axis.get_title() for axis in figure.axes] == [figures.label(run) for run in RUNS]
    rows = [axis.get_subplotspec().rowspan.start for axis in figure.axes]
    assert rows == [0, 0, 0, 0, 1]
    plt.close(figure)


def test_bars_are_the_intervals_and_an_unknown_one_is_not_drawn() -> None:
    table = bins()
    figure = figures.draw_bins(table, "mass [dex(eV)]", " [dex]", 0.9)
    (axis,) = figure.axes
    lines, legend = axis.containers, axis.get_legend()
    assert legend is not None
    assert len(lines) == len(RUNS)
    for run, line in zip(RUNS, lines, strict=True):
        own = table[table["run"] == run].reset_index(drop=True)
        marks, bars = line[0], next(part for part in line[2] if isinstance(part, LineCollection))
        np.testing.assert_array_equal(marks.get_ydata(), own["mae"])
        assert np.abs(marks.get_xdata() - own["truth"]).max() < 0.05  # moved aside, and no farther
        for i, ends in enumerate(bars.get_segments()):
            known = np.isfinite(own.loc[i, ["mae_low", "mae_high"]].to_numpy(dtype=float)).all()
            expected = own.loc[i, ["mae_low", "mae_high"]].tolist() if known else []
            drawn = ends[:, 1] if len(ends) and np.isfinite(ends).all() else []
            np.testing.assert_allclose(drawn, expected)
    assert [text.get_text() for text in legend.get_texts()] == [figures.label(run) for run in RUNS]
    assert legend.get_title().get_text() == "bars: 90% intervals"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("true mass [dex(eV)]", "mean absolute error [dex]")
    assert axis.get_ylim()[0] == 0
    assert axis.get_ylim()[1] < 10  # an infinite bound stretches nothing
    plt.close(figure)


def test_a_run_has_one_line_a_seed_and_loss() -> None:
    table = learning()
    figure = figures.draw_learning(table)
    for run in RUNS:
        own = table[table["run"] == run]
        drawn = [line.get_xydata().tolist() for line in panel(figure, run).lines]
        expected = [
            np.stack([own[own["seed"] == seed]["epoch"] + 1, own[own["seed"] == seed][loss]], axis=1).tolist()
            for seed in (0, 3)
            for loss in ("train_loss", "validation_loss")
        ]
        assert drawn == expected
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    named = zip(legend.get_texts(), legend.get_lines(), strict=True)
    styles = {text.get_text(): line.get_linestyle() for text, line in named}
    assert styles == {"training": "--", "validation": "-"}
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["--", "-"] * 2
    plt.close(figure)


def test_the_gallery_is_of_these_lenses_with_these_channels(gallery: Callable[[], Figure]) -> None:
    """Of the placebo the image that it keeps. One grey scale a channel; north is up as the array has it."""
    figure = gallery()
    grid = np.array(figure.axes).reshape(2, 4)
    sources = [("raw", 0), ("engineered", 0), ("engineered", 1), ("engineered_shuffled", 0)]
    for line, row in enumerate((8, 3)):
        for axis, source in zip(grid[line], sources, strict=True):
            (image,) = axis.images
            assert image.get_array()[5, 5] == reported.shade(row, *source)
            assert image.origin == "lower"
            assert image.get_clim() == grid[0, list(grid[line]).index(axis)].images[0].get_clim()
        assert grid[line, 0].get_ylabel().split("\n")[1] == f"{reported.labels()[row, 0]:.2f}"
    titles = ["raw\npixels", "engineered\nintensity", "engineered\nridge", "engineered_shuffled\nintensity"]
    assert [axis.get_title() for axis in grid[0]] == titles
    plt.close(figure)


def test_a_size_is_named_only_where_it_is_not_everything() -> None:
    assert [figures.label(run) for run in RUNS[2:4]] == ["placebo-cnn", "raw-cnn-200"]


@pytest.mark.parametrize("name", ["scatter", "bins", "learning", "gallery"])
def test_the_same_figure_has_the_same_bytes(name: str, gallery: Callable[[], Figure], tmp_path: Path) -> None:
    draw: dict[str, Callable[[], Figure]] = {
        "scatter": lambda: figures.draw_scatter(scatter(), "mass"),
        "bins": lambda: figures.draw_bins(bins(), "mass", "", 0.95),
        "learning": lambda: figures.draw_learning(learning()),
        "gallery": gallery,
    }
    with plt.rc_context(STYLE):
        first, second = [(pdf(figure), png(figure)) for figure in (draw[name](), draw[name]())]
    assert first == second
    assert first[0].startswith(b"%PDF")
    assert first[1].startswith(b"\x89PNG")
