"""Marks: what each says is what the results have, in every renderer's eyes; a wrong one is named."""

import re
from pathlib import Path
from typing import Any

import markdown
import numpy as np
import pytest
from markdown_it import MarkdownIt

from pipeline import params
from pipeline.contrasts.families import benjamini_hochberg
from pipeline.contrasts.verdict import judge
from pipeline.verdict.judging import how
from studies import text
from studies.marks import filled
from studies.values import value
from tests.conftest import TINY, complaint
from tests.studies.judged import study

TREE = study()
RESULTS = {"schedule/smoke": TREE, "loss/smoke": study("loss", problems=("model_2_rings", "axion"))}
AT = "model_2_rings"
VALUES = {
    "images": "1,400",
    "epochs": "14",
    "seeds": "6",
    "seconds": "5,400",
    "hours": "1.5",
    "machine": "x86_64, 2 cores",
    "command": "`dvc repro studies/dvc.yaml:schedule`",
    "question": "Which schedule of the learning rate?",
    "answer": "`autowu`, RMSE 0.1900 ± 0.0020 dex, not told apart from `one_cycle`; "
    "of 2 arms 1 told apart from their control",
    f"{AT} lenses": "1,490",
    f"{AT} arms": "4",
    f"{AT} target": "log10_axion_mass",
    f"{AT} best": "`autowu`",
    f"{AT} worse": "`constant`",
    f"{AT} better": "none",
    f"{AT}@175 undecided": "`autowu`",
    f"{AT} one_cycle mae": "0.1600 ± 0.0010",
    f"{AT} one_cycle r2": "0.8000 ± 0.0030",
    f"{AT} one_cycle mae_interval": "0.1600 [0.1100, 0.2200]",
    f"{AT} one_cycle r2_interval": "0.800 [0.750, 0.860]",
    f"{AT} best rmse": "0.1900 ± 0.0020",
    f"{AT} constant rmse": "0.2500 ± 0.0020",  # the arm of this name
    f"{AT} shortcut constant rmse": "0.6000",
    f"{AT} shortcut constant r2": "−0.0010",
    f"{AT} shortcut best r2": "0.9100",
    f"{AT} published ResNet34, 300 epochs mae": "0.2162",
    f"{AT} autowu rmse_difference": "−0.0100 [−0.0200, +0.0100]",
    f"{AT} autowu mae_difference_corrected": "−0.0100 [−0.0400, +0.0300]",
    f"{AT} autowu ratio": "−5.0 % [−10.0 %, +5.0 %]",  # of 0.2
    f"{AT} autowu at_most_5": "at most 5 % above it",
    f"{AT} constant at_most_5": "more than 5 % above it",
    f"{AT} autowu verdict": "undecided",
    f"{AT} constant reason": "the corrected interval lies above zero",
    f"{AT} constant p_corrected": "0.031",
    f"{AT} constant against": "`one_cycle`",
    f"{AT} autowu learning_rate": "0.0032",
    f"{AT} autowu tried": "3",
    f"{AT} autowu parameters": "73,456",
    f"{AT} autowu seconds": "12.5",
    f"{AT} autowu halved": "3 to 12",
    f"{AT} constant halved": "3 to never",
}


def mark(says: str, old: str = "") -> str:
    return f"<!--= {says} -->{old}<!--/-->"


def block(says: str) -> str:
    return f"# A page\n\n{mark(says, chr(10) * 2)}\n\nand on.\n"


def fill(page: str, name: str = "docs/page.md") -> str:
    return filled(page, name, RESULTS)


@pytest.mark.parametrize("says", VALUES)
def test_a_mark_says_what_the_results_have_whatever_stood_there(says: str) -> None:
    page = f"It is {mark(f'schedule/smoke {says}', 'old ± 1.2')}, and on."
    current = f"It is {mark(f'schedule/smoke {says}', VALUES[says])}, and on."
    assert fill(page) == current
    assert fill(current) == current


def test_at_most_in_the_mean_but_not_by_the_interval() -> None:
    tree = study()
    tree["panels"][1]["arms"][2]["rmse_difference"] |= {"value": 0.005, "interval": [-0.001, 0.0101]}
    assert value(tree, [AT, "autowu", "at_most_5"]) == "at most 5 % above it in the mean, but not by the interval"


