"""Numbers in prose about results: in a mark, so that they are those of the results, or listed with their source.

Those of the blog are of many other sources, each with a test of its own (tests/test_blog.py).
"""

import re
from pathlib import Path

import pytest

from studies.marks import SCAN
from tests.conftest import ROOT

FOLDERS = ("docs/results", "docs/paper")
PAGES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))
NUMBER = re.compile(r"(?<![\w.])[-−+]?\d*\.\d+|\d+(?= ?%)")  # decimal, or of a hundred
REFERENCES = re.compile(r"^#+ (References|Literature)\n.*\Z", flags=re.DOTALL | re.MULTILINE)
BLANKED = re.compile(
    r"\A---\n.*?^---$"  # the head of a paper
    r"|<!--.*?-->"
    r"|\]\([^)]*\)|<https?:[^>]*>|https?:\S+",
    flags=re.DOTALL | re.MULTILINE,
)
# By page, from the root: numbers that are no result of a study, and whose they are.
ALLOWED: dict[str, dict[str, str]] = {
    "docs/paper/paper.md": {
        "0.791": "data/metrics.json, by tests/test_blog.py",
        "0.813": "data/metrics.json, by tests/test_blog.py",
        "4.8": "per cent of false claims, as the proof of tests/contrasts prints it",
    }
}


def loose(page: str) -> list[str]:
    """Decimal numbers and percentages of a page outside marks, code, links and references."""
    return NUMBER.findall(BLANKED.sub(" ", SCAN.sub(" ", REFERENCES.sub("", page))))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_number_is_in_a_mark_or_has_a_source(folder: str) -> None:
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        if name.startswith(folder):
            found = set(loose(page.read_text()))
            assert found == set(ALLOWED.get(name, {})), f"{name}: unmarked, or listed and no longer there"


def test_the_list_is_of_pages_that_exist() -> None:
    assert [name for name in ALLOWED if not (ROOT / Path(name)).is_file()] == []


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("It is 0.2134 ± .002 dex, or −1.5 and 17 % of 1,400.", ["0.2134", ".002", "−1.5", "17"]),
        ("It is <!--= a/b c d rmse -->0.21 ± 0.01<!--/--> dex.", []),
        ("As `lr=0.1`, or\n\n```text\n0.2\n```\n\nfor 5 epochs of 1400.", []),
        ("By [us](https://a.b/1.5) and https://doi.org/10.1093/x, version1.2, Eq. 5.", []),
        ("---\nversion: 0.1\n---\nIt is 0.3.\n\n## References\n\nJournal 1.5, 2.5\n", ["0.3"]),
        ("<!-- 0.5 --> 0.6", ["0.6"]),
    ],
)
def test_what_counts_as_a_loose_number(page: str, found: list[str]) -> None:
    assert loose(page) == found
