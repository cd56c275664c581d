"""The verdict as JSON: the metrics that `dvc metrics` shows, and everything else for the report."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.verdict import measures, text
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import Verdict
from pipeline.verdict.questions import PRIMARY, Arm


def written(tree: Any) -> str:
    """A file's text. What is undefined or infinite is null: strict JSON has no word for it, and readers other than
    Python's refuse one.
    """
    return json.dumps(_strict(tree), indent=1, allow_nan=False) + "\n"


def _strict(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _strict(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_strict(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def metrics(found: Verdict) -> dict[str, Any]:
    """What `dvc metrics` shows: {network: {input: {backbone: {size: {target: ...}}}}} and so on."""
    several = [cell for cell in found.cells if len(cell.seeds) > 1]
    return {
        "plain": found.plain,
        "network": nested({cell.key: measures.summary(cell, found.measured[cell.key]) for cell in found.cells}),
        "ensemble": nested({cell.key: measures.ensemble(cell) for cell in several}),
        "difference": nested({arm: _difference(found, arm) for arm in found.primary}),
        **({"largest": nested({key: one.value for key, one in found.largest.items()})} if found.largest else {}),
    }


def nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """{(a, b): x} as {a: {b: x}}: the form that `dvc metrics` prints with dotted names."""
    tree: dict[str, Any] = {}
    for (*parents, leaf), value in flat.items():
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def _difference(found: Verdict, arm: Arm) -> dict[str, float]:
    """Intervals are each contrast's own; p is corrected for the family."""
    mae, rmse = found.answers[PRIMARY].mae[arm], found.primary[arm]
    figures: dict[str, float] = {}
    for name, one in (("mae", mae), ("rmse", rmse)):
        figures |= {name: one.difference, f"{name}_low": one.interval[0], f"{name}_high": one.interval[1]}
    return figures | {"p": rmse.p_corrected}


def details(found: Verdict) -> dict[str, Any]:
    """Everything, for the report. An arm is (input, backbone, size, target)."""
    return {
        "confidence": found.confidence,
        "units": found.units,
        "labels": sorted(found.labels),
        "said": found.said,
        "plain": found.plain,
        "cells": [_cell(found, cell) for cell in found.cells],
        "families": {
            name: {
                "title": one.family.title,
                "contrasts": [
                    {"arm": arm, "pair": one.family.pairs[arm], **asdict(contrast)}
                    for arm, contrast in one.rmse.items()
                ],
            }
            for name, one in found.answers.items()
        },
        "interactions": [{"arms": arms, **asdict(one)} for arms, one in found.interactions.items()],
        "saved": [{"arm": arm, **asdict(one)} for arm, one in found.saved.items()],
        "largest": [{"run": "-".join(key), **measures.figure(one)} for key, one in found.largest.items()],
        "areas": [{"arm": arm, **asdict(one)} for arm, one in found.areas.items()],
        "sentences": text.sentences(found),
    }


def _cell(found: Verdict, cell: Cell) -> dict[str, Any]:
    return {
        "run": cell.name,
        "arm": cell.key,
        "seeds": cell.seeds,
        "lenses": len(cell.id),
        "metrics": {name: measures.figure(one) for name, one in found.measured[cell.key].items()},
        "spreads": found.spreads[cell.key],
        "plateaus": found.plateaus[cell.key],
        "diagrams": found.diagrams.get(cell.key, {}),
    }
