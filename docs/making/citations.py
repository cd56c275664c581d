"""The citations of the paper, out of its bibliography: pandoc resolves `[@key]` for a journal, and this for the site.

mkdocs calls `on_page_markdown` for every page (mkdocs.yml names this file as a hook). The bibliography is plain: every
field on a line of its own, in braces.
"""

import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "paper" / "paper.bib"
PAGE = "paper/paper.md"
ENTRY = re.compile(r"^@(?P<kind>\w+)\{(?P<key>\w+),\n(?P<fields>(?:  .*\n)+)\}$", flags=re.MULTILINE)
FIELD = re.compile(r"^  (?P<name>\w+) = \{(?P<value>.*)\},?$", flags=re.MULTILINE)
CITED = re.compile(r"\[(?P<keys>@\w+(?:; @\w+)*)\]|(?<!\w)@(?P<key>\w+)")
HEADING = re.compile(r"^(#+ )", flags=re.MULTILINE)
PLACES = ("journal", "booktitle", "publisher", "volume", "pages")


def entries(text: str) -> dict[str, dict[str, str]]:
    """Fields of every work by its key, in plain characters."""
    return {
        entry["key"]: {field["name"]: plain(field["value"]) for field in FIELD.finditer(entry["fields"])}
        for entry in ENTRY.finditer(text)
    }


def plain(value: str) -> str:
    """Without the braces that keep capitals, and with what LaTeX spells out."""
    return re.sub(r"[{}]", "", value).replace(r"\&", "&").replace("--", "–")


def cited(text: str) -> list[str]:
    """The keys that a text cites, in the order in which they come first."""
    found = [key for one in CITED.finditer(text) for key in re.findall(r"\w+", one["keys"] or one["key"])]
    return list(dict.fromkeys(found))


def authors(work: dict[str, str]) -> str:
    """Family names: one, two, or the first and others."""
    names = [name.split(",")[0] for name in work["author"].split(" and ")]
    return f"{names[0]} et al." if len(names) > 2 or names[-1] == "others" else " & ".join(names)


def reference(work: dict[str, str]) -> str:
    """One work, with where it is."""
    where = ", ".join(work[name] for name in PLACES if name in work)
    address = f"https://doi.org/{work['doi']}" if "doi" in work else work.get("url", "")
    if "eprint" in work:
        address = address or f"https://arxiv.org/abs/{work['eprint']}"
        where = ", ".join([*([where] if where else []), f"arXiv {work['eprint']}"])
    title = f"[{work['title']}]({address})" if address else work["title"]
    return f"{authors(work)} {work['year']}, {title}" + (f", {where}" if where else "")


def resolved(text: str, works: dict[str, dict[str, str]]) -> str:
    """The text with names and years where it cites, and the list of works at its end."""

    def named(found: re.Match[str]) -> str:
        if found["key"]:
            return f"{authors(works[found['key']])} ({works[found['key']]['year']})"
        keys = re.findall(r"\w+", found["keys"])
        return "(" + "; ".join(f"{authors(works[key])} {works[key]['year']}" for key in keys) + ")"

    listed = sorted(reference(works[key]) for key in cited(text))
    return "\n".join([CITED.sub(named, text).rstrip(), "", *(f"- {one}" for one in listed), ""])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Of the paper alone; its headings go down by one, below its title."""
    if page.file.src_uri != PAGE:
        return markdown
    body = HEADING.sub(r"#\1", resolved(markdown, entries(FILE.read_text())))
    return f"# {page.meta['title']}\n\n{body}"
