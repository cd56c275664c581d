"""What the posts and the paper say in numbers is so; what the paper cites is in its bibliography."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from docs.making import blog, citations
from pipeline.lensing import deeplense
from pipeline.lensing.cosmology import STANDARD
from pipeline.lensing.subhalos import MassFunction
from tests.conftest import ROOT, yaml

DOCS = ROOT / "docs"
DARK, PUBLIC, INPUTS, ALTERNET = (
    (DOCS / "blog" / f"{name}.md").read_text()
    for name in ("dark_matter", "public_pipelines", "preprocessing", "alternet")
)
PAPER = (DOCS / "paper" / "paper.md").read_text()


def told(name: str) -> list[list[str]]:
    """Cells of the rows of a table in a Markdown file, whose first is a name in backticks, minus signs as hyphens."""
    rows = re.findall(r"^\| `\w+`.*$", name.replace("−", "-"), flags=re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def score(*path: str) -> float:
    tree = json.loads((ROOT / "data" / "metrics.json").read_text())
    for key in path:
        tree = tree[key]
    return float(tree)


def test_the_masses_within_rings_are_those_of_the_code() -> None:
    for radius, mass in ((0.6, "1.3"), (1.0, "3.6"), (1.4, "7.1")):
        within = STANDARD.mass_within(torch.tensor(radius, dtype=torch.float64), blog.LENS, blog.SOURCE)
        assert f"{float(within) / 1e11:.1f}" == mass
        assert f"{radius}″ holds {mass} × 10¹¹" in DARK


def test_a_point_goes_with_the_root_of_its_mass_and_a_halo_with_its_mass_to_the_two_thirds() -> None:
    masses, made = blog.radii()
    for values, power in zip(made.values(), (1 / 2, 2 / 3), strict=True):
        np.testing.assert_allclose(values / values[0], (masses / masses[0]) ** power, rtol=1e-9)


def test_the_differences_are_those_that_the_post_names() -> None:
    """The smooth lens's own is noise of rms one."""
    noise, *others = (off for _, off in blog.differences().values())
    assert noise.std() == pytest.approx(1, abs=4 / np.sqrt(2 * noise.size))
    largest = [float(np.abs(off).max()) for off in others]
    sentences = ("up to {} times their noise", "up to {} times for the vortex", "is {} times the noise of a")
    for said, value in zip(sentences, largest, strict=True):
        assert said.format(f"{value:.1f}") in DARK
    assert largest[1] / largest[2] == pytest.approx(4, abs=0.1)
    assert all((np.abs(off) < 1).mean() > 0.5 for off in others)


def test_a_vortex_of_the_figure_leaves_the_ring_as_wide() -> None:
    """Mass within the smooth lens's Einstein radius: that of the lighter halo, which goes with radius, and the line."""
    own = blog.vortex(-23.0)
    halo, radius = own["einstein_radius"], blog.SMOOTH["einstein_radius"]
    assert halo * radius + own["vortex_fraction"] * halo**2 == pytest.approx(radius**2)


def test_the_quirks_are_those_of_the_presets() -> None:
    wrong, right = deeplense.legacy_radius(), deeplense.right_radius()
    assert f"{wrong:.3f}″, where a point of that mass has {right:.3f}″" in PUBLIC
    assert f"{(wrong / right) ** 2:.3f} times the mass" in PUBLIC
    assert f"come out at {deeplense.convention():.3f} of" in PUBLIC
    assert f"The ring's radius is {wrong * deeplense.convention():.3f}″" in PUBLIC
    assert (blog.images("deeplense_1", "legacy", range(6)) == 0).mean() > 0.4
    assert (blog.images("deeplense_2", "legacy", range(6)) > 0).all()


def test_the_slopes_give_other_masses() -> None:
    """Shares against draws, which know nothing of the closed form."""
    mean = {slope: MassFunction(slope, 1e6, 1e10).mean_mass() for slope in (-0.9, -1.9)}
    assert f"{mean[-0.9] / 1e9:.1f} × 10⁹ solar masses instead of {mean[-1.9] / 1e7:.1f} × 10⁷" in PUBLIC
    above = {slope: 1 - blog.shares(slope)[120] for slope in mean}
    assert f"hold {above[-0.9]:.0%} of the mass instead of {above[-1.9]:.0%}".replace("%", " %") in PUBLIC
    for slope, share in above.items():
        drawn = MassFunction(slope, 1e6, 1e10).draw((np.arange(400_000) + 0.5) / 400_000)
        assert drawn[drawn > 1e9].sum() / drawn.sum() == pytest.approx(share, abs=1e-3)


