"""A study in one figure: the error of every arm, best at the top, one panel a problem, size and target."""

import io
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pipeline.drawing import STYLE
from studies.text import title

Tree = dict[str, Any]
ACROSS = 3  # panels in a row
COLOURS = {"better": "#009e73", "worse": "#d55e00", "equivalent": "#0072b2", "undecided": "0.35", "control": "black"}
MARKS = {"better": "v", "worse": "^", "equivalent": "s", "undecided": "o", "control": "D"}


def drawn(tree: Tree) -> bytes:
    """As SVG, without a date in it."""
    panels = tree["panels"]
    across = min(len(panels), ACROSS)
    down = -(-len(panels) // across)
    tall = max(1.6, 0.9 + 0.21 * max(len(panel["arms"]) for panel in panels))
    with plt.rc_context({**STYLE, "svg.hashsalt": "lensprep", "font.size": 9}):
        size = (0.6 + 4.4 * across, tall * down + 0.5)
        drawing, axes = plt.subplots(down, across, figsize=size, squeeze=False, layout="constrained")
        for axis in axes.flat[len(panels) :]:
            axis.remove()
        for axis, panel in zip(axes.flat, panels, strict=False):
            _panel(axis, panel)
        used = {_word(arm) for panel in panels for arm in panel["arms"] if not arm["failed"]}
        handles = [plt.Line2D([], [], ls="", marker=MARKS[word], color=COLOURS[word], label=word) for word in MARKS]
        drawing.legend(
            handles=[each for each in handles if each.get_label() in used], loc="outside lower center", ncols=5
        )
        file = io.BytesIO()
        drawing.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(drawing)
    return file.getvalue()


def _word(arm: Tree) -> str:
    return str(arm["rmse_difference"]["word"]) if "rmse_difference" in arm else "control"


def _panel(axis: Axes, panel: Tree) -> None:
    """Points are means over seeds, bars standard deviations; lines say what costs no network."""
    arms = sorted((arm for arm in panel["arms"] if not arm["failed"]), key=lambda arm: -arm["rmse"])
    for line, arm in enumerate(arms):
        word = _word(arm)
        axis.errorbar(
            arm["rmse"], line, xerr=arm.get("rmse_std"), fmt=MARKS[word], color=COLOURS[word], ms=4.5, lw=1, capsize=2
        )
    constant = panel["shortcuts"]["constant"]["rmse"]
    name = max(panel["shortcuts"], key=lambda each: panel["shortcuts"][each]["r2"])
    axis.axvline(constant, color="0.6", lw=1, ls=":")
    axis.text(constant, len(arms) - 0.4, "constant", fontsize=7, color="0.4", ha="center", va="bottom")
    if name != "constant":
        best = panel["shortcuts"][name]["rmse"]
        axis.axvline(best, color="0.6", lw=1, ls="--")
        axis.text(best, len(arms) - 0.4, "best shortcut", fontsize=7, color="0.4", ha="center", va="bottom")
    axis.set_yticks(range(len(arms)), [arm["arm"] for arm in arms])
    axis.set_ylim(-0.6, len(arms) - 0.4)
    axis.set_title(title(panel), fontsize=9, pad=14)
    axis.set_xlabel(f"RMSE{panel['unit']}, mean ± standard deviation over seeds")
    axis.grid(axis="y", color="0.92", lw=0.8)
    axis.set_axisbelow(True)
