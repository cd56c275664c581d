"""The figures: what is drawn is what was given, and its bytes are the same every time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def priced() -> list[dict[str, Any]]:
    """Runs that cost more and more, whose error falls, but for one; of the last the interval is not known."""
    errors = [0.5, 0.4, 0.45, 0.2, 0.1]
    known = [{"value": error, "low": error - 0.02, "high": error + 0.03} for error in errors]
    known[-1] |= {"low": None, "high": np.inf}
    front = [["seconds", "bytes"], ["seconds"], [], ["seconds"], ["seconds"]]
    costs = [1.5, 20.0, 300.0, 4e4, 5e5]
    return [
        {"run": run, "error": error, "front": best, "at": {"seconds": cost, "bytes": 16384.0}}
        for run, error, best, cost in zip(RUNS, known, front, costs, strict=True)
    ]


PRICES = {"seconds": ("seconds", "seconds of one training"), "bytes": ("bytes", "bytes of one image")}


def test_a_run_stands_at_its_cost_and_the_front_goes_from_the_top_through_the_best_to_the_right() -> None:
    rows = priced()
    figure = figures.draw_cost(rows, PRICES, "mass: RMSE [dex]")
    assert [axis.get_xlabel() for axis in figure.axes] == ["seconds of one training", "bytes of one image"]
    for axis, price in zip(figure.axes, PRICES, strict=True):
        assert axis.get_xscale() == "log"
        for row, drawn in zip(rows, axis.containers, strict=True):
            (bars,) = [part for part in drawn[2] if isinstance(part, LineCollection)]
            assert drawn[0].get_xydata().tolist() == [[row["at"][price], row["error"]["value"]]]
            ends = [end for segment in bars.get_segments() for end in segment.reshape(-1, 2)[:, 1] if np.isfinite(end)]
            expected = [row["error"]["low"], row["error"]["high"]] if row is not rows[-1] else []
            np.testing.assert_allclose(ends, expected)
        (front,) = [line for line in axis.lines if line.get_drawstyle() == "steps-post"]
        best = [[row["at"][price], row["error"]["value"]] for row in rows if price in row["front"]]
        right, top = axis.get_xlim()[1], axis.get_ylim()[1]
        assert front.get_xydata().tolist() == [[best[0][0], top], *best, [right, best[-1][1]]]
        assert all(axis.get_xlim()[0] < row["at"][price] < right for row in rows)
        assert top < 1
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [figures.label(run) for run in RUNS]
    plt.close(figure)


@pytest.mark.parametrize("span", [1.0, 1.2, 1.6, 4.0, 30.0, 2000.0])
@pytest.mark.parametrize("low", [0.3, 22.0, 9216.0])
def test_however_narrow_an_axis_it_has_ticks_that_say_their_values(span: float, low: float) -> None:
    rows = [row | {"at": {"seconds": low * span ** (i / 4)}} for i, row in enumerate(priced())]
    figure = figures.draw_cost(rows, {"seconds": PRICES["seconds"]}, "mass")
    (axis,) = figure.axes
    figure.draw_without_rendering()
    left, right = axis.get_xlim()
    labels = [tick for tick in axis.xaxis.get_major_ticks() if left <= tick.get_loc() <= right]
    assert 1 <= len(labels) <= 9
    for tick in labels:
        text = tick.label1.get_text().replace("−", "-")
        scale = {"k": 1e3, "M": 1e6}.get(text[-1], 1.0)
        assert float(text.rstrip("kM")) * scale == pytest.approx(tick.get_loc())
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


@pytest.mark.parametrize("name", ["scatter", "bins", "learning", "gallery", "cost"])
def test_the_same_figure_has_the_same_bytes(name: str, gallery: Callable[[], Figure], tmp_path: Path) -> None:
    draw: dict[str, Callable[[], Figure]] = {
        "scatter": lambda: figures.draw_scatter(scatter(), "mass"),
        "bins": lambda: figures.draw_bins(bins(), "mass", "", 0.95),
        "learning": lambda: figures.draw_learning(learning()),
        "gallery": gallery,
        "cost": lambda: figures.draw_cost(priced(), PRICES, "mass"),
    }
    with plt.rc_context(STYLE):
        first, second = [(pdf(figure), png(figure)) for figure in (draw[name](), draw[name]())]
    assert first == second
    assert first[0].startswith(b"%PDF")
    assert first[1].startswith(b"\x89PNG")