def test_a_cast_leaves_as_little_as_is_said() -> None:
    levels, share = blog.cast("deeplense_2").T
    assert sorted(set(levels)) == [4, 5]
    assert f"Of {len(levels)} such lenses" in PUBLIC
    assert f"between {share.min():.1%} and {share.max():.1%}".replace("% and", " and").replace("%", " %") in PUBLIC
    assert share.max() < 1 / 14
    assert "less than a fourteenth" in PAPER
    brighter, _ = blog.cast("deeplense_3").T
    assert f"and {brighter.min():.0f} to {brighter.max():.0f} levels are left" in PUBLIC


def test_the_brightest_pixel_is_as_bright_as_is_said() -> None:
    lenses = blog.images("deeplense_2", "legacy", range(2, 62, 3))
    ratio = np.median(lenses.max((1, 2)) / np.median(lenses, (1, 2)))
    assert 2e4 <= ratio < 1e5
    assert "tens of thousands of times the median one" in INPUTS


def test_the_table_of_the_verdict_is_the_committed_one() -> None:
    shown = re.search(r"<!-- table of data/verdict.md -->\n(.*?)\n<!-- /table -->", INPUTS, flags=re.DOTALL)
    assert shown
    blocks = (ROOT / "data" / "verdict.md").read_text().split("\n\n")
    assert shown[1] == next(block for block in blocks if block.startswith("|"))


def test_the_numbers_of_the_verdict_are_the_committed_ones() -> None:
    target = "log10_axion_mass"
    ring = score("plain", "none", "ring_radius", target, "r2")
    best = score("network", "raw", "cnn", "all", target, "r2")
    assert f"has an R² of {ring:.3f}. The best of the networks has {best:.3f} ±" in INPUTS
    assert f"with an R² of {ring:.3f}, and the best network reaches {best:.3f};" in PAPER
    verdict = (ROOT / "data" / "verdict.md").read_text().replace("-", "−")
    for backbone, middle in (("cnn", "for `cnn`, with a 95 % interval"), ("resnet", "for `resnet`,")):
        row = re.search(rf"^\| engineered − raw \| {backbone} \| (\S+) \[(\S+), (\S+)\] \|", verdict, re.MULTILINE)
        assert row
        difference, low, high = row.groups()
        assert re.search(rf"{re.escape(difference)}( dex)? {middle} from {low} to {re.escape(high)}", INPUTS)
    mean = re.search(r"raw \| cnn: the 3 seeds' mean \| ([\d.]+)", verdict)
    assert mean
    one = score("network", "raw", "cnn", "all", target, "mae")
    assert f"has an MAE of {float(mean[1]):.3f} dex, and one of them {one:.3f}" in INPUTS


def test_the_study_of_features_is_the_one_described() -> None:
    studies = yaml(ROOT / "studies" / "params.yaml")
    assert len(studies["studies"]["features"]["arms"]) == 17
    assert len(studies["sets"]["representations"]["problems"]) == 3
    assert studies["budgets"]["gpu"]["images"] == 20000


def test_the_sizes_of_the_backbones_are_those_of_their_cards() -> None:
    cards = {row[0]: row for row in told((DOCS / "backbones.md").read_text())}
    shown = [row for row in told(ALTERNET) if row[1].endswith(" M")]
    assert len(shown) == 7
    for name, size, *_ in shown:
        assert size == f"{int(cards[name][1].replace(',', '')) / 1e6:.2f} M"


def test_every_work_is_cited_and_every_citation_is_a_work() -> None:
    works = citations.entries(citations.FILE.read_text())
    assert len(works) == citations.FILE.read_text().count("\n@") + 1
    body = PAPER.split("---", 2)[2]
    assert set(citations.cited(body)) == set(works)
    assert all({"author", "title", "year"} <= set(work) for work in works.values())


def test_citations_become_names_and_years() -> None:
    works = citations.entries(
        "@misc{A,\n  author = {Ah, B. and Ci, D. and E},\n  title = {{T}},\n  year = {1},\n  eprint = {2.3},\n}\n\n"
        "@article{B,\n  author = {Be, C. and others},\n  title = {U \\& V},\n  journal = {J},\n"
        "  year = {4},\n  doi = {10.5},\n}\n"
    )
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"), meta={})
    assert citations.on_page_markdown("mail a@b.c [@A]", page) == "mail a@b.c [@A]"
    assert citations.resolved("By @B and more [@A; @B].\n\n# References\n", works).splitlines() == [
        "By Be et al. (4) and more (Ah et al. 1; Be et al. 4).",
        "",
        "# References",
        "",
        "- Ah et al. 1, [T](https://arxiv.org/abs/2.3), arXiv 2.3",
        "- Be et al. 4, [U & V](https://doi.org/10.5), J",
    ]
    with pytest.raises(KeyError):
        citations.resolved("[@Nobody]", works)
