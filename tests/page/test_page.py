"""The page as a file: it asks for nothing outside itself, runs nothing but its own script, and is small."""

import base64
import copy
import hashlib
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.page import encoding, page
from tests.page.example import RUNS, TARGET, content, lens

HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(1)>"'&<!--"""
LINKS = {"src", "href", "action", "data", "poster", "srcset"}


class Parsed(HTMLParser):
    """What a browser makes of the file: attributes that link, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.texts: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self.links += [value or "" for name, value in attrs if name in LINKS]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in {"script", "style"} and data.strip():
            self.texts.append((self.tags[-1], self.attributes[-1], data))

    def data(self, name: str) -> Any:
        (text,) = [text for _, attributes, text in self.texts if attributes.get("id") == name]
        return json.loads(text, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return content(200, 12, 24)


@pytest.fixture(scope="module")
def whole(example: dict[str, Any]) -> str:
    return page(example)


def hostile(value: Any) -> Any:
    """The content with a hostile end on every text, run names and target names among them."""
    if isinstance(value, dict):
        return {key + HOSTILE if key in {*RUNS, TARGET} else key: hostile(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(each) for each in value]
    return value + HOSTILE if isinstance(value, str) and not value.startswith("data:") else value


# nothing from outside, nothing but its own script


def test_the_file_asks_for_nothing_outside_itself(whole: str) -> None:
    parsed = Parsed(whole)
    assert parsed.links != []
    assert [link for link in parsed.links if not link.startswith(("#", "data:"))] == []
    named = set(re.findall(r"https?://[^\s\"']*", whole))
    assert named == {"http://www.w3.org/2000/svg"}  # the name of a namespace, which nobody fetches
    calls = r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|importScripts|import\s*\(|eval|sendBeacon)\b|@import"
    assert [m.group() for kind, _, text in parsed.texts if kind == "style" for m in re.finditer(calls, text)] == []
    (script,) = [text for kind, attributes, text in parsed.texts if kind == "script" and not attributes]
    assert re.findall(calls, script) == []


def test_the_policy_lets_the_file_s_own_script_and_style_run_and_no_other(whole: str) -> None:
    parsed = Parsed(whole)
    (policy,) = [a["content"] for a in parsed.attributes if a.get("http-equiv") == "Content-Security-Policy"]
    ours = [(kind, text) for kind, attributes, text in parsed.texts if not attributes]
    assert [kind for kind, _ in ours] == ["style", "script"]
    digests = {kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for kind, text in ours}
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'; "
        f"script-src 'sha256-{digests['script']}'"
    )


def test_hostile_text_stays_text(example: dict[str, Any], whole: str) -> None:
    plain, attacked = Parsed(whole), Parsed(page(hostile(example)))
    assert attacked.tags == plain.tags
    assert attacked.handlers == []
    found = attacked.data("content")
    assert found["scatter"]["ids"] == [f"{name}{HOSTILE}" for name in example["scatter"]["ids"]]
    assert list(found["scatter"]["targets"]) == [TARGET + HOSTILE]
    assert found["verdict"]["sentences"][0] == example["verdict"]["sentences"][0] + HOSTILE


def test_the_file_is_the_same_every_time(example: dict[str, Any], whole: str) -> None:
    assert page(copy.deepcopy(example)) == whole


def test_what_is_not_known_is_null(example: dict[str, Any]) -> None:
    changed = copy.deepcopy(example)
    changed["verdict"]["rows"][1]["rmse"] = {"value": np.float32("nan"), "low": -np.inf, "high": np.float64(0.5)}
    assert Parsed(page(changed)).data("content")["verdict"]["rows"][1]["rmse"] == {
        "value": None,
        "low": None,
        "high": 0.5,
    }


def test_twenty_thousand_lenses_fit(generator: np.random.Generator) -> None:
    parsed = Parsed(text := page(content(20_000, 300, 64)))
    (target,) = parsed.data("content")["scatter"]["targets"].values()
    columns = [each["data"] for run in target["runs"].values() for each in run.values()]
    assert len(columns) == 3 * 10
    assert sum(map(len, columns)) < 3_000_000
    pictures = parsed.data("pictures")
    assert len(pictures) == 300
    assert sum(len(one["png"]) for one in pictures) <= 6_000_000
    assert len(text.encode()) < 10_000_000


# numbers in few bytes


def decoded(column: dict[str, Any]) -> np.ndarray:
    """A column as its bytes say, written from the description and not from the code."""
    raw = base64.b64decode(column["data"])
    if column["kind"] == "f32":
        return np.frombuffer(raw, "<f4").astype(float)
    steps = np.frombuffer(raw, "<u2")
    values = column["offset"] + column["scale"] * steps.astype(float)
    for code, value in ((65533, -np.inf), (65534, np.inf), (65535, np.nan)):
        values[steps == code] = value
    return values


SAMPLES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda g: g.normal(-23.0, 0.5, 1001),
    "uniform": lambda g: g.uniform(1e-9, 3e-9, 17),
    "two": lambda g: g.uniform(size=2),
    "one": lambda g: g.uniform(size=1),
    "none": lambda g: g.uniform(size=0),
    "constant": lambda g: np.full(5, -7.25),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_column_comes_back_to_half_a_quantum(name: str, generator: np.random.Generator) -> None:
    values = SAMPLES[name](generator)
    column = encoding.packed(values)
    assert column["kind"] == "u16"
    assert column["scale"] == pytest.approx(np.ptp(values) / 65532 if values.size else 0.0)
    assert np.abs(decoded(column) - values).max(initial=0) <= column["scale"] / 2 * (1 + 1e-6)


def test_what_is_not_finite_comes_back_as_it_was(generator: np.random.Generator) -> None:
    values = generator.normal(size=50)
    values[[3, 4, 5]] = np.nan, np.inf, -np.inf
    back = decoded(encoding.packed(values))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    np.testing.assert_array_equal(back[4:6], values[4:6])
    rest = np.isfinite(values)
    np.testing.assert_allclose(back[rest], values[rest], atol=np.ptp(values[rest]) / 65532 / 2 * (1 + 1e-6))
    assert np.isnan(decoded(encoding.packed(np.full(3, np.nan)))).all()


@pytest.mark.parametrize("outlier", [1e4, -1e30])
def test_an_outlier_does_not_take_the_others_their_digits(outlier: float, generator: np.random.Generator) -> None:
    values = np.append(generator.normal(size=500), outlier)
    column = encoding.packed(values)
    assert column["kind"] == "f32"
    np.testing.assert_allclose(decoded(column), values, rtol=2**-23)


# pictures in few bytes


def opened(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (64, 320)])
def test_a_png_is_what_pillow_reads(shape: tuple[int, int], generator: np.random.Generator) -> None:
    shades = generator.integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(opened(encoding.png(shades)), shades)


def test_shades_run_linearly_from_the_darkest_to_the_brightest(generator: np.random.Generator) -> None:
    channel = generator.permuted(np.linspace(-3.0, 5.0, 10_000)).reshape(100, 100)
    shades = encoding.shaded(channel, 64)
    black, white = -3 + 8 * 0.005, -3 + 8 * 0.998
    expected = 255 * np.clip((channel - black) / (white - black), 0, 1)
    assert np.abs(shades - expected).max() <= 255 / 63 / 2 + 0.5 + 1e-6
    assert len(np.unique(shades)) == 64
    np.testing.assert_array_equal(encoding.shaded(7 * channel - 2, 64), shades)


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_a_blank_channel_is_black(value: float) -> None:
    assert not encoding.shaded(np.full((4, 4), value), 64).any()


def test_a_nan_pixel_is_black_and_leaves_the_others(generator: np.random.Generator) -> None:
    channel = generator.normal(size=(30, 30))
    channel[4, 5] = np.nan
    shades = encoding.shaded(channel, 64)
    assert shades[4, 5] == 0
    assert shades.max() == 255


def test_a_sprite_has_its_channels_side_by_side(generator: np.random.Generator) -> None:
    image = lens(32, generator)
    (sprite,) = encoding.sprites([image], 1_000_000)
    assert (sprite["channels"], sprite["height"], sprite["width"]) == (5, 32, 32)
    found = np.split(opened(base64.b64decode(sprite["png"])), 5, axis=1)
    for channel, part in zip(image, found, strict=True):
        np.testing.assert_array_equal(part, encoding.shaded(channel, 64))


def test_a_smaller_budget_means_fewer_greys(generator: np.random.Generator) -> None:
    images = [lens(32, generator) for _ in range(4)]
    full = sum(len(each["png"]) for each in encoding.sprites(images, 10**9))
    tight = encoding.sprites(images, full * 3 // 4)
    assert sum(len(each["png"]) for each in tight) <= full * 3 // 4
    assert 8 <= len(np.unique(opened(base64.b64decode(tight[0]["png"])))) <= 32
    with pytest.raises(ValueError, match=r"bytes of pictures in 8 greys, over 1000; show fewer lenses"):
        encoding.sprites(images, 1000)


# what is refused


def _without_scatter(given: dict[str, Any]) -> None:
    del given["scatter"]


def _short(given: dict[str, Any]) -> None:
    given["scatter"]["targets"][TARGET]["runs"][RUNS[0]]["low"] = np.zeros(199)


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    r"^verdct: no such section of the page; there are verdict, scatter": lambda c: c.update(verdct={}),
    r"^title: missing": lambda c: c.pop("title"),
    r"^lenses: shown without scatter": _without_scatter,
    rf"^scatter\.targets\.{TARGET}\.runs\.{RUNS[0]}\.low: 199 values for 200 lenses": _short,
    r"^scatter\.facts\.S/N: 3 values for 200 lenses": lambda c: c["scatter"]["facts"].update({"S/N": np.zeros(3)}),
    r"^lenses\.shown: row 200, but scatter has rows 0 to 199": lambda c: c["lenses"]["shown"][0].update(row=200),
    r"has shape \(2, 8, 8\), not \(5, h, w\)": lambda c: c["lenses"]["shown"][0].update(image=np.zeros((2, 8, 8))),
    r"^card\.images: http://x/y\.png: not a data:image/ URI": lambda c: c["card"]["images"][0].update(
        uri="http://x/y.png"
    ),
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_fault_is_named(said: str, example: dict[str, Any]) -> None:
    given = copy.deepcopy(example)
    FAULTS[said](given)
    with pytest.raises(ValueError, match=said):
        page(given)
