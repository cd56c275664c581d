"""The reference of params.yaml, out of the comments of params.yaml itself: a table for every section.

mkdocs calls `on_page_markdown` for every page (mkdocs.yml names this file as a hook).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "<!-- params.yaml -->"
LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: +(?P<value>[^ #].*?))?(?: +# (?P<comment>.*))?")
MORE = re.compile(r" +# +(?P<comment>.*)")
FILE = Path(__file__).parents[2] / "params.yaml"


@dataclass
class Entry:
    """A line of the file: where it stands, what is written there, and what is said of it."""

    path: tuple[str, ...]
    value: str  # as the file has it; "" where a block follows
    comment: str


def entries(text: str) -> list[Entry]:
    """Every key of a params.yaml in its order. Raises `ValueError` for a line that it does not understand."""
    found: list[Entry] = []
    above: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if more := MORE.fullmatch(line):
            found[-1].comment = f"{found[-1].comment} {more['comment']}".strip()
            continue
        parts = LINE.fullmatch(line)
        if parts is None:
            raise ValueError(f"params.yaml, line {number}: neither `key: value  # comment` nor a comment alone: {line}")
        above = [*above[: len(parts["indent"]) // 2], parts["key"]]
        found.append(Entry(tuple(above), parts["value"] or "", parts["comment"] or ""))
    return found


def tables(text: str) -> str:
    """The sections as Markdown."""
    return "\n".join(_lines(entry) for entry in entries(text))


def _lines(entry: Entry) -> str:
    if len(entry.path) == 1:
        said = f"{_escaped(entry.comment)}\n\n" if entry.comment else ""
        return f"\n## {entry.path[0]}\n\n{said}| key | default | |\n|---|---|---|"
    value = f"`{entry.value}`".replace("|", "\\|") if entry.value else ""
    return f"| `{'.'.join(entry.path[1:])}` | {value} | {_escaped(entry.comment)} |"


def _escaped(words: str) -> str:
    """As the words of a cell, which a bar would end; of what looks like a tag nothing would be seen."""
    return words.replace("<", "&lt;").replace("|", "\\|")


def on_page_markdown(markdown: str, **_: Any) -> str:
    return markdown.replace(MARK, tables(FILE.read_text()))
