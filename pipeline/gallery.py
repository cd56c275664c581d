"""A gallery of every feature: the same eight lenses, what each feature makes of them, what it keeps, loses and costs.

    python -m pipeline.gallery data/images.zarr gallery

Writes `index.html`, which needs no network, and `features.png` into the folder. Features are drawn with their default
options; `intensity` and others that a set's stretch decides have the stretch of params.yaml.
"""

import base64
import html
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from features import MAPS, VECTORS, Feature
from pipeline import atomic, params
from pipeline.command import run
from pipeline.drawing import STYLE, png
from pipeline.errors import InputError
from pipeline.observation import observation
from pipeline.store import Store

LENSES = 8
TIMED = 64  # images in the block whose time is taken
TURNS = 3
SIDE = 1.0  # inches of a picture
WIDE = 10.0  # times the typical pixel, beyond which a map is drawn by arcsinh
DEEP = 300.0  # and the knee of that, below the brightest pixels at least


@dataclass(frozen=True)
class Row:
    """What a feature makes of the lenses."""

    feature: Feature
    made: np.ndarray  # (8, h, w) or (8, k)
    cost: float  # microseconds an image

    @property
    def drawn(self) -> np.ndarray:
        """What it made, for the eye."""
        return _shown(self.made) if self.made.ndim == 3 else self.made

    @property
    def said(self) -> dict[str, str]:
        """What stands beside its pictures."""
        options = ", ".join(f"{name} {value}" for name, value in self.feature.options.items())
        known = self.made[np.isfinite(self.made)]
        span = f"{known.min():.3g} to {known.max():.3g}" if known.size else "nothing found"
        shape = "" if self.made.ndim == 3 else f"{self.made.shape[1]} columns, "
        return {
            "name": self.feature.name,
            "options": options or "no options",
            "numbers": f"{shape}{span}; {self.cost:,.{0 if self.cost >= 10 else 1}f} µs an image",
            "keeps": f"keeps {self.feature.keeps}",
            "loses": f"loses {self.feature.loses}",
        }


