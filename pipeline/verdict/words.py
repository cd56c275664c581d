"""The verdict in words and tables: as it stands in the README, in a pull request, and at the head of the report."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.contrasts.efficiency import Area, Saved
from pipeline.contrasts.interaction import Interaction
from pipeline.contrasts.verdict import ENOUGH_SEEDS, Contrast
from pipeline.findings import Finding
from pipeline.scores.intervals import Interval
from pipeline.verdict.questions import CONTROL, Arm, Pairs

HEADLINE = ("mae", "rmse", "r2")
SHORTCUTS = {
    "constant": "constant",
    "flux": "total flux alone",
    "ring_radius": "ring radius alone",
    "profile": "radial profile, boosted trees",
    "pca_ridge": "principal components, ridge",
}
FEW = (
    f"From fewer than {ENOUGH_SEEDS} seeds no input is called better or worse: how much seeds differ is then poorly "
    "known, and the sign-flip test cannot come below p = .05."
)

RELIANCE = (
    "Worse with a feature permuted: these networks rely on it. That is not what the feature knows: features that say "
    "the same share their importance, and networks were trained on nothing like an image beside another's feature "
    "(Hooker, Mentch & Zhou 2021). What a feature adds is told by networks trained without it."
)


def sentences(
    contrasts: Mapping[Arm, Contrast], pairs: Pairs, unit: str, several_sizes: bool, decimals: int = 4
) -> list[str]:
    """One sentence a contrast: the word, by how much, and why."""
    said = []
    for arm, one in contrasts.items():
        subject = f"**{minus(pairs[arm])} with {named(arm, several_sizes)}: {one.word}.**"
        change = (
            f"RMSE {with_interval(one.difference, one.corrected, decimals)}{plain(unit)}, "
            f"corrected p = {one.p_corrected:.2g}"
        )
        said.append(f"{subject} {change}: {one.reason}. {_power(one, unit)}")
    return said


def _power(one: Contrast, unit: str) -> str:
    if not math.isfinite(one.detectable):
        seeds = "1 seed" if one.seeds == 1 else f"{one.seeds} seeds"
        return f"No difference, however large, could have been found with {seeds}."
    return f"A difference of {one.detectable:.2g}{plain(unit)} would have been found four times in five."


def beyond(skill: Mapping[Arm, Interval], shortcut: str, several_sizes: bool) -> list[str]:
    """How much of the best shortcut's squared error each cell is left with: below 100 %, the lens was looked at."""
    said = []
    for arm, one in skill.items():
        left = bracketed(1 - one.value, (1 - one.high, 1 - one.low), ".0%")
        subject = f"{arm[0]} with {named(arm, several_sizes)}: its squared error is {left}"
        said.append(f"{subject} of that of the best shortcut ({SHORTCUTS[shortcut]}).")
    return said


def minus(pair: tuple[Arm, Arm]) -> str:
    return f"{pair[0][0]} − {pair[1][0]}"


def plain(unit: str) -> str:
    """A unit in a sentence."""
    return unit.replace("[", "").replace("]", "")


def named(arm: Arm, several_sizes: bool) -> str:
    """A cell's backbone, and its training size where that is worth saying."""
    return f"{arm[1]}, {arm[2]} images" if several_sizes and arm[2] != "all" else arm[1]


def cautions(found: Iterable[Finding], said: Sequence[str]) -> str:
    """What is to be known of the images (`findings.cautions`) and runs before any number is believed; nothing, if there
    is nothing."""
    grave = [f"- `{one.code}`: {one.summary}" for one in found]
    parts = [["Of these images the audit says:", "", *grave, ""]] if grave else []
    parts += [["Of these runs:", "", *(f"- {line}" for line in said), ""]] if said else []
    return "\n".join(line for part in parts for line in part)


def score_table(lines: Sequence[tuple[str, str, Mapping[str, Any]]], unit: str, decimals: int = 4) -> list[str]:
    """`lines` are (input, predictor, metrics)."""
    head = [f"| input | predictor | MAE{unit} | RMSE{unit} | R² |", "|---|---|---|---|---|"]
    return head + [
        f"| {name} | {predictor} | {' | '.join(scores(values, decimals))} |" for name, predictor, values in lines
    ]


def scores(values: Mapping[str, float], decimals: int = 4) -> list[str]:
    """The metrics of a line, errors with so many digits after the point. R² has no unit, and always four."""
    return [with_spread(values, metric, 4 if metric == "r2" else decimals) for metric in HEADLINE]


