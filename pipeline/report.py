"""Stage `report`: the comparison in pictures, and as tables for `dvc plots`.

    python -m pipeline.report data/images.zarr data/split.json data/engineered data/runs \
        data/predictions data/by_bin.csv data/report

Writes figures (predicted against true, error by bin, learning curves, a gallery of test lenses with every channel) and
the numbers behind the first and third as CSV.
"""

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from pipeline import atomic, params, tables
from pipeline.command import run
from pipeline.drawing import STYLE, png
from pipeline.store import Store

SHOWN = 2000  # points of a scatter plot that an eye can tell apart


def report(
    images: str,
    split: str,
    engineered: str,
    runs: str,
    predictions: str,
    by_bin: str,
    target: str,
    overrides: Iterable[str] = (),
) -> None:
    """Draw everything into the folder `target`."""
    inputs, backbones, sizes, seeds, chosen = params.read(
        overrides, "train.inputs", "train.backbones", "train.sizes", "train.seeds", "report"
    )
    folder = Path(target)
    cells = [f"{name}-{backbone}-{size}" for name, backbone, size in product(inputs, backbones, sizes)]
    scatter = _scatter(Path(predictions), cells, seeds)
    learning = _learning(Path(runs), cells, seeds)
    atomic.write(folder / "scatter.csv", scatter.to_csv(index=False, float_format="%.6g"))
    atomic.write(folder / "learning.csv", learning.to_csv(index=False, float_format="%.6g"))
    bins = pd.read_csv(by_bin)
    store, decided = Store(images), json.loads(Path(split).read_text())
    rows = spread_out(store, decided, chosen.lenses)
    stores = {name: Store(Path(engineered) / f"{name}.zarr") for name in inputs}
    units = tables.units(scatter)
    with plt.rc_context(STYLE):
        drawn = {"learning": draw_learning(learning), "gallery": draw_gallery(store, stores, rows)}
        for name in scatter["target"].unique():
            drawn[f"scatter_{name}"] = draw_scatter(scatter[scatter["target"] == name], name)
            drawn[f"error_by_bin_{name}"] = draw_bins(bins[bins["target"] == name], name, units[name])
        for name, figure in drawn.items():
            atomic.write(folder / "figures" / f"{name}.png", png(figure))
    print(f"report: {len(drawn)} figures in {folder / 'figures'}")


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


def draw_gallery(images: Store, inputs: dict[str, Store], rows: Int[np.ndarray, " m"]) -> Figure:
    """Lenses down, channels across: what each network is shown. A channel has one grey scale for all lenses.

    Of a placebo only what it keeps of its recipe: the rest belongs to no lens.
    """
    kept = {name: store.attributes.get("placebo", {}).get("kept") for name, store in inputs.items()}
    names = [f"{name}\n{each}" for name, store in inputs.items() for each in store.attributes["channels"][: kept[name]]]
    parts = [store.take("maps", rows)[:, : kept[name]] for name, store in inputs.items()]
    shown = np.concatenate(parts, axis=1)  # (m, c, h, w)
    labels = images.take("targets", rows)
    figure, axes = plt.subplots(*shown.shape[:2], figsize=(1.5 * shown.shape[1], 1.55 * len(rows)), squeeze=False)
    for column, name in enumerate(names):
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


def spread_out(images: Store, decided: dict, count: int) -> Int[np.ndarray, " m"]:
    """Test rows evenly spaced in the first target."""
    test = np.array(decided["roles"]["test"])
    column = images.attributes["target_names"].index(decided["targets"][0])
    order = test[np.argsort(images.read("targets")[test, column], kind="stable")]
    return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]


def _scatter(folder: Path, cells: list[str], seeds: list[int]) -> pd.DataFrame:
    """Truth and mean prediction over seeds of the test lenses of each run, thinned to what can be seen."""
    parts = []
    for cell in cells:
        runs = [tables.read(folder / f"{cell}-{seed}.parquet", role="test") for seed in seeds]
        mean = runs[0].assign(run=cell, prediction=np.mean([table["prediction"] for table in runs], axis=0))
        parts.append(mean.iloc[:: 1 + len(mean) // SHOWN])
    return pd.concat(parts, ignore_index=True)[["run", "target", "unit", "id", "truth", "prediction"]]


def _learning(folder: Path, cells: list[str], seeds: list[int]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.read_csv(folder / f"{cell}-{seed}" / "history.csv").assign(run=cell, seed=seed)
            for cell in cells
            for seed in seeds
        ],
        ignore_index=True,
    )


if __name__ == "__main__":
    run(report, "IMAGES SPLIT ENGINEERED RUNS PREDICTIONS BY_BIN FOLDER")
