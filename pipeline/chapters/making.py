"""How the report came about: findings, the data card, parameters, versions, and what every arm was given."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.findings import Finding
from pipeline.places import Place

COMMAND = "dvc repro"


def audit(found: Sequence[Finding], accepted: Sequence[str]) -> dict[str, Any]:
    return {
        "findings": [
            {"code": one.code, "severity": one.severity, "summary": one.summary, "accepted": one.code in accepted}
            for one in found
        ]
    }


def card(attributes: Mapping[str, Any], split: Mapping[str, Any]) -> dict[str, Any]:
    """What the images are and how they were parted."""
    given = ("pixel_scale", "psf_fwhm", "units", "identities", "quarantined", "target_units")
    return {
        "entries": {
            "images": {key: attributes[key] for key in given} | {"rows": split["rows"], "left out": split["left_out"]},
            "source": _said(attributes["provenance"]),
            "split": {"scheme": split["scheme"], "rows": split["counts"], "groups": split["groups"]},
        }
    }


def _said(value: Any) -> Any:
    """Without what is empty or not given, however deep."""
    if not isinstance(value, Mapping):
        return value
    return {key: kept for key, each in value.items() if (kept := _said(each)) not in (None, "", {}, [])}


def making(params: str, fingerprint: Place, split: Mapping[str, Any], images: Mapping[str, Any], manifest: Any) -> Any:
    """`fingerprint` is that of a run; `images` are the attributes of their store."""
    made = json.loads(fingerprint.read_text())
    shards = {name: shard["sha256"][:16] for name, shard in images["shards"].items() if name.startswith("images")}
    return {
        "command": COMMAND,
        "params": params,
        "versions": {name: str(version) for name, version in made["versions"].items()},
        "hashes": {"test ids": split["test_ids_sha256"][:16], **shards},
        "fairness": [_fair(arm) for arm in manifest],
    }


def _fair(arm: Mapping[str, Any]) -> dict[str, Any]:
    budget = f"{arm['epochs']} epochs of batches of {arm['batch_size']}, {arm['optimiser']}, {arm['schedule']}"
    return {
        "arm": arm["arm"],
        "budget": f"{budget}; differs in {arm['differs']}" if arm["differs"] else budget,
        "trials": arm["trials"],
        "steps": round(arm["steps"]),
        "augmentation": arm["augment"],
        "other": bool(arm["differs"]),
    }
