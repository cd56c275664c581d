"""The root of a store: its `zarr.json`, whose attributes are the manifest, and the digest that guards it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.errors import InputError
from pipeline.fingerprint import digest
from pipeline.places import Place, reaching
from pipeline.store.arrays import Array, Cuts

SCHEMA = 2
ROOT = "zarr.json"
REMEDY = "restore it (dvc checkout) or rerun the stage that wrote it"


def root(arrays: Sequence[Array], cuts: Cuts, shards: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """The root's `zarr.json`: what the stage said, and what opening a store needs."""
    attributes = {
        "schema": SCHEMA,
        **said,
        "cuts": asdict(cuts),
        "arrays": [asdict(array) for array in arrays],
        "shards": shards,
    }
    attributes = json.loads(json.dumps(attributes))  # tuples and the like, as they will be read
    return json.dumps(
        {"zarr_format": 3, "node_type": "group", "attributes": attributes | {"digest": digest(attributes)}}, indent=1
    )


def read(path: Place) -> dict[str, Any]:
    """The attributes of a store's root. Raises `InputError` if there is none, or not one of ours, or a damaged one."""
    with reaching(path, "read"):
        if not (path / ROOT).exists():
            raise InputError(f"{path}: no store here; run the stage that writes it (dvc repro)")
        text = (path / ROOT).read_bytes()
    try:
        attributes = json.loads(text)["attributes"]
        schema, expected = attributes["schema"], attributes.pop("digest", None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path / ROOT}: damaged, or not ours ({error!r}); {REMEDY}") from error
    if schema != SCHEMA:
        raise InputError(f"{path}: schema {schema}, not {SCHEMA}; write it anew")
    if digest(attributes) != expected:
        raise InputError(f"{path / ROOT}: this manifest is damaged: its digest is not that of its words; {REMEDY}")
    return attributes


def arrays_of(attributes: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays that a manifest describes, by name."""
    made = [Array(**{**a, "shape": tuple(a["shape"]), "axes": tuple(a["axes"])}) for a in attributes["arrays"]]
    return {array.name: array for array in made}
