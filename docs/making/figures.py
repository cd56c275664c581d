"""The figures of the site, drawn by what the pipeline calls.

python -m docs.making.figures
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from docs.making import blog
from features.stretch import STRETCHES, intensity
from pipeline import params
from pipeline.drawing import STYLE, png
from pipeline.sources import simulation

FOLDER = Path(__file__).parents[1] / "figures"
SOFTENING, POWER = 3.0, 0.7  # the defaults of params.yaml
BRIGHT = 1000.0  # sky rms
PRIORS = "{einstein_radius: 1.4, source_x: 0.12, source_y: -0.06, source_magnitude: 22.5, source_radius: 0.25}"
LENS = (
    *("simulation.preset=lens64", "simulation.supersampling=auto", "simulation.seed=1", "simulation.size=64"),
    f"simulation.priors={PRIORS}",
)


def curves() -> tuple[Float[np.ndarray, " p"], dict[str, Float[np.ndarray, " p"]]]:
    """Pixels [sky rms], evenly from -10 to 10 and in equal ratios above, and each stretch of them, 1 at `BRIGHT`."""
    pixels = np.concatenate([np.linspace(-10, 10, 401), np.geomspace(10, BRIGHT, 200)[1:]])
    image = torch.from_numpy(pixels)[None, None]
    made = {name: intensity(image, name, SOFTENING, POWER, sky_rms=1.0)[0, 0].numpy() for name in STRETCHES}
    return pixels, {name: values / values[-1] for name, values in made.items()}


def lens() -> tuple[Float[np.ndarray, "h w"], float]:
    """One simulated lens with its galaxy, and its sky rms, in the same unit."""
    drawn = simulation.read(params.read(LENS, "simulation", path=FOLDER.parents[1] / "params.yaml"), np.arange(1))
    return drawn.images[0, 0], float(drawn.noise[0])


def stretches() -> Figure:
    """Curves above, the same lens under each below."""
    figure = plt.figure(figsize=(10, 5.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.25, 1])
    pixels, made = curves()
    near, all_ = top.subplots(1, 2)
    for name, values in made.items():
        near.plot(pixels, values, label=name)
        all_.plot(pixels[pixels > 0], values[pixels > 0], label=name)
    near.set(xlim=(-10, 10), ylim=(-0.42, 0.42), xlabel="pixel [sky rms]", ylabel="stretched", title="near the sky")
    near.axvspan(-1, 1, color="0.9", zorder=0)
    all_.set(xscale="log", xlim=(0.1, BRIGHT), xlabel="pixel [sky rms]", title="from the sky to the galaxy's core")
    all_.legend()
    image, sky = lens()
    for axis, name in zip(bottom.subplots(1, len(made)), made, strict=True):
        shown = intensity(torch.from_numpy(image)[None], name, SOFTENING, POWER, sky_rms=sky)[0].numpy()
        axis.imshow(shown, origin="lower", cmap="gray")
        axis.set_axis_off()
        axis.set_title(name)
    return figure


FIGURES = {"stretches": stretches, **blog.FIGURES}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with plt.rc_context(STYLE):
        for name, draw in FIGURES.items():
            (FOLDER / f"{name}.png").write_bytes(png(draw()))


if __name__ == "__main__":
    main()
