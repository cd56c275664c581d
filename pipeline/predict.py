"""Stage `predict`: a trained network's answers for the rows it did not learn from.

    python -m pipeline.predict data/runs/raw-cnn-all-0 data/prepared/raw data/predictions/raw-cnn-all-0.parquet

Beside `baselines` the only stage that opens the test rows.
"""

import io
from collections.abc import Iterable
from typing import Any

import torch

import models
from models.heads.spread import said
from models.network import Network
from models.training.augment import build as augmentation
from models.training.device import pick_device
from models.training.predict import answers
from models.training.symmetric import Orientations
from pipeline import params, tables
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.places import Place, place
from pipeline.store import Store


def predict(folder: str, prepared: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Predict the validation, calibration and test rows of the input `prepared` with the network of a run."""
    device, chosen = params.read(overrides, "train.fit.device", "predict")
    try:
        model = load(place(folder) / "weights.pt").to(pick_device(device))
    except ValueError as error:
        raise InputError(f"train.fit.device: {error}") from error

    def answer(store: Store, start: int, stop: int) -> tables.Answer:
        if chosen.symmetric:
            _check_symmetries(store, vectors=model.fusion is not None)
        return answered(model, store, start, stop, chosen.symmetric)

    table = tables.predicted(prepared, answer)
    for column, lines in tables.gaps(table).items():
        print(f"predict: {folder}: {column} is not finite in {lines} of {len(table)} lines")
    tables.write(table, target)


def answered(model: Network, store: Store, start: int, stop: int, symmetric: bool) -> tables.Answer:
    """What a network says of rows of a prepared store, in one pass over their maps."""

    def read(name: str) -> torch.Tensor:
        return torch.from_numpy(store.read(name, start, stop))

    maps, vectors = read("maps"), None if model.fusion is None else read("vectors")
    outputs = answers(Orientations(model), maps, vectors) if symmetric else answers(model, maps, vectors)[:, None]
    levels = torch.tensor(tables.LEVELS) / 100
    found = said(model.head, outputs, read("target"), store.read("row", start, stop), levels)
    return tables.Answer(**{name: values.numpy() for name, values in found.items()})


def _check_symmetries(store: Store, vectors: bool) -> None:
    """Refuse channels and vectors that do not turn with their image, as training on turned images would."""
    said = store.attributes
    try:
        turned = augmentation(["d4"], said["channels"], columns=said["symmetries"] if vectors else {})
        turned.check(*store.shape("maps")[2:])
    except ValueError as error:
        raise InputError(f"predict.symmetric: {error}") from error


def load(weights: Place) -> Network:
    """The network that a run wrote, with its weights."""
    saved = torch.load(io.BytesIO(weights.read_bytes()), weights_only=True)
    sizes: dict[str, Any] = {name: saved[name] for name in ("in_channels", "num_targets", "num_vectors")}
    model = models.build(saved["backbone"], **sizes, **saved["options"])
    model.load_state_dict(saved["state_dict"])
    return model


if __name__ == "__main__":
    run(predict, "RUN PREPARED PREDICTIONS")
