"""The figures of the report, for papers and talks: data in, a matplotlib figure out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from pipeline.chapters.lenses import seen
from pipeline.store import Store

ACROSS = 4  # panels in a row
MARKS = "os^Dv"  # and colours of another number: no two of 30 runs look alike
BESIDE: Any = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}  # a legend that hides nothing


def draw_scatter(table: pd.DataFrame, name: str) -> Figure:
    """Predicted against true, one panel a run; what lies on the diagonal is right. `name` has the unit."""
    runs = list(table["run"].unique())
    figure, axes = _panels(runs, 2.9)
    low, high = table["truth"].min(), table["truth"].max()
    for axis, run in zip(axes, runs, strict=True):
        points = table[table["run"] == run]
        axis.plot([low, high], [low, high], color="0.6", lw=1, zorder=0)
        axis.scatter(points["truth"], points["prediction"], s=6, alpha=0.6, lw=0)
        axis.set(title=label(run), aspect="equal")
    figure.supxlabel(f"true {name}", fontsize="medium")
    figure.supylabel(f"predicted {name}", fontsize="medium")
    return figure


def draw_bins(table: pd.DataFrame, name: str, unit: str, confidence: float) -> Figure:
    """Mean absolute error by bin of the truth, with intervals; a bound that is not known is not drawn."""
    figure, axis = plt.subplots(figsize=(6, 3.6))
    runs = table["run"].unique()
    step = 0.012 * np.ptp(table["truth"])
    for i, run in enumerate(runs):
        line = table[table["run"] == run]
        bounds = np.stack([line["mae"] - line["mae_low"], line["mae_high"] - line["mae"]])
        shift = step * (i - (len(runs) - 1) / 2)  # so that the bars of different runs stand side by side
        axis.errorbar(
            line["truth"] + shift,
            line["mae"],
            np.where(np.isfinite(bounds), bounds, np.nan),
            marker=MARKS[i % len(MARKS)],
            ms=4,
            lw=1,
            capsize=2,
            label=label(run),
        )
    axis.set(xlabel=f"true {name}", ylabel=f"mean absolute error{unit}")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8, title=f"bars: {confidence:.0%} intervals", title_fontsize=8, **BESIDE)
    return figure


def draw_learning(table: pd.DataFrame) -> Figure:
    """Training and validation loss by epoch, one panel a run, one line a seed."""
    runs = list(table["run"].unique())
    figure, axes = _panels(runs, 2.6)
    for axis, run in zip(axes, runs, strict=True):
        for _, line in table[table["run"] == run].groupby("seed"):
            axis.semilogy(line["epoch"] + 1, line["train_loss"], color="C0", lw=1, ls="--")
            axis.semilogy(line["epoch"] + 1, line["validation_loss"], color="C1", lw=1)
        axis.set(title=label(run))
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
    figure.supxlabel("epoch", fontsize="medium")
    figure.supylabel("loss, normalised target", fontsize="medium")
    axes[-1].legend(axes[-1].lines[:2], ["training", "validation"], fontsize=8, **BESIDE)
    return figure


def draw_cost(rows: Sequence[Mapping[str, Any]], prices: Mapping[str, tuple[str, str]], name: str) -> Figure:
    """The error of every run at each of its prices, with intervals, and the staircase of those that no other beats.

    `rows` are of one target, as the page is told of them; `name` is that of the error, with its unit.
    """
    across = 3
    figure, axes = plt.subplots(
        *(-(-len(prices) // across), across), figsize=(9.6, 5.4), sharey=True, squeeze=False, layout="constrained"
    )
    errors = np.array([[row["error"][key] for key in ("value", "low", "high")] for row in rows], dtype=float)  # (n, 3)
    for axis, (price, (_, words)) in zip(axes.flat, prices.items(), strict=False):
        costs = np.array([row["at"][price] for row in rows], dtype=float)
        for i, (row, cost, (value, low, high)) in enumerate(zip(rows, costs, errors, strict=True)):
            bar = np.where(np.isfinite([[low], [high]]), [[value - low], [high - value]], np.nan)
            axis.errorbar(cost, value, bar, fmt=MARKS[i % len(MARKS)], ms=5, lw=1, capsize=2, label=label(row["run"]))
        _price_axis(axis, costs)
        axis.set_xlabel(words, fontsize="small")
        best = np.array([price in row["front"] for row in rows])
        _draw_front(axis, costs[best], errors[best, 0])
    for axis in axes.flat[len(prices) :]:
        axis.remove()
    figure.supylabel(name, fontsize="medium")
    marks, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside right upper", fontsize=8)
    return figure


def _price_axis(axis: Axes, costs: Float[np.ndarray, " n"]) -> None:
    """A logarithmic axis with room at its ends, and with ticks that can be read however narrow it is."""
    low, high = costs.min(), costs.max()
    room = max((high / low) ** 0.08, 1.1)
    axis.set(xscale="log", xlim=(low / room, high * room))
    decades = np.log10(high / low) + 2 * np.log10(room)
    digits = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8) if decades < 0.7 else (1, 2, 5) if decades < 2 else (1,)
    thousands = EngFormatter(sep="")
    axis.xaxis.set_major_locator(LogLocator(subs=digits))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: thousands(value) if value >= 1000 else f"{value:g}")
    axis.tick_params(labelsize="small")


def _draw_front(axis: Axes, costs: Float[np.ndarray, " m"], errors: Float[np.ndarray, " m"]) -> None:
    """From the top of the frame down to the cheapest, along the best, and on to the right edge."""
    (_, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    order = np.argsort(costs, kind="stable")
    x, y = np.append(costs[order], right), np.append(errors[order], errors[order][-1:])
    axis.plot(np.insert(x, 0, x[:1]), np.insert(y, 0, top), drawstyle="steps-post", color="0.6", lw=1, zorder=0)
    axis.set_ylim(bottom, top)


def _panels(runs: Sequence[str], tall: float) -> tuple[Figure, list[Axes]]:
    """A panel for each run, so many in a row that a slide holds them."""
    across = min(len(runs), ACROSS)
    down = -(-len(runs) // across)
    figure, axes = plt.subplots(
        *(down, across),
        figsize=(2.7 * across, tall * down),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[len(runs) :]:
        axis.remove()
    return figure, list(axes.flat[: len(runs)])


def label(run: str) -> str:
    """A run's name as a caption: the training size is only worth saying when it is not everything."""
    return run.removesuffix("-all")


