"""Stage `predict_shifted`: a trained network's answers for the test lenses under other conditions.

    python -m pipeline.predict_shifted psf_wide raw data/shifted/psf_wide/images.zarr data/images.zarr
        data/runs/raw-cnn-all-0 data/prepared/raw/fit.zarr data/shifted/predictions/psf_wide/raw-cnn-all-0.parquet

Nothing is learnt anew and nobody tells the network: its input is computed from the shifted images with what was known
of the observation before, and scaled by the statistics of the training rows. The predicted spread, too, is that of the
calibration rows as they were. No store lies in between: channels are made, scaled and answered block by block.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline import answering, params, recipes, tables
from pipeline.answering import Answering
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.recipes import Recipe
from pipeline.scaling import scale, scaled
from pipeline.store import Store


def predict_shifted(
    kind: str, name: str, shifted: str, source: str, folder: str, fit: str, target: str, overrides: Iterable[str] = ()
) -> None:
    """Predict the rows of the store `shifted`, which is of shift `kind`, with the network of a run on the input `name`,
    whose prepared store is `fit`; `source` is the store of the images as they were.

    An input that is no recipe (its placebo, say) has no images of its own to be computed from: an empty table.
    """
    device, chosen, given = params.read(overrides, "train.fit.device", "predict", "features")
    if name not in given.recipes:
        print(f"predict_shifted: {name} is no recipe of features.recipes, and is not predicted on shifted images")
        tables.write(pd.DataFrame(columns=[*tables.COLUMNS, "shift"]), target)
        return
    stretch = {"transform": given.transform, "softening": given.softening, "power": given.power}
    recipe = recipes.ready(name, given.recipes[name], stretch, given.floor, Store(source))
    images, prepared = Store(shifted), Store(fit)
    if [prepared.attributes[key] for key in ("channels", "columns")] != [recipe.channels, recipe.columns]:
        raise InputError(f"{fit}: prepared by another recipe than features.recipes.{name} is now; run normalise again")
    network = answering.of_run(folder, device, chosen.symmetric)
    network.check(prepared)
    calibration = tables.of_role(
        prepared, "calibration", network.of(prepared, *prepared.attributes["roles"]["calibration"])
    )
    test = tables.lines(
        prepared, "test", images.read("id"), _target(images, prepared), _said(images, recipe, prepared, network)
    )
    both = tables.with_spread(pd.concat([calibration, test], ignore_index=True))
    table = both[both["role"] == "test"].reset_index(drop=True).assign(shift=kind)
    tables.write(table, target)
    print(f"predict_shifted: {images.rows} images under {kind} in {target}")


def _said(images: Store, recipe: Recipe, prepared: Store, network: Answering) -> Float[np.ndarray, "n t"]:
    """Normalised predictions for every image."""
    statistics = prepared.attributes["statistics"]
    optional = np.isin(recipe.columns, recipe.missing)
    blocks = (recipe.of(images.read("images", start, stop)) for start, stop in images.blocks())
    return np.concatenate([network(scaled(block, statistics, optional)) for block in blocks])


def _target(images: Store, prepared: Store) -> Float[np.ndarray, "n t"]:
    """The truths on the scale of the training rows, to the last digit as `normalise` wrote them."""
    chosen = [images.attributes["target_names"].index(name) for name in prepared.attributes["targets"]]
    return scale(images.read("targets")[:, chosen], prepared.attributes["statistics"]["target"], 1)


if __name__ == "__main__":
    run(predict_shifted, "SHIFT INPUT SHIFTED IMAGES RUN FIT PREDICTIONS")
