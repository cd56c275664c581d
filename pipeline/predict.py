"""Stage `predict`: a trained network's answers for the rows it did not learn from.

    python -m pipeline.predict data/runs/raw-cnn-all-0 data/prepared/raw data/predictions/raw-cnn-all-0.parquet

Beside `baselines` the only stage that opens the test rows.
"""

from collections.abc import Iterable

from pipeline import answering, params, tables
from pipeline.command import run
from pipeline.permuting import Permuting, seed_of
from pipeline.slot import slot


def predict(folder: str, prepared: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Predict the validation, calibration and test rows of the input `prepared` with the network of a run."""
    device, chosen = params.read(overrides, "train.fit.device", "predict")
    with slot(device) as own:
        network = answering.of_run(folder, own, chosen.symmetric)
        asked = Permuting(network, seed_of(folder)) if chosen.permute else network
        table = tables.predicted(prepared, asked.of)
    for column, lines in tables.gaps(table).items():
        print(f"predict: {folder}: {column} is not finite in {lines} of {len(table)} lines")
    tables.write(table, target)


if __name__ == "__main__":
    run(predict, "RUN PREPARED PREDICTIONS")