def efficiency_table(
    areas: Mapping[Arm, Area], saved: Mapping[Arm, Saved], unit: str, confidence: float, decimals: int = 4
) -> list[str]:
    """Learning curves in two numbers: their area, and how many times as many images the control needs."""
    lines = [
        "Learning curves: the RMSE's area over the logarithm of the training images, as a mean error; and how many "
        f"times as many images {CONTROL} needs for the same error:",
        "",
        f"| input | backbone | area{unit}, {confidence:.0%} interval | images saved, {confidence:.0%} interval |",
        "|---|---|---|---|",
    ]
    for arm, one in areas.items():
        area = bracketed(one.value, one.interval, f".{decimals}f")
        lines.append(f"| {arm[0]} | {arm[1]} | {area} | {_times(saved.get(arm))} |")
    return lines


def _times(saved: Saved | None) -> str:
    if saved is None:
        return "–"
    if saved.ratio is None or saved.interval is None:
        return saved.reason
    bound = f" ({saved.reason})" if saved.reason else ""
    return bracketed(saved.ratio, saved.interval, ".2f") + bound


def joint_table(found: Mapping[Arm, Mapping[str, float]], confidence: float, several_sizes: bool) -> str:
    """Minus the log-density of all targets together at the truth, by arm; nothing where no network says one."""
    if not found:
        return ""
    lines = [
        "**All targets together**: minus the logarithm of the density at the truth; smaller is better",
        "",
        f"| input | predictor | joint negative log-likelihood [nat], {confidence:.0%} interval |",
        "|---|---|---|",
        *(
            f"| {arm[0]} | {named(arm, several_sizes)} | {bracketed(one['value'], (one['low'], one['high']))} |"
            for arm, one in found.items()
        ),
    ]
    return "\n".join([*lines, ""])


def contrast_table(
    rmse: Mapping[Arm, Contrast],
    mae: Mapping[Arm, Contrast],
    pairs: Pairs,
    unit: str,
    confidence: float,
    several_sizes: bool,
    decimals: int = 4,
) -> list[str]:
    """One line a contrast: RMSE, on which the word rests, and MAE beside it."""
    interval = f"{unit}, {confidence:.0%} interval"
    lines = [
        f"| inputs | backbone | ΔRMSE{interval} | ΔMAE{interval} | corrected p | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for arm, one in rmse.items():
        other = mae[arm]
        cells = [
            minus(pairs[arm]),
            named(arm, several_sizes),
            with_interval(one.difference, one.interval, decimals),
            with_interval(other.difference, other.interval, decimals),
            f"{one.p_corrected:.2g}",
            f"**{one.word}**",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def interaction_lines(found: Mapping[tuple[Arm, Arm], Interaction], unit: str, decimals: int = 4) -> list[str]:
    """Whether an input helps one backbone more than another."""
    return [
        f"{one[0]}: its difference with {one[1]} less that with {other[1]} is "
        f"{with_interval(each.difference, each.corrected, decimals)}{plain(unit)}: {each.word}."
        for (one, other), each in found.items()
    ]


def decimals_of(spread: float) -> int:
    """Digits after the point that tell errors apart which are small beside a label's `spread`: four, or more where the
    labels themselves are small numbers."""
    return 4 if not 0 < spread < 0.1 else 3 - math.floor(math.log10(spread))


def with_spread(values: Mapping[str, float], metric: str, decimals: int = 4) -> str:
    """A metric, and its standard deviation over seeds where it has one."""
    form, spread = f".{decimals}f", f"{metric}_std"
    return number(values[metric], form) + (f" ± {number(values[spread], form)}" if spread in values else "")


def with_interval(value: float, interval: tuple[float, float], decimals: int = 4) -> str:
    """A difference, which has a sign."""
    return bracketed(value, interval, f"+.{decimals}f")


def bracketed(value: float, interval: tuple[float, float], form: str = ".4f") -> str:
    middle, low, high = (number(each, form) for each in (value, *interval))
    return f"{middle} [{low}, {high}]"


def number(value: float, form: str = ".4f") -> str:
    """A number as people read it, on the page too: a real minus, no sign before a zero, ∞. Files for machines have
    ASCII."""
    text = format(value, form)
    digits = text.lstrip("+-")
    if not digits.strip("0.%"):
        return digits
    return text.replace("-", "−").replace("inf", "∞")
