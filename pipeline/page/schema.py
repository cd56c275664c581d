"""What the page is told: the sections it can show, and what each needs.

A section that is left out is not on the page. Numbers may be numpy's; NaN and None are "not known" and shown as a dash,
and a bound that is not known or infinite is drawn as open. A run is named by one string, `raw-cnn-all`, and by the same
one in every section, which is how it keeps its colour and its mark. Text is text: nothing is read as HTML.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np


class Figure(TypedDict):
    """A number with its interval."""

    value: float | None
    low: NotRequired[float | None]
    high: NotRequired[float | None]


class Contrast(TypedDict):
    """An arm minus another one, with the corrected interval. `word`: better, worse, equivalent or undecided."""

    against: str
    difference: Figure
    p: float | None  # corrected for its family
    word: str
    reason: NotRequired[str]
    name: NotRequired[str]  # what is compared, where the contrast stands by itself


class Row(TypedDict):
    """A line of the verdict's table: a cell, or a baseline. `contrast` is its difference from the control."""

    input: str
    backbone: str
    size: str
    target: str
    unit: str
    rmse: Figure
    mae: Figure
    r2: Figure
    skill: Figure
    contrast: NotRequired[Contrast | None]


class Verdict(TypedDict):
    """`contrasts` are those that are not between a row and its control."""

    sentences: Sequence[str]
    rows: Sequence[Row]
    cautions: NotRequired[Sequence[str]]
    contrasts: NotRequired[Sequence[Contrast]]


class Answers(TypedDict):
    """One run's predictions of one target, (n,) each, in the target's unit."""

    prediction: np.ndarray
    low: NotRequired[np.ndarray]
    high: NotRequired[np.ndarray]


class Target(TypedDict):
    unit: str
    truth: np.ndarray  # (n,)
    runs: Mapping[str, Answers]


class Scatter(TypedDict):
    """All test lenses. `facts` are what is known of each besides its labels, as {"S/N": (n,)}."""

    ids: Sequence[str]
    targets: Mapping[str, Target]
    facts: NotRequired[Mapping[str, np.ndarray]]
    interval: NotRequired[str]  # what low and high are, as "68 % interval"


class Shown(TypedDict):
    """A lens with its picture: its place in `Scatter.ids`, why it was chosen, and what the networks saw of it."""

    row: int
    tags: Sequence[str]  # best, worst, outlier, random
    image: np.ndarray  # (c, h, w)


class Lenses(TypedDict):
    channels: Sequence[str]
    shown: Sequence[Shown]


class Binned(TypedDict):
    """A run's error in bins, one number a bin."""

    at: Sequence[float]  # the bin's centre
    value: Sequence[float]
    low: Sequence[float | None]
    high: Sequence[float | None]
    lenses: Sequence[int]


class View(TypedDict):
    """The error against one covariate; views of one `tab` are told apart by their target."""

    tab: str
    target: str
    x: str  # label with unit
    y: str
    runs: Mapping[str, Binned]
    plateaus: NotRequired[Sequence[Mapping[str, Any]]]  # {low, high, label}, in units of x


class Curves(TypedDict):
    """A run's lines, as {"name": "validation", "values": [...]}; of one name there may be several, one a seed."""

    x: str
    y: str
    lines: Sequence[Mapping[str, Any]]


class Calibration(TypedDict):
    """Of one run and target: `coverage` as {nominal, observed, low, high}, `pit` as lenses in equal bins of 0 to 1,
    means over seeds.
    """

    run: str
    target: str
    coverage: Sequence[Mapping[str, float]]
    pit: NotRequired[Sequence[float]]
    pit_band: NotRequired[tuple[float, float]]  # lenses a bin would hold if all were well


class Classes(TypedDict):
    """Of one run and a target that is 0 or 1: `roc` as {false, true}, rates (r,) each, and `reliability` of bins as
    {prediction, observed, low, high, answers}."""

    run: str
    target: str
    auc: Figure
    roc: Mapping[str, Sequence[float | None]]
    reliability: Sequence[Mapping[str, float]]
    calibration_error: float


class Effect(TypedDict):
    """What a channel or vector left out, let in or permuted changes; a `family` was corrected together."""

    name: str
    family: str
    difference: Figure
    p: NotRequired[float | None]
    word: NotRequired[str]


class Arm(TypedDict):
    """A run's error at each training size; `fit` is {a, b, c} of E(N) = a N^-b + c, where it was fitted."""

    run: str
    sizes: Sequence[int]
    errors: Sequence[Figure]
    fit: NotRequired[Mapping[str, float] | None]


class Shifted(TypedDict):
    """What a shift adds to a run's error, and how often its intervals still hold the truth."""

    run: str
    target: str
    shift: str
    change: Figure
    coverage: NotRequired[Figure | None]


