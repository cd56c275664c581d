"""Stage `find_lr`: the learning rate of an input and a backbone, for every seed and size of it.

    python -m pipeline.find_lr cnn data/prepared/raw/fit.zarr data/find_lr/raw-cnn

Writes `rate.json`. Where train.fit.learning_rate is a number, that is the rate; where it is `auto`, the range test
finds one on the training rows, and `curve.csv` and `curve.png` show how.
"""

import json
from collections.abc import Iterable
from typing import Any

from pipeline import atomic, params
from pipeline.command import run
from pipeline.params import Fit
from pipeline.places import Place, place

SEED = 0


def find_lr(backbone: str, source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """The rate for `backbone` on the store `source`, into the folder `target`."""
    fit, options = params.read(overrides, "train.fit", f"backbones.{backbone}")
    folder = place(target)
    if fit.learning_rate == "auto":
        said = _tested(backbone, options, fit, source, folder)
    else:
        said = {"learning_rate": fit.learning_rate, "edge": None, "rule": "train.fit.learning_rate"}
    atomic.write(folder / "rate.json", json.dumps(said, indent=1) + "\n")
    print(f"find_lr: {folder}: {said['learning_rate']:.3g}, by {said['rule']}")


def _tested(backbone: str, options: dict[str, Any], fit: Fit, source: str, folder: Place) -> dict[str, Any]:
    """The range test's choice. Everything heavy is imported here: a rate that is given takes no time."""
    import pandas as pd

    from models.training import range_test
    from models.training.trial import trial
    from pipeline import fitting
    from pipeline.slot import slot
    from pipeline.store import Store

    task = fitting.Task(Store(source), backbone, options)
    rows, model = task.rows, task.network(SEED)
    with slot(fit.device) as device, fitting.explained(task.store, fit):
        settings = fitting.settings_of(fit, fit.range_test.highest, None, device)
        step = trial(model, rows, settings, SEED, images=task.images)
        curve = range_test.range_test(step, **params.plain(fit.range_test))
        choice = range_test.choose(curve)
    table = pd.DataFrame({"learning_rate": curve.rates, "loss": curve.losses})
    atomic.write(folder / "curve.csv", table.to_csv(index=False, float_format="%.6g"))
    atomic.write(folder / "curve.png", _drawn(curve, choice, folder.name))
    return {"learning_rate": choice.rate, "edge": choice.edge, "rule": choice.rule}


def _drawn(curve: Any, choice: Any, name: str) -> bytes:
    """The losses over the rates, and what was made of them."""
    from matplotlib import pyplot as plt

    from models.training.range_test import smoothed
    from pipeline.drawing import STYLE, png

    smooth = smoothed(curve.losses)
    low, high = min(curve.losses), smooth[0]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6, 3.8))
        axes.plot(curve.rates, curve.losses, ".", color="0.75", markersize=4, label="loss of a step")
        axes.plot(curve.rates, smooth, label="smoothed")
        axes.axvline(choice.rate, color="0.2", label=f"chosen: {choice.rate:.2g}")
        axes.axvline(choice.edge, color="C1", linestyle=":", label=f"edge: {choice.edge:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", title=name)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.5 * (high - low))  # an explosion may leave the frame
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=4, handlelength=1.2, columnspacing=1.2)
        return png(figure)


if __name__ == "__main__":
    run(find_lr, "BACKBONE STORE FOLDER")
