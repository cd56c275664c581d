"""What every arm was given to learn with: a comparison is of inputs only where everything else was alike."""

import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.places import Place
from pipeline.verdict.cells import Key

ALIKE = ("epochs", "batch_size", "trials", "schedule", "optimiser", "augment", "loss", "weight_decay")
LIKELIHOODS = ("gaussian", "flow")  # heads that are trained with one; `quantiles` answer with a median


def manifest(runs: Place, keys: Iterable[Key], seeds: Sequence[int]) -> pd.DataFrame:
    """One line an arm: budget, steps taken, tuning trials, and how it was trained; steps are means over its seeds.

    `differs` names what is not, in one of its runs at least, as in the first run of the same backbone and size: the
    budget that was declared, not the steps that early stopping left of it, which are its outcome.
    """
    lines: list[dict[str, Any]] = []
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for key in keys:
        known = [run for seed in seeds if (run := _run(runs, key, seed))]
        if not known:
            continue
        like = first.setdefault(key[1:], known[0])
        differs = ", ".join(name for name in ALIKE if any(run[name] != like[name] for run in known))
        steps = sum(run["steps"] for run in known) / len(known)
        lines.append({**known[0], "seeds": len(known), "steps": steps, "differs": differs})
    return pd.DataFrame(lines)


def unequal(table: pd.DataFrame) -> list[str]:
    """What is to be said of the arms that were given something else than the first of their backbone and size."""
    marked = table[table["differs"] != ""] if len(table) else table
    return [
        f"`{line['arm']}`: trained with other {line['differs']} than the first {line['backbone']} of that size; "
        "a difference may come of that."
        for _, line in marked.iterrows()
    ]


def improper(table: pd.DataFrame, classes: Collection[str]) -> list[str]:
    """What is to be said where targets are classes, of arms whose loss does not lead to probabilities: only squares and
    likelihoods are least at the mean of what is 0 or 1."""
    if not classes or table.empty or table["proper"].all():
        return []
    marked = table[~table["proper"]]
    arms = ", ".join(f"`{arm}` ({loss})" for arm, loss in zip(marked["arm"], marked["loss"], strict=True))
    return [
        f"{', '.join(sorted(classes))}: by the loss of {arms} answers are drawn to 0 or 1 and are no probabilities; "
        "train with train.fit.loss: {kind: mse}."
    ]


def _run(runs: Place, key: Key, seed: int) -> dict[str, Any]:
    """Of one run; empty where it has left nothing."""
    folder = runs / f"{'-'.join(key)}-{seed}"
    if not (folder / "fingerprint.json").is_file():
        return {}
    made = json.loads((folder / "fingerprint.json").read_text())
    fit = made["fit"]
    return {
        "arm": "-".join(key),
        "backbone": key[1],
        "size": key[2],
        "epochs": fit["epochs"],
        "steps": len(pd.read_csv(io.BytesIO((folder / "steps.csv").read_bytes()))),
        "batch_size": fit["batch_size"],
        "learning_rate": made["rate"]["learning_rate"],
        "trials": fit["range_test"]["steps"] if fit["learning_rate"] == "auto" else 0,
        "schedule": _said(fit["schedule"]),
        "optimiser": _said(fit["optimiser"]),
        "augment": ", ".join(map(_said, fit["augment"])) or "none",
        "loss": _said(fit["loss"]),
        "proper": _head(made) in LIKELIHOODS or fit["loss"]["kind"] == "mse",
        "weight_decay": fit["weight_decay"],
    }


def _head(made: Mapping[str, Any]) -> str:
    return str((made["options"].get("head") or {"kind": "point"})["kind"])


def _said(choice: Any) -> str:
    """A choice and its options in a word or two."""
    if isinstance(choice, dict) and "kind" in choice:
        options = ", ".join(f"{name} {value}" for name, value in choice.items() if name != "kind")
        return f"{choice['kind']} ({options})" if options else str(choice["kind"])
    return choice if isinstance(choice, str) else json.dumps(choice)
