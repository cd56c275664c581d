"""A user's own features: found in their folder, listed with the others, refused with the file's name."""

import sys
from pathlib import Path

import pytest

import features
from features import extra
from features.contract import Asked, complaints
from features.extra import found
from features.feature import Feature
from tests.conftest import ROOT

MINE = '''"""How much of the light is near the middle."""

from jaxtyping import Float
from torch import Tensor

from features.feature import INVARIANT, Feature
from features.geometry import radius


def core(images: Float[Tensor, "n h w"], reach: float = 5.0) -> tuple[Float[Tensor, "n 1"], list[str]]:
    near = radius(images.shape[1], images.shape[2], images) < reach
    return (images * near).sum(dim=(1, 2))[:, None], ["core"]


VECTORS = [Feature(core, keeps="the light of the middle", loses="all else", turns=INVARIANT)]
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of `features/extra/`."""
    monkeypatch.setattr(extra, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


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

    with pytest.raises(ValueError, match=r"^tests/features/test_extra\.py: there is a feature 'pixels' already"):
        features.table(*features.MAPS.values(), Feature(pixels, keeps="", loses=""))


def test_the_example_of_the_documentation_is_short_and_is_a_feature(folder: Path) -> None:
    page = (ROOT / "docs" / "features.md").read_text()
    example = page.split("```python\n")[1].split("```")[0]
    assert len(example.strip().splitlines()) <= 20
    (folder / "core.py").write_text(example)
    (feature,) = found("VECTORS")
    assert list(complaints(Asked(feature, is_map=False))) == []
