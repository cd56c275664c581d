"""How the report came about: findings, the data card, parameters, versions, and what every arm was given."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.chapters.sources import Sources
from pipeline.findings import Finding

COMMAND = "dvc repro"
STATED = {
    "pixel_scale": "pixel scale [arcsec]",
    "psf_fwhm": "PSF FWHM [arcsec]",
    "units": "units",
    "identities": "identities",
    "quarantined": "quarantined",
    "target_units": "targets",
}


def audit(found: Sequence[Finding], accepted: Sequence[str]) -> dict[str, Any]:
    return {
        "findings": [
            {"code": one.code, "severity": one.severity, "summary": one.summary, "accepted": one.code in accepted}
            for one in found
        ]
    }


def card(attributes: Mapping[str, Any], split: Mapping[str, Any]) -> dict[str, Any]:
    """What the images are and how they were parted."""
    stated = {words: attributes[key] for key, words in STATED.items()}
    return {
        "entries": {
            "images": stated | {"rows": split["rows"], "left out": split["left_out"]},
            "source": _said(attributes["provenance"]),
            "split": {"scheme": split["scheme"], "rows": split["counts"], "groups": split["groups"]},
        }
    }


def _said(value: Any) -> Any:
    """Without what is empty or not given, however deep."""
    if not isinstance(value, Mapping):
        return value
    return {key: kept for key, each in value.items() if (kept := _said(each)) not in (None, "", {}, [])}


def making(written: str, sources: Sources) -> dict[str, Any]:
    """`written` is params.yaml as it stands; versions are those that the first run was trained with."""
    first, shards = sources.cells[0], sources.images.attributes["shards"]
    made = json.loads((sources.runs / f"{first.name}-{first.seeds[0]}" / "fingerprint.json").read_text())
    pixels = {name: shard["sha256"][:16] for name, shard in shards.items() if name.startswith("images")}
    return {
        "command": COMMAND,
        "params": written,
        "versions": {name: str(version) for name, version in made["versions"].items()},
        "hashes": {"test ids": sources.split["test_ids_sha256"][:16], **pixels},
        "fairness": [_fair(arm) for arm in sources.details["manifest"]],
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
