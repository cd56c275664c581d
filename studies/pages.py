"""Everything that is written of the studies' results, brought up to date.

    python -m studies.pages

Fills the marks of README.md and of the pages of docs/ (studies/marks.py says what a mark may ask for), and makes
docs/results/: a page for every study that has results, figures beside them, an index with a line for each, and their
lines in the menu of mkdocs.yml. All of it is committed, and comes out of studies/results/ and studies/params.yaml; a
page whose results have gone goes with them. Budgets are sections of their own: nothing is compared across them.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import atomic
from pipeline.errors import InputError
from studies import plan
from studies.marks import FIGURES, Results, figure_name, filled
from studies.text import Tree, title
from studies.values import called

PAGES = "docs/results"
MADE = "<!-- Made by python -m studies.pages: change studies/params.yaml, or what stands in studies/results/. -->"
MENU = re.compile(r"(?P<begin>^ *# python -m studies\.pages writes:\n).*?(?P<end>^ *# and no more\n)", re.S | re.M)
ALSO = {  # what a study is asked beside its question
    "augmentation": "The lenses of `alike` and `noisy` have one halo and one shear, at one angle; those of `turned` "
    "are each at an angle of their own. So turning an image is a symmetry of `turned` alone. Without noise, `d4` is "
    "*<!--= augmentation/{budget} alike d4 verdict --><!--/-->* than no augmentation on `alike` and *<!--= "
    "augmentation/{budget} turned d4 verdict --><!--/-->* on `turned`; on `noisy`, where a network can learn the "
    "noise of each image by heart, it is *<!--= augmentation/{budget} noisy d4 verdict --><!--/-->*.",
    "headline": "What is published stands on other images of the same generator, about thirty times as many, and on "
    "120 to 300 epochs. As published, Models II and III are noise-free; there the MAE is <!--= headline/{budget} "
    "model_2_legacy best mae_interval --><!--/--> and <!--= headline/{budget} model_3_legacy best mae_interval "
    "--><!--/--> dex. With the noise that was meant, and the other quirks mended, it is <!--= headline/{budget} "
    "model_2_corrected best mae_interval --><!--/--> and <!--= headline/{budget} model_3_corrected best mae_interval "
    "--><!--/-->. The settings that made Model III are not public: ours are a guess. On Model I and for the "
    "substructure fraction the network stays behind the radius of the ring alone, or behind the radial profile. What "
    "limits it there is, we think, the number of images; it has not been varied.",
    "optimiser": "Weight decay is decoupled for all of them, and so `adam` is `adamw`: the zeros of its line are "
    "those of a thing compared with itself.",
    "schedule": "AutoWU, beside one cycle, each at its tuned rate: its RMSE differs from that of one cycle by "
    "<!--= schedule/{budget} model_2_rings autowu ratio --><!--/-->: "
    "<!--= schedule/{budget} model_2_rings autowu at_most_5 --><!--/-->.",
}


def pages(root: Path) -> list[str]:
    """Bring all pages below `root` up to date, and say which had to be changed."""
    changes = due(root)
    for name, content in changes.items():
        if content is None:
            (root / name).unlink()
        else:
            atomic.write(root / name, content)
    return sorted(changes)


def due(root: Path) -> dict[str, bytes | None]:
    """Whatever is not up to date below `root`, as it should be; None for what should not be there."""
    current = files(root, read(root / "studies" / "results"))
    gone = dict.fromkeys(_made(root) - set(current))
    return {name: content for name, content in current.items() if _there(root / name) != content} | gone


def read(folder: Path) -> Results:
    """Every study's table by study/budget."""
    found = sorted(folder.glob("*/*/table.json"))
    return {f"{path.parts[-3]}/{path.parts[-2]}": json.loads(path.read_text()) for path in found}


def files(root: Path, results: Results) -> dict[str, bytes]:
    """What README.md, mkdocs.yml and everything below docs/ that is made or has marks should be, by path."""
    made = {f"{PAGES}/{name}": page for name, page in _results(root, results).items()}
    written = ["README.md", *(path.relative_to(root).as_posix() for path in sorted((root / "docs").rglob("*.md")))]
    texts = {name: (root / name).read_text() for name in written if not name.startswith(f"{PAGES}/")}
    current = {name: filled(page, name, results).encode() for name, page in (texts | made).items()}
    for key, tree in results.items():
        current[f"{FIGURES}/{figure_name(tree)}"] = (root / "studies" / "results" / key / "figure.svg").read_bytes()
    return current | {"mkdocs.yml": _menu((root / "mkdocs.yml").read_text(), list(made)).encode()}


