"""A look at what a preset draws, before anything is made of it.

    python -m pipeline.simulate --preview gallery.png simulation.preset=lens64 simulation.supersampling=auto
    python -m pipeline.simulate --arrays lenses.npz simulation.images=100

In the gallery each lens stands beside its noise-free image, under the targets that the preset has. The arrays are
`images`, `clean` (without noise) and `noise_map` (standard deviation of every pixel), each (n, h, w), and every
parameter and target by its name, (n,).
"""

import io
from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline import atomic, params
from pipeline.command import run
from pipeline.drawing import STYLE, png
from pipeline.errors import InputError
from pipeline.sources import Lenses, simulation

ROWS, COLUMNS = 4, 3  # of pairs of images
OPTIONS = {"--preview": ROWS * COLUMNS, "--arrays": 10_000}  # and how many lenses each is for at most
SHORT = {"log10_": "lg ", "_": " "}
KNEE = 3.0  # of the stretch, in units of the sky rms


def simulate(option: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Draw the first lenses of the preset as a PNG, or write its lenses as NumPy arrays."""
    if option not in OPTIONS:
        raise InputError(f"{option}: no such option; there are {' and '.join(OPTIONS)}; dvc repro makes a data set")
    ingest, asked = params.read(overrides, "ingest", "simulation")
    units = simulation.open_source(asked, ingest.path).target_units
    chosen = simulation.placed(asked, ingest.path)
    count = min(chosen.images, OPTIONS[option])
    lenses, drawn = simulation.read(chosen, np.arange(count)), simulation.draw(chosen, range(count))
    clean = simulation.clean(chosen, drawn)
    if option == "--arrays":
        arrays = {"images": lenses.images[:, 0], "clean": clean, "noise_map": simulation.noise_maps(chosen, drawn)}
        atomic.write(target, _npz(drawn.parameters | dict(lenses.targets) | arrays))
    else:
        with plt.rc_context(STYLE):
            atomic.write(target, png(gallery(lenses, clean, dict(units))))
    print(f"simulate: {count} lenses of {chosen.preset} in {target}")


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    written = io.BytesIO()
    np.savez(written, allow_pickle=False, **arrays)
    return written.getvalue()


def gallery(lenses: Lenses, clean: np.ndarray, units: dict[str, str]) -> Figure:
    """Pairs of a noisy image and the same without noise, stretched by arcsinh alike."""
    figure, axes = plt.subplots(ROWS, 2 * COLUMNS, figsize=(2 * COLUMNS * 1.5, ROWS * (1.6 + 0.13 * len(units))))
    softening = KNEE * max(float(lenses.noise[0]), 1e-3 * float(clean.max()))
    for axis in axes.flat:
        axis.set_axis_off()
    for i, pair in enumerate(zip(lenses.images[:, 0], clean, strict=True)):
        shown = axes[i // COLUMNS, 2 * (i % COLUMNS) :][:2]
        top = np.arcsinh(pair[1].max() / softening)
        for axis, image in zip(shown, pair, strict=True):
            axis.imshow(np.arcsinh(image / softening), origin="lower", cmap="inferno", vmin=-0.5, vmax=top)
        words = [_said(name, own[i], units[name]) for name, own in lenses.targets.items() if np.isfinite(own[i])]
        shown[0].set_title("\n".join(words), fontsize=7, loc="left")
    figure.tight_layout(pad=0.3)
    return figure


def _said(name: str, value: float, unit: str) -> str:
    for long, short in SHORT.items():
        name = name.replace(long, short)
    return f"{name} {value:.4g} {unit.removeprefix('dex(').removesuffix(')')}".rstrip()


if __name__ == "__main__":
    run(simulate, "--preview|--arrays FILE")
