"""Words: every figure where it belongs, and no more said than is known."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.contrasts.interaction import Interaction
from pipeline.contrasts.verdict import Contrast
from pipeline.findings import finding
from pipeline.scores.intervals import Interval
from pipeline.verdict import words

ARM, RAW = ("engineered", "cnn", "all", "mass"), ("raw", "cnn", "all", "mass")
PAIRS = {ARM: (ARM, RAW)}
BETTER = Contrast(
    difference=-0.02,
    interval=(-0.03, -0.01),
    corrected=(-0.035, -0.005),
    p=0.002,
    p_corrected=0.0078,
    chance=1.0,
    detectable=0.013,
    margin=0.01,
    seeds=8,
    word="better",
    reason="the corrected interval lies below zero and the corrected p is .0078",
)


def test_a_sentence_gives_the_word_the_corrected_figures_and_the_reason() -> None:
    (said,) = words.sentences({ARM: BETTER}, PAIRS, " [dex]", False)
    assert said == (
        "**engineered − raw with cnn: better.** RMSE −0.0200 [−0.0350, −0.0050] dex, corrected p = 0.0078: the "
        "corrected interval lies below zero and the corrected p is .0078. A difference of 0.013 dex would have been "
        "found four times in five."
    )


def test_what_no_difference_could_show_is_said() -> None:
    few = replace(BETTER, seeds=3, detectable=math.inf, word="undecided", reason="fewer than 6 seeds")
    (said,) = words.sentences({ARM: few}, PAIRS, "", False)
    assert said.endswith("fewer than 6 seeds. No difference, however large, could have been found with 3 seeds.")
    assert "inf" not in said


def test_the_table_has_the_interval_asked_for_of_both_metrics_and_the_corrected_p() -> None:
    mae = replace(BETTER, difference=0.5, interval=(0.4, 0.6))
    head, rule, line = words.contrast_table({ARM: BETTER}, {ARM: mae}, PAIRS, " [dex]", 0.9, False)
    assert "ΔRMSE [dex], 90% interval" in head
    assert head.count("|") == rule.count("|") == line.count("|")
    assert [part.strip() for part in line.split("|")[1:-1]] == [
        "engineered − raw",
        "cnn",
        "−0.0200 [−0.0300, −0.0100]",
        "+0.5000 [+0.4000, +0.6000]",
        "0.0078",
        "**better**",
    ]


@pytest.mark.parametrize(
    ("size", "several", "name"), [("all", True, "cnn"), ("100", True, "cnn, 100 images"), ("100", False, "cnn")]
)
def test_a_size_is_told_where_there_are_several(size: str, several: bool, name: str) -> None:
    assert words.named(("raw", "cnn", size, "mass"), several) == name


def test_what_is_left_of_a_shortcuts_error_is_in_percent() -> None:
    skill = Interval(0.254, 0.2, 0.309, 0.01, 6, 100)
    (said,) = words.beyond({ARM: skill}, "flux", False)
    assert said == (
        "engineered with cnn: its squared error is 75% [69%, 80%] of that of the best shortcut (total flux alone)."
    )


def test_an_interaction_is_of_the_two_backbones() -> None:
    other = ("engineered", "resnet", "all", "mass")
    one = Interaction(-0.01, (-0.02, 0.01), (-0.03, 0.02), 0.1, 0.2, 0.05, 8, "undecided", "crosses zero")
    (said,) = words.interaction_lines({(ARM, other): one}, " [dex]")
    assert said == (
        "engineered: its difference with cnn less that with resnet is −0.0100 [−0.0300, +0.0200] dex: undecided."
    )


def test_cautions_are_what_is_grave_and_what_is_missing() -> None:
    found = [finding("noise_free", "no noise in 30 of 30 images")]
    text = words.cautions(found, ["`raw-cnn-all`: no predictions of seed 1."])
    assert text == (
        "Of these images the audit says:\n\n- `noise_free`: no noise in 30 of 30 images\n\n"
        "Of these runs:\n\n- `raw-cnn-all`: no predictions of seed 1.\n"
    )
    assert words.cautions([], []) == ""
    assert words.cautions([], ["x"]).startswith("Of these runs:")


@pytest.mark.parametrize(
    ("write", "value", "shown"),
    [
        (words.number, -0.00004, "0.0000"),
        (words.number, -23.71825, "−23.7183"),
        (lambda value: words.number(value, "+.4f"), 0.5, "+0.5000"),
        (lambda value: words.number(value, "+.4f"), -0.00004, "0.0000"),
        (lambda value: words.number(value, ".0%"), -0.004, "0%"),
        (lambda value: words.number(value, ".0%"), -0.31, "−31%"),
        (lambda value: words.with_interval(*value), (-1.0, (-math.inf, math.inf)), "−1.0000 [−∞, +∞]"),
        (lambda value: words.with_spread({"mae": value}, "mae"), 0.5, "0.5000"),
        (lambda value: words.with_spread({"mae": value, "mae_std": 0.01234}, "mae"), 0.5, "0.5000 ± 0.0123"),
        (words.plain, " [dex]", " dex"),
        (words.plain, "", ""),
    ],
)
def test_numbers_are_written_as_they_are_read(write: Callable[[Any], str], value: Any, shown: str) -> None:
    assert write(value) == shown


@pytest.mark.parametrize(
    ("spread", "decimals"), [(25.0, 4), (0.43, 4), (0.1, 4), (0.0868, 5), (0.0053, 6), (0.0, 4), (math.nan, 4)]
)
def test_errors_of_small_labels_have_as_many_digits_as_those_of_large_ones(spread: float, decimals: int) -> None:
    assert words.decimals_of(spread) == decimals


def test_a_small_error_is_not_written_as_zero() -> None:
    values = {"mae": 0.0000412, "mae_std": 0.0000017, "rmse": 0.0000533, "r2": 0.774912}
    *_, line = words.score_table([("raw", "cnn", values)], "", words.decimals_of(0.0053))
    assert line == "| raw | cnn | 0.000041 ± 0.000002 | 0.000053 | 0.7749 |"
    assert words.with_interval(-0.00012, (-0.00031, 0.00004), 6) == "−0.000120 [−0.000310, +0.000040]"