def draw_gallery(images: Store, inputs: Mapping[str, Store], rows: Int[np.ndarray, " m"]) -> Figure:
    """Lenses down, channels across: what each network is shown. A channel has one grey scale for all lenses.

    Of a placebo only what it keeps of its recipe: the rest belongs to no lens.
    """
    names, shown = seen(inputs, rows)  # shown is (m, c, h, w)
    labels = images.take("targets", rows)
    figure, axes = plt.subplots(*shown.shape[:2], figsize=(1.5 * shown.shape[1], 1.55 * len(rows)), squeeze=False)
    for column, name in enumerate(each.replace(": ", "\n", 1) for each in names):
        low, high = np.percentile(shown[:, column], (0.5, 99.8))
        axes[0, column].set_title(name, fontsize=8)
        for line in range(len(rows)):
            axes[line, column].imshow(shown[line, column], origin="lower", cmap="magma", vmin=low, vmax=high)
            axes[line, column].set(xticks=[], yticks=[])
            axes[line, column].spines[:].set_visible(False)
    for line, values in enumerate(labels):
        known = zip(images.attributes["target_names"], values, strict=True)
        text = "\n".join(f"{name}\n{value:.2f}" for name, value in known if np.isfinite(value))
        axes[line, 0].set_ylabel(text, fontsize=7)
    figure.subplots_adjust(wspace=0.05, hspace=0.05)
    return figure
