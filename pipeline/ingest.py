"""Stage `ingest`: any supported source into one store of images.

    python -m pipeline.ingest data/images.zarr

Row i of the store is row i of the source. Beside images, targets, ids and groups it holds the sky rms of each image
(estimated where the source does not know it, and marked so) and its peak.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline import params, store
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.sources import Source
from pipeline.store import Array

MAD_TO_RMS = 1.4826  # of a Gaussian


def ingest(target: str, overrides: Iterable[str] = ()) -> None:
    """Read the source that params.yaml names and write its rows to the store `target`."""
    chosen, simulation = params.read(overrides, "ingest", "simulation")
    source = open_source(chosen, simulation)
    bands, height, width = source.shape
    arrays = [
        Array("images", "float32", (bands, height, width), ("b", "h", "w"), source.units, "image of the source"),
        Array("targets", "float64", (len(source.target_names),), ("t",), "", "targets; NaN is unknown"),
        Array("id", "str", long_name="name of the row in its source"),
        Array("group", "int64", long_name="rows that must not be parted"),
        Array("noise", "float32", (), (), source.units, "sky rms per pixel"),
        Array("noise_known", "bool", long_name="the source knew the sky rms; otherwise it was estimated here"),
        Array("peak", "float32", (), (), source.units, "brightest pixel"),
    ]
    store.write(
        target,
        source.rows,
        arrays,
        lambda start, stop: _columns(source, start, stop),
        target_names=list(source.target_names),
        pixel_scale=source.pixel_scale,
        psf_fwhm=source.psf_fwhm,
        units=source.units,
        provenance=source.provenance,
    )
    print(f"ingest: {source.rows} images of {bands} x {height} x {width} from {chosen.source}")


def open_source(chosen: params.Ingest, simulation: params.Simulation) -> Source:
    """The source that params name; its module is imported only now."""
    module = import_module(f"pipeline.sources.{chosen.source}")
    return module.open_source(simulation if chosen.source == "simulation" else chosen)


def border_rms(images: Float[np.ndarray, "n b h w"]) -> Float[np.ndarray, " n"]:
    """Sky rms of each image from its border: the scaled median absolute deviation beyond 0.42 of the shorter side.

    Of several bands, the first. Zero where the border has been clipped to one value; too large where light reaches
    the border.
    """
    height, width = images.shape[2:]
    y, x = np.mgrid[:height, :width]
    far = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) > 0.42 * min(height, width)
    border = images[:, 0, far]
    return MAD_TO_RMS * np.median(np.abs(border - np.median(border, axis=1, keepdims=True)), axis=1)


def _columns(source: Source, start: int, stop: int) -> dict[str, Any]:
    """Rows [start, stop) of every array of the store."""
    lenses = source.read(start, stop)
    known = np.isfinite(lenses.noise)
    blank = ~lenses.images.any(axis=(1, 2, 3))
    if blank.any():
        raise InputError(f"{lenses.id[blank][0]}: every pixel is zero; leave this image out (ingest.pattern)")
    return {
        "images": lenses.images,
        "targets": np.stack([lenses.targets[name] for name in source.target_names], axis=1),
        "id": lenses.id,
        "group": lenses.group,
        "noise": np.where(known, lenses.noise, border_rms(lenses.images)).astype(np.float32),
        "noise_known": known,
        "peak": lenses.images.max(axis=(1, 2, 3)),
    }


if __name__ == "__main__":
    run(ingest, "STORE")