def test_the_ratio_is_that_of_a_bootstrap_of_the_ratio() -> None:
    """Although the control's RMSE is taken as known: both resample seeds and lenses, here by themselves."""
    generator = np.random.default_rng(3)
    hard = generator.gamma(2.0, 0.5, 400)  # lenses that are hard for all
    shared = generator.normal(0, 0.15, 400) * hard
    errors = {
        name: shared + generator.normal(0, 0.08, (6, 400)) * hard + generator.normal(0, 0.01, (6, 1)) + shift
        for name, shift in (("control", 0.0), ("arm", 0.06))
    }
    chosen = _compare()
    found = judge(errors, {"arm": ("arm", "control")}, np.arange(400), how(chosen, "rmse"), benjamini_hochberg)["arm"]
    rmse = {name: float(np.sqrt((one**2).mean(axis=1)).mean()) for name, one in errors.items()}
    tree = study()
    control, arm = tree["panels"][1]["arms"][0], tree["panels"][1]["arms"][2]
    control["rmse"], arm["rmse"] = rmse["control"], rmse["arm"]
    arm["rmse_difference"] |= {"value": found.difference, "interval": list(found.interval)}
    said = value(tree, [AT, "autowu", "ratio"]).replace("−", "-")
    middle, low, high = (float(each) for each in re.findall(r"[-+]?\d+\.\d", said))
    drawn = []
    for _ in range(4000):
        rows, seeds = generator.integers(0, 400, 400), generator.integers(0, 6, 6)
        one, other = (np.sqrt((errors[name][seeds][:, rows] ** 2).mean(axis=1)).mean() for name in ("arm", "control"))
        drawn.append(100 * (one / other - 1))
    ends = np.quantile(drawn, [0.025, 0.975])
    assert middle == pytest.approx(100 * (rmse["arm"] / rmse["control"] - 1), abs=0.06)
    assert middle > 3
    assert (low, high) == pytest.approx(tuple(ends), abs=0.3 * float(np.ptp(ends)))


def _compare() -> Any:
    return params.read((), "compare", path=TINY)


FAULTS = [
    ("los/smoke images", "no results of 'los/smoke'; there are those of schedule/smoke, loss/smoke"),
    ("schedule/cpu images", "no results of 'schedule/cpu'"),
    ("schedule/smoke", "of schedule what? There are question, images"),
    ("schedule/smoke colour", "no value 'colour'; there are question, images"),
    ("schedule/smoke moon lenses", "no problem 'moon'; there are model_2_rings@175, model_2_rings"),
    ("schedule/smoke model_2_rings colour", "no value of a problem 'colour'; there are lenses"),
    ("schedule/smoke model_2_rings cosine rmse", "no arm 'cosine'; there are one_cycle, constant, autowu, step"),
    ("schedule/smoke model_2_rings autowu colour", "no value of an arm 'colour'; there are mae, rmse, r2"),
    ("schedule/smoke model_2_rings step rmse", "arm 'step' has no result: the loss is not finite"),
    ("schedule/smoke model_2_rings one_cycle ratio", "arm 'one_cycle' is compared with none, and has no ratio"),
    ("schedule/smoke model_2_rings shortcut flux mae", "no shortcut 'flux'; there are constant, profile"),
    ("schedule/smoke model_2_rings published ResNet mae", "no published 'ResNet'; there are ResNet34, 300 epochs"),
    ("schedule/smoke model_2_rings published ResNet34, 300 epochs r2", "no value of published 'ResNet34, 300 epochs'"),
    ("chart schedule/smoke", "no block 'chart'; there are table, paragraph, figure"),
    ("table schedule/smoke moon", "no problem 'moon'"),
    ("figure schedule/smoke model_2_rings", "this block is of a whole study"),
]


@pytest.mark.parametrize(("says", "said"), FAULTS)
def test_a_mark_of_what_is_not_there_names_file_line_mark_and_what_is(says: str, said: str) -> None:
    found = complaint(lambda: fill(f"# A title\n\nIt is {mark(says)}.\n"))
    assert found.startswith(f"docs/page.md, line 3: <!--= {says} -->: ")
    assert said in found


