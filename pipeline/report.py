"""Stage `report`: the comparison as one page, in pictures, and as tables for `dvc plots`.

    python -m pipeline.report data/images.zarr data/lenses.parquet data/split.json data/audit.json data/engineered \
        data/runs data/clock data/predictions data/by_bin.csv data/verdict.json data/report

Writes `index.html`, which needs nothing but itself (`pipeline/page`), `figures/*.png` and `pdf/*.pdf` (predicted
against true, error by bin, learning curves, a gallery of test lenses with every channel, error by cost), and the
numbers behind the first three as CSV.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline import atomic, figures, params
from pipeline.chapters import cost, errors, lenses, making, verdict
from pipeline.chapters.sources import Sources, read
from pipeline.command import run
from pipeline.drawing import STYLE, pdf, png
from pipeline.page import page
from pipeline.places import Place, place
from pipeline.verdict.cells import Cell

PLOTTED = 2000  # points of a scatter plot that an eye can tell apart


def report(
    images: str,
    known: str,
    split: str,
    audit: str,
    engineered: str,
    runs: str,
    clock: str,
    predictions: str,
    by_bin: str,
    details: str,
    target: str,
    overrides: Iterable[str] = (),
) -> None:
    """Draw everything into the folder `target`."""
    inputs, backbones, sizes, seeds, accepted, chosen = params.read(
        overrides, "train.inputs", "train.backbones", "train.sizes", "train.seeds", "audit.accept", "report"
    )
    sources = read(
        list(product(inputs, backbones, map(str, sizes))),
        seeds,
        inputs,
        images=images,
        lenses=known,
        split=split,
        audit=audit,
        engineered=engineered,
        runs=runs,
        clock=clock,
        predictions=predictions,
        by_bin=by_bin,
        details=details,
    )
    folder, plotted = place(target), tables(sources)
    for name, table in plotted.items():
        atomic.write(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    priced = cost.cost(sources)
    _write_figures(folder, sources, plotted, priced, chosen.lenses)
    told = content(sources, priced, accepted, place("params.yaml").read_text(), chosen.shown)
    atomic.write(folder / "index.html", page(told))
    print(f"report: {folder / 'index.html'}, and figures in {folder / 'figures'} and {folder / 'pdf'}")


def tables(sources: Sources) -> dict[str, pd.DataFrame]:
    """What `dvc plots` and the figures draw, by the name of its CSV."""
    truths = sources.bins[sources.bins["covariate"] == "truth"].rename(columns={"centre": "truth"})
    return {"scatter": _scatter(sources.cells, sources.units), "learning": sources.learning, "by_truth": truths}


def _scatter(cells: Sequence[Cell], units: Mapping[str, str]) -> pd.DataFrame:
    """Truth and mean prediction over seeds of the test lenses of each run, thinned to what can be seen."""
    parts = []
    for cell in cells:
        mean = pd.DataFrame({"id": cell.id, "truth": cell.truth, "prediction": cell.prediction.mean(axis=0)})
        thinned = mean.iloc[:: -(-len(mean) // PLOTTED)]
        parts.append(thinned.assign(run=cell.name, target=cell.target, unit=units[cell.target].strip(" []")))
    return pd.concat(parts, ignore_index=True)[["run", "target", "unit", "id", "truth", "prediction"]]


def _write_figures(
    folder: Place, sources: Sources, plotted: Mapping[str, pd.DataFrame], priced: Mapping[str, Any], count: int
) -> None:
    with plt.rc_context(STYLE):  # its resolution and margins count when a figure is saved
        for name, figure in _figures(sources, plotted, priced, count).items():
            atomic.write(folder / "pdf" / f"{name}.pdf", pdf(figure))  # apart: `dvc plots` shows a folder, but no PDF
            atomic.write(folder / "figures" / f"{name}.png", png(figure))


def _figures(
    sources: Sources, plotted: Mapping[str, pd.DataFrame], priced: Mapping[str, Any], count: int
) -> dict[str, Figure]:
    drawn = {
        "gallery": figures.draw_gallery(sources.images, sources.inputs, sources.spread_out(count)),
        "learning": figures.draw_learning(plotted["learning"]),
    }
    for name, label in sources.labels.items():
        scatter, truths = (plotted[key][plotted[key]["target"] == name] for key in ("scatter", "by_truth"))
        drawn[f"scatter_{name}"] = figures.draw_scatter(scatter, label)
        drawn[f"error_by_bin_{name}"] = figures.draw_bins(
            truths, label, sources.units[name], sources.details["confidence"]
        )
        own = [row for row in priced["rows"] if row["target"] == name]
        drawn[f"cost_{name}"] = figures.draw_cost(own, priced["prices"], f"{name}: RMSE{sources.units[name]}")
    return drawn


def content(
    sources: Sources, priced: Mapping[str, Any], accepted: Sequence[str], written: str, shown: int
) -> dict[str, Any]:
    """What the page is told, without the chapters that have nothing to say.

    `priced` is the chapter on cost, which figures are drawn of, too; `written` is params.yaml as it stands.
    """
    details, first = sources.details, sources.cells[0]
    chapters = {
        "verdict": verdict.verdict(details, sources.cautions),
        "scatter": lenses.scatter(sources.cells, sources.units, sources.lenses),
        "lenses": lenses.lenses(sources, lenses.chosen(first, shown, sources.split["scheme"]["seed"])),
        "bins": errors.bins(sources.bins, details),
        "curves": errors.curves(sources.learning),
        "calibration": errors.calibration(details),
        "classes": errors.classes(details),
        "ablation": verdict.ablation(details),
        "efficiency": verdict.efficiency(details, sources.split["counts"]["train"]),
        "robustness": verdict.robustness(details),
        "cost": priced,
        "audit": making.audit(sources.found, accepted),
        "card": making.card(sources.images.attributes, sources.split),
        "making": making.making(written, sources),
    }
    title = {"title": "Which input reads dark matter best"}
    subtitle = {"subtitle": f"{len(first.id)} test lenses; {', '.join(sources.units)}"}
    return title | subtitle | {name: chapter for name, chapter in chapters.items() if chapter}


if __name__ == "__main__":
    run(
        report,
        "IMAGES LENSES SPLIT AUDIT ENGINEERED RUNS CLOCK PREDICTIONS BY_BIN DETAILS FOLDER",
    )