def _made(root: Path) -> set[str]:
    """The files that are there and are nobody's but ours."""
    return {path.relative_to(root).as_posix() for path in (root / PAGES).rglob("*") if path.is_file()}


def _there(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _results(root: Path, results: Results) -> dict[str, str]:
    """The pages of docs/results/ with empty marks, the index first; none without results."""
    if not results:
        return {}
    asked = plan.read(str(root / "studies" / "params.yaml"))
    by_study: dict[str, list[Tree]] = {name: [] for name in asked.studies}
    for key, tree in results.items():
        by_study.setdefault(key.partition("/")[0], []).append(tree)
    there = {name: trees for name, trees in by_study.items() if trees}
    made = {f"{name}.md": "\n".join(_page(name, trees)) + "\n" for name, trees in there.items()}
    return {"index.md": "\n".join(_index(there)) + "\n"} | made


def _index(there: dict[str, list[Tree]]) -> Iterator[str]:
    yield from ["# What the studies found", "", MADE, ""]
    yield (
        "In a line each: the arm of the smallest RMSE, mean ± standard deviation over seeds, and whether it is told "
        "apart from what it is compared with. *Not told apart* is no sign of equality: that is *equivalent*. Lines of "
        "different budgets are about other images and other trainings, and are not compared. How studies are made is "
        "said [here](../studies.md)."
    )
    yield from ["", "| study | budget | found |", "|---|---|---|"]
    for name, trees in there.items():
        for tree in trees:
            key = f"{name}/{tree['budget']}"
            yield f"| [{tree['question']}]({name}.md) | `{tree['budget']}` | <!--= {key} answer --><!--/--> |"


def _page(study: str, trees: list[Tree]) -> Iterator[str]:
    yield from [f"# {trees[0]['question']}", "", MADE]
    for tree in trees:
        key = f"{study}/{tree['budget']}"
        yield from ["", f"## Budget {tree['budget']}", "", *_block(f"spent {key}"), "", *_arms(tree)]
        yield from ["", *_block(f"figure {key}"), "", *_block(f"legend {key}")]
        if study in ALSO:
            yield from ["", ALSO[study].format(budget=tree["budget"])]
        for panel in tree["panels"]:
            yield from ["", f"### {title(panel)}", "", *_block(f"table {key} {called(panel)}")]


def _block(says: str) -> list[str]:
    return [f"<!--= {says} -->", "", "<!--/-->"]


def _arms(tree: Tree) -> Iterator[str]:
    """What was compared, in the words of params.yaml."""
    common = f"All arms have {_said(tree['same'])}, and" if tree["same"] else "The arms"
    yield from [f"{common} differ from `params.yaml` and from each other in:", ""]
    yield from ["| arm | input | backbone | parameters | compared with |", "|---|---|---|---|---|"]
    for name, arm in tree["arms"].items():
        against = f"`{arm['against']}`" if arm["against"] else ""
        yield f"| `{name}` | `{arm['input']}` | `{arm['backbone']}` | {_said(arm['differs'])} | {against} |"


def _said(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in changes.items())


def _menu(text: str, made: list[str]) -> str:
    """mkdocs.yml with the pages in its menu, between two comments."""
    names = [Path(page).stem for page in made]
    shown = {name: "What they found" if name == "index" else name.replace("_", " ").capitalize() for name in names}
    lines = "".join(f"      - {shown[name]}: results/{name}.md\n" for name in names)
    changed, times = MENU.subn(lambda found: found["begin"] + lines + found["end"], text)
    if times != 1:
        raise InputError("mkdocs.yml: no `# python -m studies.pages writes:` and `# and no more` in its menu")
    return changed


if __name__ == "__main__":
    try:
        changed = pages(Path())
    except InputError as error:
        sys.exit(f"pages: {error}")
    print("\n".join(f"pages: {name} brought up to date" for name in changed) or "pages: all up to date")
