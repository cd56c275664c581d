"""How figures look, and how one becomes bytes that are the same every time."""

import io
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

matplotlib.use("agg")  # no window, wherever this runs

STYLE: Any = {
    "figure.dpi": 120,
    "savefig.bbox": "tight",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]),
    "legend.frameon": False,
}  # Okabe & Ito's colours: they survive colour blindness


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF with text that can be searched, without a date or a version in it; it stays open."""
    drawing = io.BytesIO()
    with plt.rc_context({"pdf.fonttype": 42}):
        figure.savefig(drawing, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
    return drawing.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as a PNG without a date or a version in it; it is closed."""
    drawing = io.BytesIO()
    figure.savefig(drawing, format="png", metadata={"Software": None})
    plt.close(figure)
    return drawing.getvalue()
