"""The data card: what a set of images is and what is wrong with it, for people (Markdown) and machines (Croissant).

Croissant 1.1 (MLCommons, https://docs.mlcommons.org/croissant) describes a data set as JSON-LD: its files with their
digests, and the fields of a record, here one lens. It knows no Zarr: the shards are given as files, the arrays as
fields of the shape that `pipeline.store` reads from them.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.findings import Finding
from pipeline.places import Place, is_remote
from pipeline.store import Store

CONTEXT = {  # the standard one, word for word, as a reader expects it
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {"str": "sc:Text", "bool": "sc:Boolean", "int64": "sc:Integer"}
SHARD = "application/octet-stream"
SHARDS = "shards"


def markdown(store: Store, findings: Sequence[Finding], statistics: Mapping[str, Any]) -> str:
    """The card that people read."""
    said = store.attributes
    rows, bands, height, width = store.shape("images")
    facts = {
        "images": f"{rows} of {bands} x {height} x {width} pixels (bands x height x width)",
        "unit of the pixels": said.get("units") or "unknown",
        "pixel scale": f'{said["pixel_scale"]:g}"' if said.get("pixel_scale") else "unknown, or differs",
        "PSF": f'{said["psf_fwhm"]:g}" FWHM' if said.get("psf_fwhm") else "unknown, or differs",
        "quarantined at ingest": str(said.get("quarantined", 0)),
    }
    lines = [
        f"# {store.path.name}",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        "## Labels",
        "",
        *_table(("label", "unit", "known", "smallest", "median", "largest"), _labels(store, statistics)),
        "",
        "## What the audit found",
        "",
        *(_table(("severity", "code", "what", "what to do"), _found(findings)) if findings else ["Nothing."]),
        "",
        "## Measured",
        "",
        *_table(("quantity", "value"), [(name, _shown(value)) for name, value in statistics.items()]),
        "",
        "## Where the images come from",
        "",
        "```json",
        json.dumps(said.get("provenance", {}), indent=1, sort_keys=True),
        "```",
        "",
    ]
    return "\n".join(lines)


def _labels(store: Store, statistics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    units = store.attributes.get("target_units", {})
    columns = ("known", "min", "median", "max")
    return [
        (name, units.get(name, "") or "-", *(_shown(statistics.get(f"{name}_{column}")) for column in columns))
        for name in store.attributes.get("target_names", [])
    ]


def _found(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    return [(found.severity, f"`{found.code}`", found.summary, found.remedy) for found in findings]


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return [f"| {' | '.join(line)} |" for line in (names, ["---"] * len(names), *cells)]


def croissant(store: Store, folder: Place, findings: Sequence[Finding]) -> str:
    """The card that machines read, to lie in `folder`: the addresses of the shards are relative to it."""
    said = store.attributes
    rows, *_ = store.shape("images")
    found = "; ".join(f"{found.severity}: {found.summary}" for found in findings) or "nothing"
    card = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": _name(store.path.name),
        "description": f"{rows} images of gravitational lenses and their labels. What an audit of them found: {found}.",
        "url": _address(store.path, folder),
        "version": f"{said['schema']}.0.0",
        "distribution": [*_files(store, folder), _shards(store)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "lenses",
                "name": "lenses",
                "description": "One lens a record.",
                "field": [_field(array, said.get("target_names", [])) for array in said["arrays"]],
            }
        ],
    }
    return json.dumps(card, indent=1)


def _files(store: Store, folder: Place) -> list[dict[str, Any]]:
    """The files that hold values, with the digests of the manifest, and the manifest itself with its own."""
    address = _address(store.path, folder)
    root = (store.path / "zarr.json").read_bytes()
    known = {"zarr.json": {"bytes": len(root), "sha256": hashlib.sha256(root).hexdigest()}} | store.attributes["shards"]
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": f"{address}/{name}",
            "contentSize": f"{file['bytes']} B",
            "encodingFormat": "application/json" if name.endswith(".json") else SHARD,
            "sha256": file["sha256"],
        }
        for name, file in known.items()
    ]


def _shards(store: Store) -> dict[str, Any]:
    """The shards of all arrays, together: the fields of one record may come from one set only, or need a join."""
    return {
        "@type": "cr:FileSet",
        "@id": SHARDS,
        "name": SHARDS,
        "description": "Shards of a Zarr v3 group, a folder an array, in the order of the rows.",
        "containedIn": [{"@id": name} for name in store.attributes["shards"]],
        "encodingFormat": SHARD,
        "includes": "*/c/**",
    }


def _field(array: Mapping[str, Any], targets: Sequence[str]) -> dict[str, Any]:
    words = [f"Array {array['name']}:", array["long_name"], f"[{array['units']}]" if array["units"] else ""]
    if array["name"] == "targets":
        words.append(f"columns: {', '.join(targets)}")
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"lenses/{array['name']}",
        "name": array["name"],
        "description": " ".join(word for word in words if word),
        "dataType": TYPES.get(array["dtype"], "sc:Float"),
        "source": {"fileSet": {"@id": SHARDS}, "extract": {"fileProperty": "content"}},
    }
    if array["shape"]:
        field |= {"isArray": True, "arrayShape": ",".join(map(str, array["shape"]))}
    return field


def _name(file: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in file.removesuffix(".zarr"))


def _address(store: Place, folder: Place) -> str:
    """From the card to the store."""
    if is_remote(store) or is_remote(folder):
        return str(store)
    return Path(os.path.relpath(store, folder)).as_posix()
