"""Stage `baselines`: what an input is worth without a network.

    python -m pipeline.baselines data/prepared/engineered data/baselines/engineered.parquet

`constant` answers with the mean of the training targets: whoever does not beat it has learnt nothing. `tree` is a
gradient-boosted tree on the input's vector features; an input without vectors has none.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from pipeline import params, tables, trees
from pipeline.command import run
from pipeline.places import place
from pipeline.scaling import scale
from pipeline.store import Store


def baselines(prepared: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Fit the baselines on the training rows of the input `prepared` and write their predictions, by `model`."""
    chosen = params.read(overrides, "baselines")
    fit = Store(place(prepared) / "fit.zarr")
    predicted = [tables.predicted(prepared, _constant).assign(model="constant")]
    if "vectors" in fit:
        ensembles = _trees(fit, chosen)

        def answer(store: Store, start: int, stop: int) -> np.ndarray:
            vectors = store.read("vectors", start, stop)
            return np.stack([tree.predict(vectors) for tree in ensembles], axis=1)

        predicted.append(tables.predicted(prepared, answer).assign(model="tree"))
    tables.write(pd.concat(predicted, ignore_index=True), target)


def _constant(store: Store, start: int, stop: int) -> np.ndarray:
    """The training mean, on the scale of the normalised targets."""
    statistics = store.attributes["statistics"]["target"]
    return scale(np.tile(statistics["mean"], (stop - start, 1)), statistics, 1)


def _trees(fit: Store, chosen: params.Baselines) -> list[HistGradientBoostingRegressor]:
    """One fitted tree ensemble a target."""
    start, stop = fit.attributes["roles"]["train"]
    vectors, targets = fit.read("vectors", start, stop), fit.read("target", start, stop)
    return [trees.fitted(vectors, column, chosen) for column in targets.T]


if __name__ == "__main__":
    run(baselines, "PREPARED PREDICTIONS")
