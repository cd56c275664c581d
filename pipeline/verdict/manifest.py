"""What every arm was given to learn with: a comparison is of inputs only where everything else was alike."""

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from pipeline.places import Place
from pipeline.verdict.cells import Key

ALIKE = ("epochs", "batch_size", "trials", "schedule", "optimiser", "augment", "loss", "weight_decay")


def manifest(runs: Place, keys: Iterable[Key], seeds: Sequence[int]) -> pd.DataFrame:
    """One line an arm: budget, steps taken, tuning trials, and how it was trained; the means over its seeds.

    `differs` names what is not as in the first arm of the same backbone and size: the budget that was declared, not the
    steps that early stopping left of it, which are its outcome.
    """
    table = pd.DataFrame([arm for key in keys if (arm := _arm(runs, key, seeds))])
    if table.empty:
        return table
    for _, alike in table.groupby(["backbone", "size"], sort=False):
        first = alike.iloc[0]
        for row, line in alike.iterrows():
            table.loc[row, "differs"] = ", ".join(name for name in ALIKE if line[name] != first[name])
    return table


def _arm(runs: Place, key: Key, seeds: Sequence[int]) -> dict[str, Any]:
    folders = [runs / f"{'-'.join(key)}-{seed}" for seed in seeds]
    known = [folder for folder in folders if (folder / "fingerprint.json").is_file()]
    if not known:
        return {}
    made = json.loads((known[0] / "fingerprint.json").read_text())
    steps = [len(_table(folder / "steps.csv")) for folder in known]
    return {
        "arm": "-".join(key),
        "backbone": key[1],
        "size": key[2],
        "seeds": len(known),
        "epochs": made["fit"]["epochs"],
        "steps": sum(steps) / len(steps),
        "batch_size": made["fit"]["batch_size"],
        "learning_rate": made["rate"]["learning_rate"],
        "trials": made["fit"]["range_test"]["steps"] if made["fit"]["learning_rate"] == "auto" else 0,
        "schedule": _said(made["fit"]["schedule"]),
        "optimiser": _said(made["fit"]["optimiser"]),
        "augment": ", ".join(map(_said, made["fit"]["augment"])) or "none",
        "loss": _said(made["fit"]["loss"]),
        "weight_decay": made["fit"]["weight_decay"],
        "differs": "",
    }


def _table(path: Place) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(path.read_bytes()))


def _said(choice: Any) -> str:
    """A choice and its options in a word or two."""
    if isinstance(choice, dict) and "kind" in choice:
        options = ", ".join(f"{name} {value}" for name, value in choice.items() if name != "kind")
        return f"{choice['kind']} ({options})" if options else str(choice["kind"])
    return choice if isinstance(choice, str) else json.dumps(choice)
