"""Rows that any source shares: refused by name all at once, and grouped by what they share, whatever their order."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError, Refused
from pipeline.sources import Source
from pipeline.sources.frame import Frame
from pipeline.sources.rows import _groups, open_rows

Open = Callable[..., Source]


def frame(value: float = 1.0, size: int = 6, **labels: float | str) -> Frame:
    return Frame(image=np.full((1, size, size), value), labels={"mass": 1.0} | labels)


def fault(reason: str) -> Callable[[], Frame]:
    def fail() -> Frame:
        raise InputError(reason)

    return fail


@pytest.fixture
def opened(section: Callable[..., Any]) -> Open:
    """A source of frames by id; a value may be a function that fails."""

    def open_frames(frames: Mapping[str, Any], *overrides: str) -> Source:
        listed = list(frames.values())

        def load(row: int) -> Frame:
            return listed[row] if isinstance(listed[row], Frame) else listed[row]()

        return open_rows(section("ingest", *overrides), list(frames), load, "")

    return open_frames


def test_all_rows_that_cannot_be_used_are_refused_at_once_each_with_its_reason(opened: Open) -> None:
    source = opened(
        {
            "good": frame(),
            "broken": fault("/somewhere/broken: not readable"),
            "small": frame(size=5),
            "blank": frame(0.0),
            "bright": frame(1e39),
            "negative": frame(mass=-2.0),
            "worded": frame(mass="heavy"),
        }
    )
    with pytest.raises(Refused) as caught:
        source.read(np.arange(7))
    assert caught.value.reasons == {
        1: ("broken", "not readable"),
        2: (
            "small",
            "1 x 5 x 5 pixels, but the first image has 1 x 6 x 6; all must have one size "
            "(ingest.prepare can cut it out)",
        ),
        3: ("blank", "every pixel is zero"),
        4: ("bright", "some pixel is beyond what float32 holds; scale the images down"),
        5: ("negative", "its mass is -2; a log10 needs it above zero"),
        6: ("worded", "its mass is 'heavy', not a number"),
    }
    assert source.read(np.array([0])).id.tolist() == ["good"]


def test_the_first_row_that_can_be_read_decides_the_shape(opened: Open) -> None:
    assert opened({"a": fault("a: broken"), "b": frame(size=9), "c": frame()}).shape == (1, 9, 9)
    with pytest.raises(InputError, match=r"^a: broken; nor can any of the first 2 images be used"):
        opened({"a": fault("broken"), "b": fault("broken too")})


def test_an_unknown_target_is_nan_and_a_known_one_is_transformed(opened: Open) -> None:
    found = opened({"a": frame(mass=1e-23), "b": frame(mass=math.nan)}).read(np.array([1, 0]))
    np.testing.assert_allclose(found.targets["log10_axion_mass"], [np.nan, -23])


def test_a_cutout_about_a_position_needs_it(opened: Open) -> None:
    cut = "ingest.prepare=[{cutout: {size: 2, x: column, y: line}}]"
    source = opened({"a": frame(column=2.0, line=3.0), "b": frame(column=2.0)}, cut)
    with pytest.raises(Refused, match="its position is unknown: no number in column 'line'"):
        source.read(np.arange(2))


def test_an_id_is_there_once(opened: Open, section: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"^a: is the id of rows 0 and 2"):
        open_rows(section("ingest"), ["a", "b", "a"], lambda row: frame(), "")


def test_who_shares_a_name_through_others_is_one_group() -> None:
    """a and b share a halo, b and c a source, d a name of the other kind, e and f only that nothing is known."""
    names = [["h1", ""], ["h1", "s1"], ["h2", "s1"], ["s1", "h1"], ["", ""], ["", ""]]
    a, b, c, d, e, f = _groups(list("abcdef"), np.array(names))
    assert a == b == c
    assert len({a, d, e, f}) == 4


@given(
    names=st.lists(st.tuples(st.sampled_from(["", "p", "q", "r"]), st.sampled_from(["", "s", "t"])), min_size=1),
    seed=st.integers(0, 1000),
)
def test_groups_do_not_depend_on_the_order_of_the_rows(names: list[tuple[str, str]], seed: int) -> None:
    ids, held = np.array([f"lens-{i}" for i in range(len(names))]), np.array(names)
    order = np.random.default_rng(seed).permutation(len(ids))
    np.testing.assert_array_equal(_groups(ids[order].tolist(), held[order]), _groups(ids.tolist(), held)[order])
