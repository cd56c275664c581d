"""Stage `predict_shifted`: a trained network's answers for the test lenses under other conditions.

    python -m pipeline.predict_shifted psf_wide raw data/shifted/psf_wide/images.zarr data/images.zarr
        data/runs/raw-cnn-all-0 data/prepared/raw/fit.zarr data/shifted/predictions/psf_wide/raw-cnn-all-0.parquet

Nothing is learnt anew and nobody tells the network: its input is computed from the shifted images with what was known
of the observation before, and scaled by the statistics of the training rows. A network that says a number alone has the
spread of its calibration rows as they were. No feature is permuted (`predict.permute`): that would be a second thing
which the network has not been trained on, and what it relies on is asked of the lenses as they were. No store lies in
between: channels are made, scaled and answered block by block.
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
from pipeline.slot import slot
from pipeline.store import Store


def predict_shifted(
    kind: str, name: str, shifted: str, source: str, folder: str, fit: str, target: str, overrides: Iterable[str] = ()
) -> None:
    """Predict the rows of the store `shifted`, which is of shift `kind`, with the network of a run on the input `name`,
    whose prepared store is `fit`; `source` is the store of the images as they were.

    A placebo has nothing that its shifted images would change beyond its recipe's: an empty table.
    """
    device, symmetric, given = params.read(overrides, "train.fit.device", "predict.symmetric", "features")
    if name not in given.recipes:
        print(f"predict_shifted: {name} is no recipe of features.recipes, and is not predicted on shifted images")
        tables.write(pd.DataFrame(columns=[*tables.COLUMNS, "shift"]), target)
        return
    recipe = recipes.ready(name, given, Store(source))
    images, prepared = Store(shifted), Store(fit)
    if [prepared.attributes[key] for key in ("channels", "columns")] != [recipe.channels, recipe.columns]:
        raise InputError(f"{fit}: prepared by another recipe than features.recipes.{name} is now; run normalise again")
    with slot(device) as own:
        network = answering.of_run(folder, own, symmetric)
        network.check(prepared)
        calibration = network.of(prepared, *prepared.attributes["roles"]["calibration"])
        blocks = [_said(images, recipe, prepared, network, *block) for block in images.blocks()]
    found = {column: np.concatenate([block[column] for block in blocks]) for column in blocks[0]}
    parts = [
        tables.of_role(prepared, "calibration", calibration),
        tables.of_rows(prepared, "test", images.read("id"), _targets(images, prepared, 0, images.rows), found),
    ]
    table = tables.with_spread(pd.concat(parts, ignore_index=True))
    table = table[table["role"] == "test"].reset_index(drop=True).assign(shift=kind)
    for column, lines in tables.gaps(table).items():
        print(f"predict_shifted: {folder}: {column} is not finite in {lines} of {len(table)} lines")
    tables.write(table, target)
    print(f"predict_shifted: {images.rows} images under {kind} in {target}")


def _said(
    images: Store, recipe: Recipe, prepared: Store, network: Answering, start: int, stop: int
) -> dict[str, Float[np.ndarray, "n t"]]:
    """What the network says of rows [start, stop) of the shifted images, in physical units."""
    statistics = prepared.attributes["statistics"]
    optional = np.isin(recipe.columns, recipe.missing)
    seen = scaled(recipe.of(images.read("images", start, stop)), statistics, optional)
    targets, rows = _targets(images, prepared, start, stop), images.read("row", start, stop)
    return tables.columns(network(seen, targets, rows), statistics["target"])


def _targets(images: Store, prepared: Store, start: int, stop: int) -> Float[np.ndarray, "n t"]:
    """The truths on the scale of the training rows, to the last digit as `normalise` wrote them."""
    chosen = [images.attributes["target_names"].index(name) for name in prepared.attributes["targets"]]
    return scale(images.read("targets", start, stop)[:, chosen], prepared.attributes["statistics"]["target"], 1)


if __name__ == "__main__":
    run(predict_shifted, "SHIFT INPUT SHIFTED IMAGES RUN FIT PREDICTIONS")
