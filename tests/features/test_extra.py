"""A user's own features: found in their folder, listed with the others, refused with the file's name."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import features
from features import extra
from features.extra import found
from features.feature import Feature
from features.table import table
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "features.md").read_text()
MINE = PAGE.split("```python\n")[1].split("```")[0]  # the example of the documentation


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of `features/extra/`."""
    monkeypatch.setattr(extra, "__path__", [str(tmp_path)])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("features.extra.")]:
        del sys.modules[name]


def test_the_features_of_a_file_are_found(folder: Path) -> None:
    (folder / "mine.py").write_text(MINE)
    assert [feature.name for feature in found("VECTORS")] == ["core"]
    assert list(found("MAPS")) == []


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("def core(:", ImportError, r"^features/extra/mine\.py: SyntaxError: "),
        ("import nowhere", ImportError, r"^features/extra/mine\.py: ModuleNotFoundError: No module named 'nowhere'"),
        ("x = 1", ImportError, r"^features/extra/mine\.py: lists no feature; give it MAPS = "),
        (
            "MAPS = [abs]",
            TypeError,
            r"^features/extra/mine\.py: MAPS lists <built-in function abs>; it takes Feature\(",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named(folder: Path, text: str, error: type[Exception], message: str) -> None:
    (folder / "mine.py").write_text(text)
    with pytest.raises(error, match=message):
        list(found("MAPS"))


def test_two_features_of_one_name_are_refused() -> None:
    def pixels() -> None: ...

    with pytest.raises(ValueError, match=r"test_extra\.py: there is a feature 'pixels' already"):
        table(*features.MAPS.values(), Feature(pixels, keeps="", loses=""))


def test_the_example_of_the_documentation_is_short() -> None:
    """And `tests/test_check_features.py` finds it without fault."""
    assert len(MINE.strip().splitlines()) <= 20
