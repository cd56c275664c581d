"""The tables of features, out of features/table.py: what each keeps and loses, and where it is explained.

mkdocs calls `on_page_markdown` for every page (mkdocs.yml names this file as a hook). The file is read, not imported: a
page needs no torch.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = "<!-- features/table.py: {} -->"
FILE = Path(__file__).parents[2] / "features" / "table.py"


def table(name: str, source: str) -> str:
    """`MAPS` or `VECTORS` as Markdown, each feature with a link to its docstring."""
    tree = ast.parse(source)
    where = {alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    lines = [f"| [`{one}`][{where[one]}.{one}] | {keeps} | {loses} |" for one, keeps, loses in _features(tree, name)]
    return "\n".join(["| feature | keeps | loses |", "|---|---|---|", *lines])


def _features(tree: ast.Module, name: str) -> Iterator[tuple[str, str, str]]:
    """Name, `keeps` and `loses` of every `Feature(...)` that the table is made of."""
    made = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name
    )
    for call in ast.walk(made):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Feature":
            said = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg in ("keeps", "loses")}
            yield ast.unparse(call.args[0]), said["keeps"], said["loses"]


def on_page_markdown(markdown: str, **_: Any) -> str:
    for name in ("MAPS", "VECTORS"):
        markdown = markdown.replace(MARK.format(name), table(name, FILE.read_text()))
    return markdown
