"""The audit in pictures."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline import frames
from pipeline.checks import photons, shortcuts
from pipeline.checks.measured import Measured
from pipeline.drawing import STYLE, png
from pipeline.findings import Finding

SAMPLE = 200  # images behind the mean-variance plot
BINS = 24
COLUMNS, LINES = 5, 4  # of the gallery
INK = {"error": "#d55e00", "warning": "#e69f00", "note": "#0072b2"}


def figures(seen: Measured, findings: list[Finding], skills: list[shortcuts.Skill]) -> dict[str, bytes]:
    """Every figure there is something to show in, as PNG, by name."""
    with plt.rc_context(STYLE):
        drawn = {
            "labels": _labels(seen),
            "noise": _noise(seen),
            "mean_variance": _mean_variance(seen),
            "gallery": _gallery(seen, findings),
            "shortcuts": _shortcuts(skills),
        }
        return {name: png(figure) for name, figure in drawn.items() if figure is not None}


def _labels(seen: Measured) -> Figure | None:
    """How many images have which label."""
    targets = {name: seen.target(name) for name in seen.store.attributes.get("target_names", []) if "targets" in seen}
    targets = {name: values[np.isfinite(values)] for name, values in targets.items() if np.isfinite(values).any()}
    kinds = seen["kind"][seen["kind"] != ""] if "kind" in seen else np.array([], dtype=str)
    panels = len(targets) + (len(kinds) > 0)
    if panels == 0:
        return None
    figure, axes = plt.subplots(1, panels, figsize=(3.6 * panels, 2.9), squeeze=False)
    units = seen.store.attributes.get("target_units", {})
    for axis, (name, values) in zip(axes.flat, targets.items(), strict=False):
        axis.hist(values, bins=BINS)
        unit = units.get(name, "")
        axis.set(xlabel=f"{name} [{unit}]" if unit else name, ylabel="images")
    if len(kinds):
        axes[0, -1].barh(*np.unique(kinds, return_counts=True))
        axes[0, -1].set(xlabel="images", title="class")
    figure.tight_layout()
    return figure


def _noise(seen: Measured) -> Figure:
    """Sky rms, total flux and peak over rms of every image."""
    unit = seen.store.attributes.get("units") or "image units"
    rms = np.where(seen["rms"] > 0, seen["rms"], np.nan)
    panels = {
        f"sky rms [{unit}]": (rms, "log"),
        f"total flux [{unit}]": (seen["flux"], "linear"),
        "peak / sky rms": ((seen["top"] - seen["level"]) / rms, "log"),
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels), 2.9), squeeze=False)
    for axis, (name, (values, scale)) in zip(axes.flat, panels.items(), strict=True):
        known = values[np.isfinite(values) & ((values > 0) | (scale == "linear"))]
        wide = scale == "log" and len(known) > 0 and known.max() > 10 * known.min()
        bins = np.geomspace(known.min(), known.max(), BINS) if wide else BINS
        axis.hist(known, bins=bins)
        axis.set(xlabel=name, xscale="log" if wide else "linear")
    axes[0, 0].set_ylabel("images")
    figure.tight_layout()
    return figure


def _mean_variance(seen: Measured) -> Figure | None:
    """Variance of the fine noise against the mean of the pixels around it, and what photons would give."""
    if seen["noise_free"].all():
        return None
    unit = photons.counts_per_unit(seen)
    known = bool(np.isfinite(unit).all())
    rows = np.linspace(0, seen.rows - 1, min(SAMPLE, seen.rows)).astype(int)
    rows = rows[seen["rms"][rows] > 0]
    band = _band(seen, rows)
    mean, variance, _ = photons.points(band, seen["level"][rows], seen["rms"][rows])
    scale = unit[rows] if known else np.ones(len(rows))
    mean, variance = mean * scale[:, None, None], variance * scale[:, None, None] ** 2
    centre, spread = _binned(mean.ravel(), variance.ravel())
    if len(centre) < 3:
        return None
    figure, axis = plt.subplots(figsize=(4.6, 3.4))
    axis.plot(centre, spread, "o", ms=4, label="fine noise, measured")
    if known:
        for slope, colour in ((1, "C2"), (2, "C1")):
            sky = np.median((spread - slope * centre)[1:])  # the first step may hold a sky that is cut
            axis.plot(centre, sky + slope * centre, color=colour, lw=1, label=f"slope {slope}")
        found = photons.slope(seen)
        if np.isfinite(found.value):
            axis.set_title(f"slope {found.value:.2f} ± {found.error:.2f}; photons give 1", fontsize=10)
        axis.legend(fontsize=8)
    said = "photons" if known else seen.store.attributes.get("units") or "image units"
    axis.set(xlabel=f"mean above the sky [{said}]", ylabel=f"variance [{said}²]")
    return figure


def _binned(
    mean: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Means of both in equal steps of the first, where there are enough pixels; the brightest hundredth left out."""
    edges = np.linspace(0, np.percentile(mean, 99.7), 16)
    number = np.digitize(mean, edges) - 1
    inside = (number >= 0) & (number < len(edges) - 1)
    count = np.bincount(number[inside], minlength=len(edges) - 1)
    full = count >= 30
    sums = [np.bincount(number[inside], weights=part[inside], minlength=len(edges) - 1) for part in (mean, variance)]
    return sums[0][full] / count[full], sums[1][full] / count[full]


