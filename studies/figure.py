"""A study in one figure: the error of every arm, best at the top, one panel a problem, size and target."""

import io
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pipeline.drawing import STYLE
from pipeline.verdict.words import SHORTCUTS
from studies.text import NAMES, title

Tree = dict[str, Any]
ACROSS = 3  # panels in a row
COLOURS = {"better": "#009e73", "worse": "#d55e00", "equivalent": "#0072b2", "undecided": "0.35", "control": "black"}
MARKS = {"better": "v", "worse": "^", "equivalent": "s", "undecided": "o", "control": "D"}
KINDS = {"network": ("D", "black"), "shortcut": ("o", "0.6"), "published": ("*", "#cc79a7")}


def drawn(tree: Tree) -> bytes:
    """As SVG, without a date in it."""
    panels = tree["panels"]
    across = min(len(panels), ACROSS)
    down = -(-len(panels) // across)
    tall = max(1.6, 0.9 + 0.21 * max(_lines(panel) for panel in panels))
    with plt.rc_context({**STYLE, "svg.hashsalt": "lensprep", "font.size": 9}):
        size = (0.6 + 4.4 * across, tall * down + 0.5)
        drawing, axes = plt.subplots(down, across, figsize=size, squeeze=False, layout="constrained")
        for axis in axes.flat[len(panels) :]:
            axis.remove()
        for axis, panel in zip(axes.flat, panels, strict=False):
            _panel(axis, panel, _metric(panels, panel["unit"]))
        handles = [
            plt.Line2D([], [], ls="", marker=mark, color=colour, label=word)
            for word, (mark, colour) in _used(panels).items()
        ]
        drawing.legend(handles=handles, loc="outside lower center", ncols=5)
        file = io.BytesIO()
        drawing.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(drawing)
    return file.getvalue()


def _used(panels: list[Tree]) -> dict[str, tuple[str, str]]:
    """The marks and colours of a drawing, by what they stand for."""
    if not any(_compares(panel) for panel in panels):
        return KINDS
    words = {_word(arm) for panel in panels for arm in panel["arms"] if not arm["failed"]}
    return {word: (MARKS[word], COLOURS[word]) for word in MARKS if word in words}


def _lines(panel: Tree) -> int:
    if _compares(panel):
        return len(panel["arms"])
    return len(panel["arms"]) + len(panel["shortcuts"]) + len(panel["published"])


def _compares(panel: Tree) -> bool:
    return any(arm["against"] for arm in panel["arms"])


def _word(arm: Tree) -> str:
    """How the arm stands to its control, which may have failed."""
    if arm["against"] is None:
        return "control"
    return str(arm["rmse_difference"]["word"]) if "rmse_difference" in arm else "undecided"


def _metric(panels: list[Tree], unit: str) -> str:
    """The one that most of what has been published in a unit is said in."""
    said = [values for panel in panels if panel["unit"] == unit for values in panel["published"].values()]
    return max(NAMES, key=lambda name: sum(name in values for values in said))


def _panel(axis: Axes, panel: Tree, metric: str) -> None:
    if _compares(panel):
        _compared(axis, panel)
    else:
        _measured(axis, panel, metric)
    axis.set_title(title(panel), fontsize=9, pad=14)
    axis.locator_params(axis="x", nbins=5)
    axis.grid(axis="y", color="0.92", lw=0.8)
    axis.set_axisbelow(True)


def _compared(axis: Axes, panel: Tree) -> None:
    """Points are means over seeds, bars standard deviations; lines say what costs no network."""
    arms = sorted((arm for arm in panel["arms"] if not arm["failed"]), key=lambda arm: -arm["rmse"])
    for line, arm in enumerate(arms):
        word = _word(arm)
        axis.errorbar(
            arm["rmse"], line, xerr=arm.get("rmse_std"), fmt=MARKS[word], color=COLOURS[word], ms=4.5, lw=1, capsize=2
        )
    shortcuts = {name: said["rmse"] for name, said in panel["shortcuts"].items()}
    best = min(shortcuts, key=lambda name: shortcuts[name])
    lines = {"a constant": shortcuts["constant"], "the best shortcut": shortcuts[best]}
    if best == "constant":
        del lines["the best shortcut"]
    low, high = axis.get_xlim()
    near = {name: value for name, value in lines.items() if abs(2 * value - low - high) <= 3 * (high - low)}
    for name, value in near.items():
        axis.axvline(value, color="0.6", lw=1, ls=":" if name == "a constant" else "--")
        axis.text(value, len(arms) - 0.4, name, fontsize=7, color="0.4", ha="center", va="bottom")
    far = [f"{name} has {value:.3g}" for name, value in lines.items() if name not in near]
    axis.set_yticks(range(len(arms)), [arm["arm"] for arm in arms])
    axis.set_ylim(-0.6, len(arms) - 0.4)
    axis.set_xlabel("\n".join([f"RMSE{panel['unit']}, ± standard deviation over seeds", "; ".join(far)]).strip())


def _measured(axis: Axes, panel: Tree, metric: str) -> None:
    """Networks with their intervals, what costs none, and what has been published."""
    arms = [arm | {"kind": "network"} for arm in panel["arms"] if not arm["failed"]]
    shortcuts = [
        {"arm": SHORTCUTS.get(name, name), "kind": "shortcut", **said} for name, said in panel["shortcuts"].items()
    ]
    published = [{"arm": name, "kind": "published", **said} for name, said in panel["published"].items()]
    rows = [row for row in (*arms, *shortcuts, *published) if metric in row]
    rows.sort(key=lambda row: row[metric], reverse=metric != "r2")
    for line, row in enumerate(rows):
        mark, colour = KINDS[row["kind"]]
        ends = row.get(f"{metric}_interval")
        reach = [[row[metric] - ends[0]], [ends[1] - row[metric]]] if ends else None
        axis.errorbar(row[metric], line, xerr=reach, fmt=mark, color=colour, ms=4.5, lw=1, capsize=2)
    axis.set_yticks(range(len(rows)), [row["arm"] for row in rows])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel(f"{NAMES[metric]}{'' if metric == 'r2' else panel['unit']}, {panel['confidence']:.0%} interval")