class Cost(TypedDict):
    """A run's error and prices: `at` is where its mark stands on each price's axis, the price where that is left out;
    `front` has the prices at which no other run of its target beats it.
    """

    run: str
    target: str
    error: Figure
    seconds: NotRequired[float | None]  # of one training
    images_per_second: NotRequired[float | None]  # that it goes through
    memory: NotRequired[float | None]  # at its peak, MiB
    device: NotRequired[str]  # of the training
    parameters: NotRequired[float | None]
    flops: NotRequired[float | None]  # of one image
    bytes: NotRequired[float | None]  # of one image: what a network reads
    stored: NotRequired[float | None]  # and what its computed features take on disk
    features: NotRequired[float | None]  # µs of one image
    at: NotRequired[Mapping[str, float]]
    front: NotRequired[Sequence[str]]


class Timed(TypedDict):
    """A feature of an input, µs of one image: of work, and of the clock on the wall. `kind`: map or vector."""

    input: str
    feature: str
    kind: str
    work: float
    wall: float


class Fairness(TypedDict):
    """What an arm was given. `other` marks one that was given more or less than the rest."""

    arm: str
    budget: str
    trials: int
    steps: int
    augmentation: str
    other: bool


class Making(TypedDict):
    command: str
    params: NotRequired[str]  # params.yaml, as it stands
    versions: NotRequired[Mapping[str, str]]
    hashes: NotRequired[Mapping[str, str]]
    fairness: NotRequired[Sequence[Fairness]]


class Content(TypedDict, total=False):
    """The page. Every section may carry a `note`, a sentence under its heading."""

    title: str
    subtitle: str
    verdict: Verdict
    scatter: Scatter
    lenses: Lenses  # needs scatter
    bins: Mapping[str, Sequence[View]]  # {views}
    curves: Mapping[str, Mapping[str, Curves]]  # {runs: {run: Curves}}
    calibration: Mapping[str, Sequence[Any]]  # {runs: [Calibration], joint: [{run, nll: Figure}] of all targets}
    classes: Mapping[str, Sequence[Classes]]  # {runs}
    ablation: Mapping[str, Any]  # {unit, rows: [Effect]}
    efficiency: Mapping[str, Any]  # {unit, arms: [Arm], areas: [{name, area}], saved: [{name, ratio, said}]} of Figures
    robustness: Mapping[str, Any]  # {unit, nominal, rows: [Shifted]}
    cost: Mapping[str, Any]  # {unit, prices: {key of a row: (word, label of an axis)}, rows: [Cost], features: [Timed]}
    audit: Mapping[str, Any]  # {findings: [{code, severity, summary, accepted}]}
    card: Mapping[str, Any]  # {entries: nested keys and values, images: [{title, uri (data:image/...), said}]}
    making: Making


SECTIONS = (
    *("verdict", "scatter", "lenses", "bins", "curves", "calibration", "classes", "ablation", "efficiency"),
    *("robustness", "cost", "audit", "card", "making"),
)


def check(content: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a section nobody would see, a column of another length, or a picture from elsewhere."""
    known = {"title", "subtitle", *SECTIONS}
    if unknown := sorted(set(content) - known):
        raise ValueError(f"{unknown[0]}: no such section of the page; there are {', '.join(SECTIONS)}")
    if "title" not in content:
        raise ValueError("title: missing; it heads the page")
    if "lenses" in content and "scatter" not in content:
        raise ValueError("lenses: shown without scatter, where their ids, truths and predictions are")
    for name, values in _columns(content.get("scatter", {})):
        if len(values) != len(content["scatter"]["ids"]):
            raise ValueError(f"scatter.{name}: {len(values)} values for {len(content['scatter']['ids'])} lenses")
    for lens in content.get("lenses", {}).get("shown", ()):
        _check_shown(lens, content)
    for image in content.get("card", {}).get("images", ()):
        if not image["uri"].startswith("data:image/"):
            raise ValueError(f"card.images: {image['uri'][:60]}: not a data:image/ URI, and the page reads no network")


def _columns(scatter: Mapping[str, Any]) -> list[tuple[str, np.ndarray]]:
    """Every column of `scatter` with its dotted name."""
    found = [(f"facts.{name}", values) for name, values in scatter.get("facts", {}).items()]
    for name, target in scatter.get("targets", {}).items():
        found.append((f"targets.{name}.truth", target["truth"]))
        for run, answers in target["runs"].items():
            found += [(f"targets.{name}.runs.{run}.{key}", values) for key, values in answers.items()]
    return found


def _check_shown(lens: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    lenses, channels = len(content["scatter"]["ids"]), content["lenses"]["channels"]
    if not 0 <= lens["row"] < lenses:
        raise ValueError(f"lenses.shown: row {lens['row']}, but scatter has rows 0 to {lenses - 1}")
    if lens["image"].ndim != 3 or len(lens["image"]) != len(channels):
        raise ValueError(
            f"lenses.shown: row {lens['row']} has shape {lens['image'].shape}, not ({len(channels)}, h, w)"
        )
