"""The report as one HTML file that needs nothing else: no network, no fonts, no library, no server.

`page(content)` returns it; schema.py says what `content` is. Numbers are packed (encoding.py) and travel as JSON in
script tags that are never run; the page is built from them in the browser, as text and never as HTML. A content
security policy forbids everything that is not in the file, and every script but its own.
"""

import base64
import hashlib
import html
import json
import math
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from pipeline.page import encoding
from pipeline.page.schema import check

HERE = Path(__file__).parent
PICTURES = 6_000_000  # bytes that all lenses' pictures may take


def page(content: Mapping[str, Any]) -> str:
    """The report of `content` (`schema.Content`); raises `ValueError` where a section is not what the schema says."""
    check(content)
    shown = content.get("lenses", {}).get("shown", ())
    pictures = encoding.sprites([np.asarray(lens["image"], np.float64) for lens in shown], PICTURES)
    style = (HERE / "style.css").read_text()
    script = "".join(path.read_text() for path in sorted(HERE.glob("script_*.js")))
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    return Template((HERE / "template.html").read_text()).substitute(
        title=html.escape(content["title"]),
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        sentences="".join(f"<p>{html.escape(one)}</p>" for one in content.get("verdict", {}).get("sentences", ())),
        style=style,
        script=script,
        content=_json(_compact(content)),
        pictures=_json(pictures),
    )


def _compact(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its long columns packed, and without the pictures."""
    compact = dict(content)
    if "scatter" in content:
        scatter = content["scatter"]
        compact["scatter"] = {
            **scatter,
            "facts": {name: _packed(values) for name, values in scatter.get("facts", {}).items()},
            "targets": {name: _target(target) for name, target in scatter["targets"].items()},
        }
    if "lenses" in content:
        shown = [{"row": lens["row"], "tags": lens["tags"]} for lens in content["lenses"]["shown"]]
        compact["lenses"] = {**content["lenses"], "shown": shown}
    return compact


def _target(target: Mapping[str, Any]) -> dict[str, Any]:
    runs = {run: {key: _packed(values) for key, values in each.items()} for run, each in target["runs"].items()}
    return {**target, "truth": _packed(target["truth"]), "runs": runs}


def _packed(values: Any) -> dict[str, Any]:
    return encoding.packed(np.asarray(values, np.float64))


def _json(value: Any) -> str:
    """JSON that may stand in a script tag: no `<` can end the tag, and no NaN breaks the reader."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    """What JSON knows: numpy's numbers as Python's, and null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _digest(text: str) -> str:
    """How a content security policy names the one text that it lets run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
