"""Stage `report`: the comparison as one page, in pictures, and as tables for `dvc plots`.

    python -m pipeline.report data/images.zarr data/lenses.parquet data/split.json data/audit.json data/engineered \
        data/runs data/clock data/predictions data/by_bin.csv data/verdict.json data/report

Writes `index.html`, which needs nothing but itself (`pipeline/page`), figures as PNG and PDF (predicted against true,
error by bin, learning curves, a gallery of test lenses with every channel), and the numbers behind the first three as
CSV.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline import atomic, figures, findings, params
from pipeline.chapters import cost, errors, lenses, making, verdict
from pipeline.command import run
from pipeline.drawing import STYLE, pdf, png
from pipeline.page import page
from pipeline.places import Place, place
from pipeline.store import Store
from pipeline.verdict import cells as reading
from pipeline.verdict.answers import answered
from pipeline.verdict.cells import Cell

SHOWN = 2000  # points of a scatter plot that an eye can tell apart


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
    folder, names = place(target), list(product(inputs, backbones, map(str, sizes)))
    cells, _ = answered(reading.read(place(predictions), names, seeds)[0])
    found = json.loads(place(details).read_text())
    decided, store = json.loads(place(split).read_text()), Store(images)
    stores = {name: Store(place(engineered) / f"{name}.zarr") for name in inputs}
    learning, bins = _learning(place(runs), cells), pd.read_csv(by_bin)
    truths = bins[bins["covariate"] == "truth"].rename(columns={"centre": "truth"})
    scatter = _scatter(cells, found["units"])
    for name, table in {"scatter": scatter, "learning": learning, "by_truth": truths}.items():
        atomic.write(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    with plt.rc_context(STYLE):
        drawn = {"gallery": figures.draw_gallery(store, stores, spread_out(store, decided, chosen.lenses))}
        drawn |= _figures(scatter, learning, truths, found["units"])
    for name, figure in drawn.items():
        atomic.write(folder / "figures" / f"{name}.pdf", pdf(figure))
        atomic.write(folder / "figures" / f"{name}.png", png(figure))
    content = {
        "title": "Which input reads dark matter best",
        "subtitle": f"{len(cells[0].id)} test lenses; {', '.join(found['units'])}",
        "verdict": verdict.verdict(found, [one.summary for one in findings.read(audit) if one.severity != "note"]),
        **_lenses(cells, found, pd.read_parquet(known), store, stores, decided, chosen),
        "bins": errors.bins(bins, found),
        "curves": errors.curves(learning),
        "calibration": errors.calibration(found),
        "ablation": verdict.ablation(found),
        "efficiency": verdict.efficiency(found, decided["counts"]["train"]),
        "robustness": verdict.robustness(found),
        "cost": cost.cost(found, place(runs), place(clock), store.shape("images")[2:]),
        "audit": making.audit(findings.read(audit), accepted),
        "card": making.card(store.attributes, decided),
        "making": making.making(
            place("params.yaml").read_text(),
            place(runs) / f"{cells[0].name}-{cells[0].seeds[0]}" / "fingerprint.json",
            decided,
            store.attributes,
            found["manifest"],
        ),
    }
    atomic.write(folder / "index.html", page({name: part for name, part in content.items() if part}))
    print(f"report: {folder / 'index.html'}, and {len(drawn)} figures in {folder / 'figures'}")


def _figures(
    scatter: pd.DataFrame, learning: pd.DataFrame, truths: pd.DataFrame, units: Mapping[str, str]
) -> dict[str, Figure]:
    drawn = {"learning": figures.draw_learning(learning)}
    for name in scatter["target"].unique():
        drawn[f"scatter_{name}"] = figures.draw_scatter(scatter[scatter["target"] == name], name)
        drawn[f"error_by_bin_{name}"] = figures.draw_bins(truths[truths["target"] == name], name, units[name])
    return drawn


def _lenses(
    cells: Sequence[Cell],
    found: Mapping[str, Any],
    known: pd.DataFrame,
    store: Store,
    stores: Mapping[str, Store],
    decided: Mapping[str, Any],
    chosen: params.Report,
) -> dict[str, Any]:
    """The chapters of single lenses: those shown are chosen by the errors of the first cell."""
    own = reading.columns(known, cells[0].id)
    shown = lenses.chosen(cells[0], chosen.shown, decided["scheme"]["seed"])
    return {
        "scatter": lenses.scatter(cells, found["units"], own),
        "lenses": lenses.pictures(store, stores, own["row"].to_numpy(), shown)
        | {"note": f"Chosen by the error of {cells[0].name}, but for the random draw, which alone is a fair sample."},
    }


def spread_out(images: Store, decided: dict, count: int) -> Int[np.ndarray, " m"]:
    """Test rows evenly spaced in the first target."""
    test = np.array(decided["roles"]["test"])
    column = images.attributes["target_names"].index(decided["targets"][0])
    order = test[np.argsort(images.read("targets")[test, column], kind="stable")]
    return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]


def _scatter(cells: Sequence[Cell], units: Mapping[str, str]) -> pd.DataFrame:
    """Truth and mean prediction over seeds of the test lenses of each run, thinned to what can be seen."""
    parts = []
    for cell in cells:
        mean = pd.DataFrame({"id": cell.id, "truth": cell.truth, "prediction": cell.prediction.mean(axis=0)})
        thinned = mean.iloc[:: 1 + len(mean) // SHOWN]
        parts.append(thinned.assign(run=cell.name, target=cell.target, unit=units[cell.target].strip(" []")))
    return pd.concat(parts, ignore_index=True)[["run", "target", "unit", "id", "truth", "prediction"]]


def _learning(folder: Place, cells: Sequence[Cell]) -> pd.DataFrame:
    """The history of every run; once, however many targets it has."""
    runs = {cell.name: cell.seeds for cell in cells}
    return pd.concat(
        [
            pd.read_csv(io.BytesIO((folder / f"{name}-{seed}" / "history.csv").read_bytes())).assign(
                run=name, seed=seed
            )
            for name, seeds in runs.items()
            for seed in seeds
        ],
        ignore_index=True,
    )


if __name__ == "__main__":
    run(
        report,
        "IMAGES LENSES SPLIT AUDIT ENGINEERED RUNS CLOCK PREDICTIONS BY_BIN DETAILS FOLDER",
    )