def _gallery(seen: Measured, findings: list[Finding]) -> Figure:
    """The first images of each finding, or typical ones; grey runs from -3 sky rms to each image's own peak."""
    lines = {found.code: (found, _named(seen, found)) for found in findings if found.evidence.get("first")}
    shown = [(found.code, INK[found.severity], rows) for found, rows in list(lines.values())[: LINES - 1]]
    order = np.argsort(seen["flux"], kind="stable")
    typical = order[np.linspace(0, seen.rows - 1, min(COLUMNS, seen.rows)).astype(int)]
    shown.append(("faint to bright", "black", typical))
    figure, axes = plt.subplots(
        len(shown), COLUMNS, figsize=(1.6 * COLUMNS, 1.75 * len(shown)), squeeze=False, gridspec_kw={"wspace": 0.05}
    )
    for line, (name, colour, rows) in zip(axes, shown, strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, color=colour, fontsize=8)
        for axis, image, row in zip(line, _band(seen, rows), rows, strict=False):
            low = seen["level"][row] - 3 * seen["rms"][row]
            axis.imshow(image, origin="lower", cmap="magma", vmin=low, vmax=max(image.max(), np.nextafter(low, np.inf)))
            axis.set_title(_short(str(seen["id"][row])), fontsize=6)
    return figure


def _named(seen: Measured, found: Finding) -> Int[np.ndarray, " m"]:
    """Rows of the ids that a finding names."""
    return np.flatnonzero(np.isin(seen["id"], found.evidence["first"]))[:COLUMNS]


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"…{name[-21:]}"


def _band(seen: Measured, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m h w"]:
    images = seen.store.take("images", rows)[:, 0]
    bad = seen.store.take("mask", rows)[:, 0] if "mask" in seen.store else np.zeros(images.shape, dtype=bool)
    return frames.filled(images, bad)


def _shortcuts(skills: Iterable[shortcuts.Skill]) -> Figure | None:
    """What each input tells of each label."""
    skills = list(skills)
    labels = list(dict.fromkeys(skill.label for skill in skills))
    if not labels:
        return None
    figure, axis = plt.subplots(figsize=(max(4.2, 2.8 * len(labels) + 2.0), 3.0))
    step = 0.9 / len(shortcuts.INPUTS)
    first = -step * (len(shortcuts.INPUTS) - 1) / 2
    for k, (source, said) in enumerate(shortcuts.INPUTS.items()):
        heights = [max(0.0, skill.value) for skill in skills if skill.source == source]
        bars = axis.bar(np.arange(len(labels)) + first + k * step, heights, 0.9 * step, label=said)
        axis.bar_label(bars, fmt="%.2f", fontsize=8, padding=1)
    warned = "above: a warning, for\nall but the profile"
    axis.axhline(shortcuts.HIGH, color="0.4", lw=1, ls="--", label=warned, zorder=0)
    axis.set_xticks(np.arange(len(labels)), labels)
    axis.set(ylim=(0, 1.05), ylabel="R², or skill above chance")
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), title="read from it alone", title_fontsize=8)
    return figure
