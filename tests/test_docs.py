"""The pages of docs/: all are in the menu, all links lead somewhere, and the reference is that of what is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import markdown
import pytest
from ruamel.yaml import YAML

from docs.making import features as feature_page
from docs.making import mathml
from docs.making import parameters as parameter_page
from features.table import MAPS, VECTORS
from tests.conftest import ROOT, yaml

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *kinds: str) -> list[str]:
    return [found["text"] for found in FENCE.finditer(page.read_text()) if found["kind"] in kinds]


def prose(page: Path) -> str:
    """The page as the site makes it, without its code."""
    made = feature_page.on_page_markdown(parameter_page.on_page_markdown(page.read_text()))
    return re.sub(r"`[^`\n]*`", "`code`", FENCE.sub("", made))


def anchors(page: Path) -> set[str]:
    made = parameter_page.on_page_markdown(page.read_text())
    reader = markdown.Markdown(extensions=["toc", "fenced_code"])
    return set(re.findall(r'<h\d id="([^"]+)"', reader.convert(made)))


def menu(part: Any) -> Iterator[str]:
    """The pages of a `nav`."""
    if isinstance(part, str):
        yield part
    else:
        for item in part.values() if isinstance(part, dict) else part:
            yield from menu(item)


def test_every_page_is_in_the_menu_once() -> None:
    text = (ROOT / "mkdocs.yml").read_text().replace("!!python/name:", "")
    assert sorted(menu(YAML(typ="safe").load(text)["nav"])) == [page.relative_to(DOCS).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Pages, pictures and headings are there; of other sites only how the address is written."""
    for target in LINK.findall(prose(page)):
        if "://" in target:
            address = urlparse(target)
            assert address.scheme == "https", target
            assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", address.netloc), target
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


def test_a_broken_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n\n[no](other.md) `[code](none.md)`\n\n```text\n[code](none.md)\n```\n")
    assert LINK.findall(prose(page)) == ["other.md"]
    assert anchors(page) == {"a-title"}
    with pytest.raises(AssertionError):
        test_every_link_leads_somewhere(page)


def test_every_module_is_in_the_reference_once() -> None:
    """But for packages without a word of their own, and what a user has put into features/extra/."""
    files = [path for room in ("features", "models", "pipeline") for path in (ROOT / room).rglob("*.py")]
    files = [path for path in files if path.parent.name != "extra" or path.stem == "__init__"]
    said = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    shown = re.findall(r"^::: (\S+)$", "\n".join(page.read_text() for page in PAGES), flags=re.MULTILINE)
    assert len(set(shown)) == len(shown)
    assert said - set(shown) == {"features", "pipeline", "pipeline.store.__main__"}
    assert set(shown) <= said


def leaves(tree: Any, path: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    """Every key of a YAML file with what stands there."""
    inner = [leaves(value, (*path, key)) for key, value in tree.items()] if isinstance(tree, dict) else []
    return {path: tree} | {key: value for part in inner for key, value in part.items()}


def test_the_reference_of_parameters_is_the_file() -> None:
    """Every entry is a key of the file with its value there; what is left out is inside a value that is shown."""
    tree = leaves(yaml(ROOT / "params.yaml"), ())
    shown = parameter_page.entries((ROOT / "params.yaml").read_text())
    for entry in shown:
        assert not entry.value or YAML(typ="safe").load(entry.value) == tree[entry.path], entry.path
    whole = {entry.path for entry in shown if entry.value}
    paths = {entry.path for entry in shown}
    assert len(paths) == len(shown)
    assert all(path in paths or any(path[: len(inner)] == inner for inner in whole) for path in tree if path)


def test_comments_go_on_over_lines_and_bars_do_not_end_a_cell() -> None:
    text = "# file\n\na:  # of a <b>\n  key: [1, 2]   # one | two,\n                # three\n  more:\n    inner: x\n"
    assert parameter_page.tables(text).splitlines()[1:] == [
        "## a",
        "",
        "of a &lt;b>",
        "",
        "| key | default | |",
        "|---|---|---|",
        "| `key` | `[1, 2]` | one \\| two, three |",
        "| `more` |  |  |",
        "| `more.inner` | `x` |  |",
    ]
    with pytest.raises(ValueError, match="line 2: neither"):
        parameter_page.entries("a: 1\n- b\n")


@pytest.mark.parametrize(("name", "table"), [("MAPS", MAPS), ("VECTORS", VECTORS)])
def test_the_table_of_features_is_the_table(name: str, table: dict[str, Any]) -> None:
    lines = feature_page.table(name, feature_page.FILE.read_text()).splitlines()[2:]
    ours = [feature for feature in table.values() if not feature.compute.__module__.startswith("features.extra")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [cells_[1:] for cells_ in cells] == [[feature.keeps, feature.loses] for feature in ours]
    assert [re.match(r"\[`(\w+)`\]", cells_[0])[1] for cells_ in cells] == [feature.name for feature in ours]  # type: ignore[index]


def test_equations_are_mathml_with_bold_vectors() -> None:
    made = mathml.block("\\boldsymbol\\beta = \\frac{1}{2}\n\nx^2", "math", "math", {}, None)
    assert made.count('<div class="math"><math xmlns="http://www.w3.org/1998/Math/MathML" display="block">') == 2
    assert "<mi>𝜷</mi>" in made
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>" in made
    with pytest.raises(ValueError, match="x is no small Greek letter"):
        mathml.mathml(r"\boldsymbol{x}")