SHAPES = [
    ("Of many\n" + mark("schedule/smoke images") + " are few.", "put a word before it"),
    ("- " + mark("schedule/smoke images"), "put a word before it"),
    ("It is <!--= schedule/smoke images -->5.", "a mark is <!--= … -->…<!--/-->"),
    ("It is 5<!--/-->.", "a mark is <!--= … -->…<!--/-->"),
    ("It is <!--= schedule/smoke images -->5, " + mark("schedule/smoke epochs"), "not closed by <!--/--> before"),
    ("See " + mark("table schedule/smoke"), "on lines of their own"),
    ("It is <!--=? schedule/smoke images --><!--/-->.", "=? is of blocks"),
]


@pytest.mark.parametrize(("page", "said"), SHAPES)
def test_a_mark_in_the_wrong_place_is_refused(page: str, said: str) -> None:
    assert said in complaint(lambda: fill(page))


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_marks_in_code_are_left_alone(fence: str) -> None:
    page = f"As `{mark('no/such thing')}` or\n\n{fence}text\n{mark('no/such thing')} <!--= or half\n{fence}\n\nso.\n"
    assert fill(page) == page


def test_a_block_is_the_table_and_paragraph_of_the_studys_page() -> None:
    one, every = (fill(block(f"table {key}")) for key in (f"loss/smoke {AT}@175", "loss/smoke"))
    whole, (first, *others) = text.page(RESULTS["loss/smoke"]), RESULTS["loss/smoke"]["panels"]
    for panel in (first, *others):
        said = "\n".join([*text.table(panel), "", text.paragraph(panel)])
        assert said in whole
        assert f"**{text.title(panel)}**\n\n{said}" in every
    assert one == block("table loss/smoke model_2_rings@175").replace(
        "\n\n<!--/-->", "\n\n" + "\n".join([*text.table(first), "", text.paragraph(first)]) + "\n\n<!--/-->"
    )
    assert fill(every) == every


def test_an_optional_block_comes_and_goes_with_the_results() -> None:
    page = block("short schedule/smoke").replace("<!--=", "<!--=?")
    assert filled(page, "README.md", {}) == page
    shown = filled(page, "README.md", RESULTS)
    assert "ResNet34, 300 epochs: MAE 0.2162" in shown
    assert "| `autowu` | 0.1520 [0.1020, 0.2120] | 0.810 [0.760, 0.870] |" in shown
    assert filled(shown, "README.md", {}) == page


@pytest.mark.parametrize("name", ["README.md", "docs/page.md", "docs/blog/page.md", "docs/results/page.md"])
def test_a_figure_is_found_from_wherever_the_page_is(name: str) -> None:
    (target,) = re.findall(r"\]\((.*?)\)", fill(block("figure schedule/smoke"), name))
    assert (Path("/root") / name).parent.joinpath(target).resolve() == Path(
        "/root/docs/results/figures/schedule-smoke.svg"
    )


PAGE = f"""# A page

The best is {mark(f"schedule/smoke {AT} best")} at {mark(f"schedule/smoke {AT} best rmse")},
of **{mark("loss/smoke images")}** images. - Or not.

{mark(f"table loss/smoke {AT}", chr(10) * 2)}

| a | b |
|---|---|
| {mark("loss/smoke answer")} | c |

{mark("spent loss/smoke", chr(10) * 2)}
"""
RENDERERS = {
    "the site": lambda page: markdown.markdown(page, extensions=["tables", "toc", "md_in_html"]),
    "GitHub": lambda page: MarkdownIt("commonmark").enable("table").render(page),
}


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_page_with_marks_looks_as_one_without(renderer: str) -> None:
    def shown(page: str) -> str:
        return re.sub(r"\n+", "\n", re.sub(r"<!--.*?-->", "", RENDERERS[renderer](page))).strip()

    page = fill(PAGE)
    bare = re.sub(r"<!--.*?-->", "", page)
    assert shown(page) == shown(bare)
    assert shown(page).count("<table>") == 2
    assert "<code>autowu</code> at 0.1900" in shown(page)
