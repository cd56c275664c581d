"""Marks: places in Markdown that say which number of a study stands there, and are filled from studies/results/.

A value's mark is `<!--= STUDY/BUDGET … -->…<!--/-->`, within a line and after a word, because Markdown takes a comment
at the beginning of a line for a block. What it may ask for:

    WHAT                           question, images, epochs, seeds, seconds, hours, machine, command, answer
    PROBLEM WHAT                   lenses, arms, target, best, better, worse, equivalent, undecided
    PROBLEM ARM WHAT               mae, rmse, r2 (± standard deviation over seeds), each with _interval behind it [95 %
                                   interval]; learning_rate, tried (of so many rates), parameters, seconds, halved; of
                                   a compared arm: rmse_difference, mae_difference [95 % interval], each with _corrected
                                   behind it [interval of the family], ratio [95 % interval], at_most_5, verdict,
                                   reason, p_corrected, against
    PROBLEM shortcut NAME WHAT     mae, rmse, r2 of what costs no network
    PROBLEM published NAME WHAT    the same of what others have said, as far as they have

At a training size other than `all`, PROBLEM is `problem@size`. `best` stands for the arm, or the shortcut, that does
best. A block's mark and its `<!--/-->` stand on lines of their own:

    <!--= table STUDY/BUDGET [PROBLEM] -->        table and paragraph, of every problem or of one
    <!--= paragraph STUDY/BUDGET [PROBLEM] -->    the paragraph alone
    <!--= figure STUDY/BUDGET -->
    <!--= spent STUDY/BUDGET -->                  budget, machine and command
    <!--= legend STUDY/BUDGET -->                 what brackets are; of a whole study's table, below it anyway
    <!--= short STUDY/BUDGET -->                  a line a problem: the best arm, the best shortcut, what is published

`<!--=? table …` is a block that stays empty until there are results. Marks in code are left as they are.
"""

import re
from collections.abc import Iterator, Mapping
from os.path import relpath
from pathlib import Path

from pipeline.errors import InputError
from studies import text
from studies.text import Tree
from studies.values import panel, value

Results = Mapping[str, Tree]  # by study/budget: table.json
FIGURES = "docs/results/figures"  # copies, because the site shows what lies below docs/
SCAN = re.compile(
    r"^ *(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^ *(?P=fence)[ \t]*$"
    r"|`[^`\n]+`"
    r"|<!--=(?P<maybe>\??)(?P<says>[^\n]*?)-->(?P<old>.*?)<!--/-->",
    flags=re.DOTALL | re.MULTILINE,
)
LOOSE = re.compile(r"<!--=.*|<!--/-->.*")
BARE = re.compile(r"\s*(?:(?:[-+*>]|\d+[.)])\s+)*")  # before what a line, a list item or a quotation begins with


def filled(page: str, name: str, results: Results) -> str:
    """The text of a page with all marks current. `name` is its path from the root. Raises `InputError` naming page,
    line and mark."""
    parts, end = [], 0
    for found in SCAN.finditer(page):
        parts.append(_without_marks(page, end, found.start(), name))
        parts.append(found[0] if found["says"] is None else _current(found, name, results))
        end = found.end()
    return "".join([*parts, _without_marks(page, end, len(page), name)])


def _without_marks(page: str, start: int, end: int, name: str) -> str:
    if loose := LOOSE.search(page, start, end):
        raise InputError(f"{_place(page, loose.start(), name)}: {loose[0][:60]}: a mark is <!--= … -->…<!--/-->")
    return page[start:end]


def _current(found: re.Match[str], name: str, results: Results) -> str:
    """One mark with what belongs into it."""
    place = f"{_place(found.string, found.start(), name)}: <!--={found['maybe']}{found['says']}-->"
    if "<!--=" in found["old"]:
        raise InputError(f"{place}: not closed by <!--/--> before the next mark")
    try:
        made = _said(found["says"].split(), bool(found["maybe"]), name, results)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    before = found.string[: found.start()].rpartition("\n")[2]
    after = found.string[found.end() :].partition("\n")[0]
    if "\n" in made and (before or after):
        raise InputError(f"{place}: a block; put its mark and <!--/--> on lines of their own")
    if "\n" not in made and BARE.fullmatch(before):
        raise InputError(
            f"{place}: a value at the beginning of a line, where Markdown sees a block; put a word before it"
        )
    return f"<!--={found['maybe']}{found['says']}-->{made}<!--/-->"


def _place(page: str, at: int, name: str) -> str:
    return f"{name}, line {page.count(chr(10), 0, at) + 1}"


def _said(words: list[str], maybe: bool, name: str, results: Results) -> str:
    kind = words.pop(0) if words and "/" not in words[0] else "value"
    if kind not in BLOCKS and kind != "value":
        raise InputError(f"no block {kind!r}; there are {', '.join(BLOCKS)}; a value begins with STUDY/BUDGET")
    study, *rest = words or [""]
    if maybe and kind == "value":
        raise InputError("=? is of blocks; a sentence without its number says nothing")
    if study not in results:
        if maybe:
            return "\n\n"
        raise InputError(f"no results of {study!r}; there are those of {', '.join(results) or 'none'}")
    if kind == "value":
        return value(results[study], rest)
    return "\n".join(["\n", *BLOCKS[kind](results[study], rest, name), "\n"])


def _chosen(tree: Tree, rest: list[str]) -> list[Tree]:
    if len(rest) > 1:
        raise InputError(f"{' '.join(rest[1:])!r}: a block is of a study, or of one of its problems")
    return [panel(tree, rest[0])] if rest else list(tree["panels"])


def _table(tree: Tree, rest: list[str], name: str) -> Iterator[str]:
    for number, one in enumerate(chosen := _chosen(tree, rest)):
        yield from [""] * bool(number)
        yield from [f"**{text.title(one)}**", ""] * (len(chosen) > 1)
        yield from [*text.table(one), "", text.paragraph(one)]
    yield from ["", text.legend(tree)] * (not rest)


def _paragraph(tree: Tree, rest: list[str], name: str) -> Iterator[str]:
    for number, one in enumerate(chosen := _chosen(tree, rest)):
        yield from [""] * bool(number)
        yield (f"**{text.title(one)}.** " if len(chosen) > 1 else "") + text.paragraph(one)


def _figure(tree: Tree, rest: list[str], name: str) -> Iterator[str]:
    _whole(rest)
    where = relpath(f"{FIGURES}/{figure_name(tree)}", Path(name).parent)
    yield f"![{tree['question']} Every arm at the budget {tree['budget']}]({where})"


def figure_name(tree: Tree) -> str:
    return f"{tree['study']}-{tree['budget']}.svg"


def _whole(rest: list[str]) -> None:
    if rest:
        raise InputError(f"{' '.join(rest)!r}: this block is of a whole study")


def _spent(tree: Tree, rest: list[str], name: str) -> Iterator[str]:
    _whole(rest)
    yield text.spent(tree)


def _legend(tree: Tree, rest: list[str], name: str) -> Iterator[str]:
    _whole(rest)
    yield text.legend(tree)


def _short(tree: Tree, rest: list[str], name: str) -> Iterator[str]:
    _whole(rest)
    yield from [*text.short(tree), "", f"{text.spent(tree)} What is published is of others' images and trainings."]


BLOCKS = {
    "table": _table,
    "paragraph": _paragraph,
    "figure": _figure,
    "spent": _spent,
    "legend": _legend,
    "short": _short,
}
