"""Stage `describe`: what can be measured on every image without its label.

    python -m pipeline.describe data/images.zarr data/lenses.parquet

Flux, signal-to-noise and the Einstein radius, of the first band, each from its own image and what is known of how that
was taken: no other row and no target has a part in it. `pipeline/lenses.py` says what the columns mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from features.ring.einstein import SMALLEST, einstein_radius
from pipeline import engine, frames, lenses, params
from pipeline.checks import frame, photons
from pipeline.command import run
from pipeline.engine import Tick
from pipeline.store import Store

Numbers = Float[np.ndarray, " n"]
Images = Float[np.ndarray, "n h w"]
NEAR = 3  # pixels a side of the box that tells light from noise


def describe(source: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Measure every image of the store `source` and write the table `target`."""
    floor, how = params.read(overrides, "features.floor", "engine")
    images = Store(source)
    frames.check(images)
    with engine.progress("describe", images.rows, 0) as tick:
        parts = dict(engine.run(how, Measure(images, floor), frames.blocks(images), tick))
    measured = pd.concat([parts[start] for start in sorted(parts)], ignore_index=True)
    lenses.write(_known(images).join(measured), target)
    rings = int(np.isfinite(measured["ring_radius"]).sum())
    print(f"describe: {images.rows} images, a ring in {rings} of them")


def _known(images: Store) -> pd.DataFrame:
    """What the store says of every row."""
    rows = np.arange(images.rows)
    return pd.DataFrame(
        {
            "id": images.read("id") if "id" in images else rows.astype(str),
            "row": rows,
            "group": images.read("group") if "group" in images else rows,
            "kind": images.read("kind") if "kind" in images else "",
        }
    )


@dataclass(frozen=True)
class Measure:
    """The job: rows [start, stop) of the table, with their start.

    Numbers are rounded to float32: how many images are measured at a time shows in their last digits in float64.
    """

    images: Store
    floor: float  # of the sky rms, as a fraction of an image's own peak: noise-free images have no sky to speak of

    def weight(self, item: tuple[int, int]) -> int:
        return item[1] - item[0]

    def __call__(self, item: tuple[int, int], tick: Tick) -> tuple[int, pd.DataFrame]:
        start, stop = item
        band = frames.read(self.images, start, stop)[:, 0]
        above = band - np.median(band[:, frame.sky(*band.shape[1:])], axis=1)[:, None, None]
        noise = self._noise(start, stop)
        scale, psf = (self._observed(name, start, stop) for name in ("pixel_scale", "psf_fwhm"))
        radius = ring_radius(above, noise, psf / scale, self.floor)  # pixels
        known = np.isfinite(scale)
        numbers = {
            "flux": above.sum(axis=(1, 2)),
            "signal_to_noise": signal_to_noise(above, noise),
            "ring_radius": np.where(known, radius * scale, radius),
            "ring_over_psf": radius * scale / psf,
        }
        tick(stop - start)
        columns = {name: values.astype(np.float32) for name, values in numbers.items()}
        return start, pd.DataFrame(columns | {"ring_unit": np.where(known, "arcsec", "pixel")})

    def _noise(self, start: int, stop: int) -> Numbers:
        """The sky rms; NaN where it is unknown."""
        if "noise" not in self.images:
            return np.full(stop - start, np.nan)
        return self.images.read("noise", start, stop).astype(np.float64)

    def _observed(self, name: str, start: int, stop: int) -> Numbers:
        """What each image says of how it was taken, or else the store of all; NaN where neither does."""
        said = self.images.attributes
        of_all = np.full(stop - start, said.get(name) or np.nan)
        if "observed" not in self.images or name not in said.get("observed", []):
            return of_all
        own = self.images.read("observed", start, stop)[:, said["observed"].index(name)]
        return np.where(own > 0, own, of_all)


def signal_to_noise(above: Images, rms: Numbers) -> Numbers:
    """Flux of the pixels that stand out, over the noise that the sky gives their sum: sum I / (rms sqrt(N)).

    A pixel stands out if the 3 x 3 pixels about it have a mean of twice the sky rms, six times its own: white noise
    alone has none, and an image without any has 0. The light's own photon noise is left out. NaN where the rms is
    unknown or zero.
    """
    near = frame.separable(above, np.full(NEAR, 1 / NEAR))
    inner = above[:, NEAR // 2 : -(NEAR // 2), NEAR // 2 : -(NEAR // 2)]
    light = near > photons.BRIGHT * rms[:, None, None]
    noise = np.where(rms > 0, rms, np.nan) * np.sqrt(light.sum(axis=(1, 2)).clip(1))
    return np.where(light, inner, 0.0).sum(axis=(1, 2)) / noise


def ring_radius(above: Images, rms: Numbers, psf: Numbers, floor: float) -> Numbers:
    """The project's own Einstein radius (features/ring/einstein.py) in pixels; `psf` too.

    Every image is in units of its own sky rms, which counts as at least `floor` of its peak. A PSF that is unknown is
    taken to be narrower than the narrowest ring looked for. NaN where no ring is found, where the sky rms is unknown,
    and of frames too small to look in.
    """
    if min(above.shape[1:]) < SMALLEST:
        return np.full(len(above), np.nan)
    unit = np.maximum(rms, floor * above.max(axis=(1, 2)))  # NaN stays NaN
    scaled = torch.from_numpy(above / np.where(unit > 0, unit, 1.0)[:, None, None])
    radius = np.full(len(above), np.nan)
    widths = np.where(np.isfinite(psf), psf, 0.0)
    for width in np.unique(widths):  # mostly one
        rows = widths == width
        found, _ = einstein_radius(scaled[torch.from_numpy(rows)], sky_rms=1.0, pixel_scale=1.0, psf_fwhm=float(width))
        radius[rows] = found[:, 0].numpy()
    return np.where(np.isfinite(unit), radius, np.nan)


if __name__ == "__main__":
    run(describe, "IMAGES LENSES")
