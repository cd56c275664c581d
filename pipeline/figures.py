"""The figures of the report, for papers and talks: data in, a matplotlib figure out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from pipeline.chapters.lenses import seen
from pipeline.store import Store


def draw_scatter(table: pd.DataFrame, target: str) -> Figure:
    """Predicted against true, one panel a run; what lies on the diagonal is right."""
    names = list(table["run"].unique())
    figure, axes = plt.subplots(1, len(names), figsize=(2.7 * len(names), 2.9), sharex=True, sharey=True, squeeze=False)
    low, high = table["truth"].min(), table["truth"].max()
    for axis, name in zip(axes.flat, names, strict=True):
        points = table[table["run"] == name]
        axis.plot([low, high], [low, high], color="0.6", lw=1, zorder=0)
        axis.scatter(points["truth"], points["prediction"], s=6, alpha=0.6, lw=0)
        axis.set(title=label(name), xlabel=f"true {target}", aspect="equal")
    axes[0, 0].set_ylabel(f"predicted {target}")
    return figure


def draw_bins(table: pd.DataFrame, target: str, unit: str) -> Figure:
    """Mean absolute error by bin of the truth; the bars are standard deviations over seeds."""
    figure, axis = plt.subplots(figsize=(6, 3.6))
    runs = table["run"].unique()
    step = 0.006 * np.ptp(table["truth"])
    for i, name in enumerate(runs):
        line = table[table["run"] == name]
        shift = step * (i - (len(runs) - 1) / 2)  # so that the bars of different runs stand side by side
        axis.errorbar(
            line["truth"] + shift,
            line["mae"],
            line["mae_std"].fillna(0),
            marker="o",
            ms=4,
            capsize=2,
            label=label(name),
        )
    axis.set(xlabel=f"true {target}", ylabel=f"mean absolute error{unit}")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    return figure


def draw_learning(table: pd.DataFrame) -> Figure:
    """Training and validation loss by epoch, one panel a run, one line a seed."""
    names = list(table["run"].unique())
    figure, axes = plt.subplots(1, len(names), figsize=(2.7 * len(names), 2.6), sharex=True, sharey=True, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=True):
        for _, line in table[table["run"] == name].groupby("seed"):
            axis.semilogy(line["epoch"] + 1, line["train_loss"], color="C0", lw=1)
            axis.semilogy(line["epoch"] + 1, line["validation_loss"], color="C1", lw=1)
        axis.set(title=label(name), xlabel="epoch")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
    axes[0, 0].set_ylabel("Huber loss, normalised target")
    axes[0, -1].legend(axes[0, -1].lines[:2], ["train", "validation"], fontsize=8)
    return figure


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
