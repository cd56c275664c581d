"""The site: it is built without a warning, asks the network for nothing, and can be searched from a disk."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, environment
from tests.page.browser import PROGRAM, Browser

WIDTHS = (1280, 390)
TYPED = """const field = document.querySelector('.md-search__input');
    field.focus(); field.value = 'arcsinh';
    for (const event of ['keyup', 'input']) field.dispatchEvent(new Event(event, {bubbles: true}));"""
SHOWN = ("index", "quickstart", "science/lensing", "concepts/stretches", "reference/params", "reference/features")
in_browser = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed (apt-get install chromium)")


def built(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """What `make docs` runs, into another folder."""
    (command,) = [line.strip() for line in (ROOT / "Makefile").read_text().splitlines() if "mkdocs build" in line]
    setting, python, *words = command.split()
    assert python == "python"
    return subprocess.run(
        [sys.executable, *words, "--site-dir", str(folder), *more],
        cwd=ROOT,
        env=environment() | dict([setting.split("=")]),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A link that leads nowhere is a warning, a warning an error."""
    folder = tmp_path_factory.mktemp("site")
    done = built(folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("all is well", ""),
        ("[no](other.md)", "'other.md', but the target is not found"),
        ("[no](#nowhere)", "there is no such anchor"),
        ("[no](/index.md)", "absolute link"),
    ],
)
def test_a_broken_link_breaks_the_build(words: str, said: str, tmp_path: Path) -> None:
    """By the settings of mkdocs.yml, on a page of its own."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A page\n\n{words}\n")
    settings = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "docs_dir": "docs",
        "nav": ["index.md"],
        "plugins": [],
        "hooks": [],
    }
    with (tmp_path / "mkdocs.yml").open("w") as file:
        YAML().dump(settings, file)
    done = built(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
    assert (done.returncode == 0) is (said == ""), done.stderr
    assert said in done.stderr


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


def test_a_feature_a_stage_and_a_parameter_are_explained(site: Path) -> None:
    features, stages, params = (
        (site / "reference" / f"{name}.html").read_text() for name in ("features", "stages", "params")
    )
    assert 'id="features.ring.ridge.ridge"' in features
    assert "Lupton, Gunn &amp; Szalay 1999" in features or "Lupton, Gunn & Szalay 1999" in features
    assert "python -m pipeline.ingest data/images.zarr" in stages
    assert "ingest fails if a larger fraction of the images cannot be used" in params


def test_no_page_names_another_place_to_load_from(site: Path) -> None:
    """Neither a script, a style, a font nor a picture: only links that a reader may follow."""
    for page in site.rglob("*.html"):
        for tag in page.read_text().split("<")[1:]:
            if tag.startswith(("script", "link", "img", "iframe", "source")):
                assert "://" not in tag.split(">")[0], f"{page}: {tag[:120]}"
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(), style


def test_code_that_makes_the_site_is_not_in_it(site: Path) -> None:
    assert [path for path in site.rglob("*") if path.suffix in {".py", ".pyc"}] == []


@in_browser
@pytest.mark.proof
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SHOWN)
def test_a_page_opens_from_a_disk(name: str, width: int, scheme: str, site: Path, browser: Browser) -> None:
    """Without an error or a request, no wider than the window, and in the colours that the system asks for."""
    browser.open(site / f"{name}.html", width, scheme=scheme)
    browser.wait("document.querySelector('.md-content h1')")
    shown = {"light": "default", "dark": "slate"}[scheme]
    browser.wait(f"document.body.getAttribute('data-md-color-scheme') === '{shown}'")
    assert browser.wrong == []
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert all(browser.each("img", "e.complete && e.naturalWidth > 0"))


@in_browser
def test_search_finds_a_feature_without_a_server(site: Path, browser: Browser) -> None:
    browser.open(site / "index.html", 1280)
    browser.run(f"(() => {{ {TYPED} }})()")
    browser.wait("document.querySelector('.md-search-result__link')")
    found = browser.each(".md-search-result__link", "e.getAttribute('href')")
    assert any("concepts/stretches.html" in where for where in found), found
    assert browser.wrong == []