def gallery(source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Draw every feature of lenses of the image store `source` into the folder `target`."""
    floor = params.read(overrides, "features.floor")
    images = Store(source)
    many = torch.from_numpy(images.read("images", 0, min(TIMED, images.rows))[:, 0])
    chosen = np.linspace(0, len(many) - 1, LENSES).round().astype(int)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [
        row for feature in (*MAPS.values(), *VECTORS.values()) if (row := _row(feature, images, many, chosen, floor))
    ]
    torch.set_num_threads(threads)
    with plt.rc_context(STYLE):
        atomic.write(Path(target) / "features.png", png(_figure(rows)))
        atomic.write(Path(target) / "index.html", _page(rows, source))
    print(f"gallery: {len(rows)} features of {LENSES} lenses in {Path(target) / 'index.html'} and features.png")


def _row(feature: Feature, images: Store, many: Tensor, chosen: np.ndarray, floor: float) -> Row | None:
    """The feature of the chosen lenses; nothing, said aloud, of one that these images do not suit."""
    try:
        known = observation(images, floor, {need: feature.name for need in feature.needs})
        feature.compute(many, **known)  # whatever is prepared once
    except InputError as error:
        print(f"gallery: left out: {error}")
        return None
    except ValueError as error:
        print(f"gallery: left out: {feature.name}: {error}")
        return None
    took = []
    for _ in range(TURNS):
        began = time.perf_counter()
        made = feature.compute(many, **known)
        took.append(time.perf_counter() - began)
    values = made if isinstance(made, Tensor) else made[0]
    return Row(feature, values[chosen].numpy(), float(np.median(took)) / len(many) * 1e6)


def _figure(rows: list[Row]) -> Figure:
    """One row a feature, its words at the left."""
    figure, axes = plt.subplots(
        len(rows), LENSES + 1, figsize=(LENSES * SIDE + 4, len(rows) * SIDE * 1.15),
        gridspec_kw={"width_ratios": [4, *[SIDE] * LENSES], "wspace": 0.04, "hspace": 0.12}, squeeze=False,
    )  # fmt: skip
    for row, (words, *pictures) in zip(rows, axes, strict=True):
        said = row.said
        words.set_axis_off()
        words.text(0, 1.0, said["name"], fontsize=9, weight="bold", va="top")
        lines = [said["options"], said["numbers"], said["keeps"], said["loses"]]
        words.text(0, 0.79, "\n".join(_wrapped(line) for line in lines), fontsize=6, va="top", linespacing=1.2)
        drawn = row.drawn
        for axis, values in zip(pictures, drawn, strict=True):
            _draw(axis, values, drawn)
    return figure


def _wrapped(line: str, width: int = 70) -> str:
    words, lines = line.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:2])


def _draw(axis: plt.Axes, values: np.ndarray, row: np.ndarray) -> None:
    """A map at the scale of its row, or a vector as a line."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(values.ndim == 1)
        side.set_color("0.85")
    if values.ndim == 2:
        low, high = _limits(row)
        axis.imshow(values, origin="lower", cmap="magma", vmin=low, vmax=high)
    elif len(values) > 8:
        axis.plot(values, lw=0.9)
        axis.set_ylim(*_limits(row))
    else:
        shown = "\n".join("none" if np.isnan(value) else f"{value:.3g}" for value in values)
        axis.text(0.5, 0.5, shown, ha="center", va="center", fontsize=7, transform=axis.transAxes)


def _shown(maps: np.ndarray) -> np.ndarray:
    """Maps for the eye: by arcsinh where a few pixels are much brighter than most."""
    typical, most = 3 * float(np.median(np.abs(maps))), float(np.percentile(np.abs(maps), 99.7))
    return np.arcsinh(maps / max(typical, most / DEEP)) if typical < most / WIDE else maps


def _limits(row: np.ndarray) -> tuple[float, float]:
    """Most of a row's values, so that one bright pixel does not darken the others."""
    known = row[np.isfinite(row)]
    low, high = np.percentile(known, [0.5, 99.7]) if known.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _page(rows: list[Row], source: str) -> str:
    """The same as a page: no script, no network."""
    body = "\n".join(_section(row) for row in rows)
    return PAGE.format(count=len(rows), source=html.escape(source), body=body)


def _section(row: Row) -> str:
    said = {name: html.escape(words) for name, words in row.said.items()}
    return (
        f'<section id="{said["name"]}"><h2>{said["name"]}</h2><p class="options">{said["options"]}</p>'
        f'<img alt="{said["name"]} of the lenses" src="data:image/png;base64,{_strip(row)}">'
        f"<p>{said['numbers']}</p><p><b>Keeps</b> {said['keeps'][6:]}. <b>Loses</b> {said['loses'][6:]}.</p></section>"
    )


def _strip(row: Row) -> str:
    """The lenses of a row side by side, as a PNG in base64."""
    if row.made.ndim == 2:
        figure, axes = plt.subplots(1, LENSES, figsize=(LENSES * SIDE, SIDE), gridspec_kw={"wspace": 0.05})
        for axis, values in zip(axes, row.made, strict=True):
            _draw(axis, values, row.made)
        return base64.b64encode(png(figure)).decode()
    drawn = row.drawn
    low, high = _limits(drawn)
    seen = np.clip((drawn[:, ::-1] - low) / (high - low), 0, 1)
    side_by_side = np.concatenate([np.pad(one, ((0, 0), (0, 2)), constant_values=0) for one in seen], axis=1)
    drawing = io.BytesIO()
    plt.imsave(drawing, colormaps["magma"](side_by_side), format="png", metadata={"Software": None})
    return base64.b64encode(drawing.getvalue()).decode()


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>lensprep: {count} features</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1f; background: #fdfdfd; }}
section {{ border-top: 1px solid #ccc; padding: .6rem 0 1rem; }}
h2 {{ font-size: 1.1rem; margin: 0; font-family: ui-monospace, monospace; }}
p {{ margin: .25rem 0; }} .options {{ color: #666; }}
img {{ width: 100%; image-rendering: pixelated; margin: .3rem 0; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e8e8ea; background: #17171a; }} .options {{ color: #aaa; }} }}
</style>
<h1>{count} features of the same eight lenses</h1>
<p>From {source}. Options are the defaults; each row has one scale, by arcsinh where few pixels are bright; times are of
one thread, in blocks of 64.</p>
{body}
</html>
"""


if __name__ == "__main__":
    run(gallery, "IMAGES FOLDER")
