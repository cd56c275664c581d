"""All test lenses as points, and the few that are shown with their pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from pipeline.chapters.sources import Sources
from pipeline.chapters.verdict import CENTRAL
from pipeline.scores import conformal
from pipeline.store import Store
from pipeline.verdict.cells import Cell
from pipeline.verdict.measures import LEVELS

FACTS = {"S/N": "signal_to_noise", "ring / PSF": "ring_over_psf"}
SHARES = {"best": 0.2, "worst": 0.3, "outlier": 0.2, "random": 0.3}  # of the lenses that are shown
OUTLYING = 3  # NMAD


def scatter(cells: Sequence[Cell], units: Mapping[str, str], known: pd.DataFrame) -> dict[str, Any]:
    """Truth, the seeds' mean prediction and its interval for every test lens; `known` are the lines of these lenses."""
    targets: dict[str, Any] = {}
    for cell in cells:
        found = targets.setdefault(
            cell.target, {"unit": units[cell.target].strip(" []"), "truth": cell.truth, "runs": {}}
        )
        low, high = interval(cell)
        found["runs"][cell.name] = {"prediction": cell.prediction.mean(axis=0), "low": low, "high": high}
    return {
        "ids": [str(one) for one in cells[0].id],
        "targets": targets,
        "facts": {name: known[column].to_numpy(dtype=float) for name, column in FACTS.items()},
        "interval": f"{CENTRAL:.0%} interval",
    }


def interval(cell: Cell) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Of the seeds' mean: the mean of what they say, or a split-conformal one from the calibration rows."""
    if cell.quantiles is not None:
        ends = [int(np.abs(LEVELS - level).argmin()) for level in ((1 - CENTRAL) / 2, (1 + CENTRAL) / 2)]
        low, high = (cell.quantiles[..., end].mean(axis=0) for end in ends)
        return low, high
    centre = cell.prediction.mean(axis=0)
    half = conformal.half_width(np.abs(cell.residuals.mean(axis=0)), CENTRAL)
    return centre - half, centre + half


def chosen(cell: Cell, count: int, seed: int) -> dict[int, list[str]]:
    """Which test lenses to show and why: by the mean error of one cell, and a random draw; fewer where there are few.

    What is shown is a choice by the errors, and so no sample of them: only the random draw is.
    """
    error = cell.prediction.mean(axis=0) - cell.truth
    order = np.argsort(np.abs(error), kind="stable")
    apart = np.abs(error - np.median(error))
    farthest = np.argsort(-apart, kind="stable")
    outlying = farthest[apart[farthest] > OUTLYING * 1.4826 * np.median(apart)]
    among = {
        "best": order,
        "worst": order[::-1],
        "outlier": outlying,
        "random": np.random.default_rng(seed).permutation(len(order)),
    }
    shown: dict[int, list[str]] = {}
    for tag, rows in among.items():
        for row in rows[: max(1, round(SHARES[tag] * count))].tolist():
            shown.setdefault(row, []).append(tag)
    return shown


def lenses(sources: Sources, shown: Mapping[int, list[str]]) -> dict[str, Any]:
    """The lenses that are shown, with their image and what every network sees of them."""
    rows = sources.lenses["row"].to_numpy()
    places = np.array(sorted(shown, key=lambda at: rows[at]), dtype=int)  # a store is read forwards
    channels, maps = seen(sources.inputs, rows[places])
    joined = np.concatenate([sources.images.take("images", rows[places])[:, :1], maps], axis=1)
    return {
        "channels": ["image", *channels],
        "shown": [
            {"row": at, "tags": shown[at], "image": image} for at, image in zip(places.tolist(), joined, strict=True)
        ],
        "note": f"Chosen by the error of {sources.cells[0].name}, but for the random draw: only that is a fair sample.",
    }


def seen(inputs: Mapping[str, Store], rows: Int[np.ndarray, " m"]) -> tuple[list[str], Float[np.ndarray, "m c h w"]]:
    """What each network is shown of these rows, as `input: channel`.

    Of a placebo only what it keeps of its recipe: the rest belongs to no lens.
    """
    kept = {name: store.attributes.get("placebo", {}).get("kept") for name, store in inputs.items()}
    names = [f"{name}: {one}" for name, store in inputs.items() for one in store.attributes["channels"][: kept[name]]]
    return names, np.concatenate([store.take("maps", rows)[:, : kept[name]] for name, store in inputs.items()], axis=1)
