"""The page in a browser: it draws everything, and answers to mouse and keys."""

import copy
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.page import page
from pipeline.page.schema import SECTIONS
from tests.page.browser import PROGRAM, Browser
from tests.page.example import RUNS, TARGET, content
from tests.page.test_page import HOSTILE, hostile

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed (apt-get install chromium)")

DRAWN = "!document.querySelector('main > section .body:empty')"
FOCUS = "document.activeElement.className"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    made = content(300, 16, 24)
    row = made["lenses"]["shown"][0]["row"]
    made["scatter"]["targets"][TARGET]["runs"][RUNS[1]]["low"][row] = -np.inf
    made["scatter"]["targets"][TARGET]["runs"][RUNS[2]]["prediction"][row] = np.nan
    return made


@pytest.fixture(scope="module")
def file(example: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(example, tmp_path_factory.mktemp("page"))


@pytest.fixture
def opened(browser: Browser, file: Path) -> Browser:
    browser.open(file, 1280)
    browser.wait(DRAWN)
    return browser


def written(made: dict[str, Any], folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(page(made))
    return path


def column(browser: Browser, index: int) -> list[str]:
    """The first words of every cell in a column of the verdict's table."""
    cells = f"document.querySelectorAll('#verdict tbody tr > :nth-child({index})')"
    return list(browser.run(f"[...{cells}].slice(0, 11).map(c => (c.querySelector('.value') ?? c).textContent)"))


def title_of(browser: Browser, row: int) -> str | None:
    """What the dot of a run's row in the panel says when pointed at; nothing where there is no dot."""
    titles = browser.each("#panel .mark title")
    found = next((title for title in titles if title.startswith(f"{RUNS[row]}: ")), None)
    return found and found.removeprefix(f"{RUNS[row]}: ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everything_is_drawn_and_nothing_sticks_out(browser: Browser, file: Path, width: int, scheme: str) -> None:
    browser.open(file, width, scheme=scheme)
    browser.wait(DRAWN)
    assert browser.each("main > section", "e.id") == list(SECTIONS)
    assert browser.run("document.documentElement.scrollWidth") == width
    over = "[...document.querySelectorAll('main *, header *')].filter(e => !e.closest('.scroll, pre, .gallery, svg'))"
    assert (
        browser.run(f"{over}.filter(e => e.getBoundingClientRect().right > {width} + 0.5).map(e => e.outerHTML)") == []
    )
    browser.wait("[...document.querySelectorAll('.plot')].every(p => p.firstChild)")
    assert browser.run("document.querySelectorAll('svg .mark').length") > 100
    assert [drawn for drawn in browser.each("svg [d], svg rect", "e.outerHTML") if "NaN" in drawn] == []
    assert browser.wrong == []


def test_headings_come_in_order_and_landmarks_are_there(opened: Browser) -> None:
    levels = opened.each("h1, main h2, main h3", "+e.tagName[1]")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert opened.run("['header', 'nav', 'main'].map(t => document.querySelectorAll(`body > ${t}`).length)") == [
        1,
        1,
        1,
    ]
    assert opened.run("document.documentElement.lang") == "en"
    assert all(opened.each("button, a, select", "e.textContent || e.ariaLabel"))


def test_a_column_sorts_both_ways(opened: Browser) -> None:
    before = column(opened, 4)
    assert before != sorted(before)
    opened.click("#verdict th:nth-child(4) button")
    assert column(opened, 4) == sorted(before)
    assert opened.run("document.querySelector('#verdict th:nth-child(4)').ariaSort") == "ascending"
    opened.click("#verdict th:nth-child(4) button")
    assert column(opened, 4) == sorted(before, reverse=True)
    assert opened.each("#verdict th", "e.ariaSort").count("descending") == 1


def test_what_is_not_known_is_last_both_ways(opened: Browser) -> None:
    for _ in range(2):
        opened.click("#verdict th:nth-child(8) button")
        assert column(opened, 8)[-4:] == ["–"] * 4
        assert "–" not in column(opened, 8)[:-4]


def test_every_verdict_is_a_word_beside_its_sign(opened: Browser) -> None:
    words = set(opened.each("#verdict .word"))
    assert words == {"▲ better", "▼ worse", "≈ equivalent", "? undecided"}


def test_a_joint_density_stands_under_the_calibration_of_every_target(opened: Browser) -> None:
    caption = opened.each("#calibration caption")
    assert caption == ["All targets together: minus the logarithm of the density at the truth [nat]; smaller is better"]
    assert opened.each("#calibration td .value") == ["−1.250", "−1.250"]


def test_a_pit_counts_lenses(opened: Browser) -> None:
    assert "lenses, mean over seeds" in opened.each("#calibration .axis-label")


def test_a_lens_opens_with_what_was_predicted_of_it_and_closes(opened: Browser, example: dict[str, Any]) -> None:
    opened.click('[data-lens="0"]')
    assert opened.run("document.getElementById('panel').open")
    row = example["lenses"]["shown"][0]["row"]
    target = example["scatter"]["targets"][TARGET]
    assert opened.run("document.getElementById('panel-title').textContent") == example["scatter"]["ids"][row]
    opened.wait("document.querySelector('#panel .mark')")
    said = str(title_of(opened, 0)).replace("−", "-")
    numbers = [float(part.strip("[],")) for part in said.split()]
    expected = [target["runs"][RUNS[0]][key][row] for key in ("prediction", "low", "high")]
    assert numbers == pytest.approx(expected, abs=0.0051)  # two decimals are printed
    assert "[−∞, " in str(title_of(opened, 1))
    assert title_of(opened, 2) is None
    truth = opened.run("document.querySelector('#panel h3').textContent").split()[-1].replace("−", "-")
    assert float(truth) == pytest.approx(target["truth"][row], abs=0.00055)
    opened.press("Escape")
    assert not opened.run("document.getElementById('panel').open")
    assert opened.run("document.activeElement.dataset.lens") == "0"
    assert opened.wrong == []


def test_the_keyboard_reaches_the_gallery_and_walks_it(opened: Browser) -> None:
    for _ in range(60):
        opened.press("Tab")
        if opened.run(FOCUS) == "lens":
            break
    assert opened.run("document.activeElement.dataset.lens") == "0"
    assert opened.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    opened.press("ArrowRight")
    assert opened.run("document.activeElement.dataset.lens") == "1"
    opened.press("Enter")
    assert opened.run("document.getElementById('panel').open")
    opened.press("Escape")
    assert opened.run("document.activeElement.dataset.lens") == "1"


def test_a_filter_shows_those_lenses_alone(opened: Browser, example: dict[str, Any]) -> None:
    opened.click("#lenses .filters button:nth-child(3)")
    shown = opened.run("[...document.querySelectorAll('.lens')].filter(l => !l.hidden).map(l => +l.dataset.lens)")
    tag = opened.run("document.querySelector('#lenses .filters [aria-pressed=true]').textContent")
    assert tag == "worst"
    assert shown == [k for k, lens in enumerate(example["lenses"]["shown"]) if tag in lens["tags"]] != []
    assert opened.run("document.querySelectorAll('.lens[tabindex=\"0\"]').length") == 1


READOUT = "document.getElementById('scatter-read').textContent"


def pointed_at(browser: Browser, columns: str, met: str) -> tuple[float, float]:
    """The first place on the scatter, of all heights at the given columns (of its box `b`), at which a condition holds.

    The pointer is moved over the canvas `c` in the page itself, as thousands of moves over the pipe would take long.
    """
    found = browser.run(f"""(() => {{
        const c = document.querySelector("canvas");
        c.scrollIntoView({{block: "center", behavior: "instant"}});
        const b = c.getBoundingClientRect();
        for (const clientX of {columns}.map(Math.round))
          for (let clientY = Math.round(b.top) + 20; clientY < b.bottom - 50; clientY += 4) {{
            c.dispatchEvent(new PointerEvent("pointermove", {{clientX, clientY}}));
            if ({met}) return [clientX, clientY];
        }}
    }})()""")
    return found[0], found[1]


def test_pointing_at_the_scatter_says_which_lens_it_is(opened: Browser, example: dict[str, Any]) -> None:
    place = pointed_at(opened, "[b.left + 58 + (b.width - 58 - 14) / 2]", f"{READOUT}.includes(' · ')")
    opened.point_at(*place)
    name, truth = opened.run(READOUT).replace("−", "-").split(" · ")[:2]
    row = example["scatter"]["ids"].index(name)
    target = example["scatter"]["targets"][TARGET]
    assert float(truth.removeprefix("true ")) == pytest.approx(target["truth"][row], abs=0.00055)
    assert target["truth"][row] == pytest.approx(-23, abs=0.05)  # the middle of the axis, to the reach of the pointer


def test_a_click_on_a_ring_in_the_scatter_opens_that_lens(opened: Browser, example: dict[str, Any]) -> None:
    columns = "Array.from({length: 200}, (_, i) => b.left + 60 + 4 * i)"
    place = pointed_at(opened, columns, 'c.className === "opens"')
    opened.point_at(*place)
    name = opened.run(READOUT).split(" · ")[0]
    opened.click_at(*place)
    assert opened.run("document.getElementById('panel-title').textContent") == name
    assert name in [example["scatter"]["ids"][lens["row"]] for lens in example["lenses"]["shown"]]


def test_arrow_keys_walk_through_the_rings_of_the_scatter(opened: Browser, example: dict[str, Any]) -> None:
    opened.run("document.querySelector('canvas').focus()")
    opened.press("ArrowRight")
    first = example["scatter"]["ids"][example["lenses"]["shown"][0]["row"]]
    assert opened.run(READOUT).startswith(f"{first} · true −2")
    opened.press("Enter")
    assert opened.run("document.getElementById('panel-title').textContent") == first
    opened.press("Escape")
    assert opened.run("document.activeElement.tagName") == "CANVAS"


def test_the_front_goes_through_the_runs_that_nobody_beats(opened: Browser, example: dict[str, Any]) -> None:
    """And only through these, at whatever price is chosen, with the keyboard; the table marks the same."""
    rows, prices = example["cost"]["rows"], example["cost"]["prices"]
    for number, (price, (tab, axis)) in enumerate(prices.items()):
        opened.run(f"document.querySelectorAll('#cost .filters button')[{number}].focus()")
        opened.press("Enter")
        assert opened.run("document.querySelector('#cost .filters [aria-pressed=true]').textContent") == tab
        assert opened.run("document.activeElement.textContent") == tab
        opened.wait("document.querySelector('#cost .plot .mark')")
        assert opened.run("document.querySelector('#cost .axis-name').textContent") == axis
        path = opened.run("document.querySelector('#cost .plot .line').getAttribute('d')")
        corners = {corner.strip("ML") for corner in re.findall(r"[ML][^ML]+", path)}
        marks = opened.each("#cost .plot .mark", "[e.textContent, e.getAttribute('transform')]")
        met = [said.split(":")[0] for said, where in marks if where[len("translate(") : -1] in corners]
        best = [row["run"] for row in rows if price in row["front"]]
        assert met == best
        assert 0 < len(best) < len(rows)
        shown = next(
            k
            for k, title in enumerate(opened.each("#cost .body > .scroll thead th"))
            if title.lower().startswith(tab.lower())
        )
        marked = opened.each(
            "#cost .body > .scroll tbody tr", f"[e.children[0].textContent, e.children[{shown}].textContent]"
        )
        assert [run for run, text in marked if "◆" in text] == best


def test_the_theme_turns(opened: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = opened.run(paper)
    opened.click(".theme")
    assert opened.run(paper) != light
    opened.click(".theme")
    assert opened.run(paper) == light


PAPER = 718  # pixels: A4 less margins of a centimetre
DARKEST = """(() => {
    const { data } = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 2000, 2000);
    let least = 255; // of the brightest colour of each opaque pixel
    for (let i = 0; i < data.length; i += 4)
      if (data[i + 3] > 250) least = Math.min(least, Math.max(data[i], data[i + 1], data[i + 2]));
    return least;
})()"""


def test_on_paper_the_page_is_light_and_nothing_is_cut(browser: Browser, file: Path) -> None:
    """Opened in the dark and as wide as a screen, where plots are drawn for it; then laid out for a sheet."""
    browser.open(file, 1280, scheme="dark")
    browser.wait(DRAWN)
    browser.wait("document.querySelector('canvas').width > 400")
    before = browser.run("getComputedStyle(document.body).backgroundColor")
    assert browser.run(DARKEST) > 60
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run(DARKEST) < 60, "the axes of the scatter are in dark ink"
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.send("Emulation.setDeviceMetricsOverride", width=PAPER, height=1000, deviceScaleFactor=1, mobile=False)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = "[...document.querySelectorAll('main *')].filter(e => !e.closest('svg, pre') && e.getClientRects().length)"
    assert browser.run(f"{shown}.filter(e => e.getBoundingClientRect().right > {PAPER}.5).map(e => e.outerHTML)") == []
    browser.run("document.querySelectorAll('.plot svg').forEach(e => e.setAttribute('width', 920))")  # none is redrawn
    wide = "e.getBoundingClientRect().width > e.parentNode.clientWidth + 0.5"
    assert True not in browser.each(".plot svg, .plot canvas", wide)
    hidden = ["#nav", ".readout"]
    assert [browser.run(f"getComputedStyle(document.querySelector('{each}')).display") for each in hidden] == [
        "none"
    ] * 2
    assert browser.each("#scatter .choice select", "e.getClientRects().length > 0") == [True], "which run it is of"
    assert browser.run("getComputedStyle(document.querySelector('.thumb')).printColorAdjust") == "exact"
    browser.send("Emulation.setEmulatedMedia", media="")
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    browser.open(file, 1280, scheme="dark")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == before


def test_areas_stand_before_the_images_saved(opened: Browser) -> None:
    captions = [one.partition(",")[0].partition(":")[0] for one in opened.each("#efficiency caption")]
    assert captions == ["Area under each curve", "Images saved"]


def test_a_section_that_is_absent_is_not_in_the_page(browser: Browser, example: dict[str, Any], tmp_path: Path) -> None:
    kept = {"verdict", "bins", "audit"}
    browser.open(written({"title": "Few", **{key: example[key] for key in kept}}, tmp_path), 1280)
    browser.wait(DRAWN)
    assert browser.each("main > section", "e.id") == [
        "verdict",
        "bins",
        "audit",
    ]
    assert browser.each("nav a", "e.hash") == ["#verdict", "#bins", "#audit"]
    assert browser.wrong == []


def test_nothing_hostile_runs(browser: Browser, example: dict[str, Any], tmp_path: Path) -> None:
    browser.open(written(hostile(copy.deepcopy(example)), tmp_path), 390)
    browser.wait(DRAWN)
    browser.click('[data-lens="0"]')
    assert browser.run("document.getElementById('panel-title').textContent").endswith(HOSTILE)
    assert browser.run("document.querySelectorAll('[onerror], img[src=x], script').length") == 3  # our own three
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.wrong == []


def test_the_browser_would_have_told(browser: Browser, tmp_path: Path) -> None:
    """The check for errors and requests is one that can fail."""
    path = tmp_path / "bad.html"
    path.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('no'); nowhere();</script>")
    browser.open(path, 1280)
    browser.wait("document.readyState === 'complete'")
    told = " ".join(browser.wrong)
    assert "request: http://127.0.0.1:9/x.png" in told
    assert "nowhere is not defined" in told
    assert "console" in told
