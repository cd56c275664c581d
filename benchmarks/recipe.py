"""The default `engineered` recipe, store to store, against the same channels by the libraries of one image at a time.

    python -m benchmarks.recipe

Ours: the stage as a user runs it, on two cores; its start, which is the same for any number of images, is told apart by
a run on a quarter of them. Then, on one thread, each feature's share of the rest.
Theirs: astropy, photutils, scikit-image and NumPy on arrays in memory, one thread, nothing read or written.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from astropy.visualization import LinearStretch
from photutils.profiles import RadialProfile
from skimage.filters import sato

import features
from benchmarks.turns import seconds
from pipeline import params, store
from pipeline.sources import OBSERVED
from pipeline.store import Array, Store

ROOT = Path(__file__).parent.parent
SETS = {64: (40_000, 4_000, 30, 24), 150: (8_000, 800, 15, 8)}  # images, images/s, times theirs, images of theirs
BLOCK, RMS = 64, 0.5
KNOWN = {"sky_rms": RMS}


def write(path: Path, size: int, images: int) -> np.ndarray:
    """A store of noisy frames; the first of them."""
    block = np.random.default_rng(0).normal(1, 1, (2048, 1, size, size)).astype(np.float32)
    arrays = [
        Array("images", "float32", (1, size, size), ("b", "h", "w"), "electron / s"),
        Array("noise", "float32"),
        Array("peak", "float32"),
        Array("observed", "float64", (len(OBSERVED),), ("o",)),
    ]

    def rows(start: int, stop: int) -> dict[str, np.ndarray]:
        count = stop - start
        return {
            "images": np.resize(block, (count, 1, size, size)),
            "noise": np.full(count, RMS, np.float32),
            "peak": np.ones(count, np.float32),
            "observed": np.full((count, len(OBSERVED)), np.nan),
        }

    said = {"units": "electron / s", "pixel_scale": 0.1, "psf_fwhm": 0.16, "observed": list(OBSERVED)}
    store.write(path, images, arrays, rows, **said)
    return block[:, 0]


def stage(folder: Path, *words: str) -> float:
    """Seconds of `engineer` in a process of its own."""
    shutil.rmtree(folder / "out.zarr", ignore_errors=True)
    line = [sys.executable, "-m", "pipeline.engineer", "engineered", "images.zarr", "out.zarr", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return seconds(lambda: subprocess.run(line, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True))


def theirs(image: np.ndarray, recipe: params.Recipe) -> None:
    """The channels and columns of the recipe, as one would ask the libraries for them."""
    size = len(image)
    centre = ((size - 1) / 2, (size - 1) / 2)
    LinearStretch()(image)
    profile = RadialProfile(image, centre, np.arange(size // 2 + 1))
    y, x = np.indices(image.shape) - (size - 1) / 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    image - np.interp(radius, profile.radius, profile.profile)
    sato(image, sigmas=recipe.maps["ridge"]["sigmas"], black_ridges=False, mode="mirror")
    window = np.hanning(size + 2)[1:-1]
    np.log10(1 + np.fft.fftshift(np.abs(np.fft.fft2(image * window * window[:, None])) ** 2) / RMS**2)
    options = recipe.vectors["multipoles"]
    ring = (radius / options["width"]).astype(int).ravel()
    count = np.bincount(ring)
    for order in range(1, options["orders"] + 1):
        for wave in (np.cos, np.sin):
            np.bincount(ring, (image * wave(order * angle)).ravel()) / count


def shares(block: torch.Tensor, recipe: params.Recipe) -> dict[str, float]:
    """Microseconds an image of each feature, on one thread."""
    took: dict[str, float] = {}
    bands = block[:, None]
    for name, options in recipe.maps.items():
        took[name] = timed(lambda n=name, o=options: features.compute_maps(bands, {n: o}, KNOWN))
    for name, options in recipe.vectors.items():
        took[name] = timed(lambda n=name, o=options: features.compute_vectors(bands, {n: o}, KNOWN))
    return took


def timed(work: Callable[[], object]) -> float:
    work()
    return float(np.median([seconds(work) for _ in range(15)])) / BLOCK * 1e6


def copied(source: Path, target: Path) -> float:
    """Microseconds an image of reading the images and of writing what the recipe gives, nothing computed."""
    images, made = Store(source), Store(target)
    values = {name: made.read(name, 0, 1) for name in ("maps", "vectors")}
    shapes = {name: made.shape(name)[1:] for name in values}
    arrays = [
        Array("maps", "float32", shapes["maps"], ("c", "h", "w")),
        Array("vectors", "float32", shapes["vectors"], ("k",)),
    ]

    def rows(start: int, stop: int) -> dict[str, np.ndarray]:
        images.read("images", start, stop)
        return {name: np.broadcast_to(own, (stop - start, *shapes[name])) for name, own in values.items()}

    began = time.perf_counter()
    store.write(source.parent / "copy.zarr", images.rows, arrays, rows)
    return (time.perf_counter() - began) / images.rows * 1e6


def main() -> None:
    torch.set_num_threads(1)
    for size in SETS:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), size)


def measure(folder: Path, size: int) -> None:
    images, rate, times, few = SETS[size]
    recipe = params.read([], "features.recipes.engineered", path=ROOT / "params.yaml")
    for part in (images // 4, images):
        (folder / str(part)).mkdir()
        (folder / str(part) / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        block = write(folder / str(part) / "images.zarr", size, part)
    both, start = paced(folder, images, "engine.kind=processes")
    one, _ = paced(folder, images)
    peer = float(np.median([seconds(lambda i=i: theirs(block[i], recipe)) for i in range(few)])) * 1e6
    print(
        f"{size} px: {1e6 / both:.0f} images/s by two processes after {start:.1f} s of start   {bar(1e6 / both, rate)}"
    )
    print(f"  theirs {peer:.0f} µs an image on one core: x {peer / one:.1f} on one, x {peer / both:.1f} on two"
          f"   {bar(peer / both, times)}")  # fmt: skip
    parts = shares(torch.from_numpy(block[:BLOCK].copy()), recipe)
    whole = folder / str(images)
    parts = {"reading and writing": copied(whole / "images.zarr", whole / "out.zarr"), **parts}
    told = ", ".join(f"{name} {cost:.0f}" for name, cost in parts.items())
    print(f"  {one:.0f} µs an image on one core; {told}; together {sum(parts.values()):.0f}", flush=True)


def paced(folder: Path, images: int, *words: str) -> tuple[float, float]:
    """Microseconds an image, and the start in seconds: medians of three turns at all images and at a quarter."""
    turns = [[stage(folder / str(part), *words) for part in (images // 4, images)] for _ in range(3)]
    quarter, whole = np.median(turns, axis=0)
    each = (whole - quarter) / (images - images // 4)
    return float(each * 1e6), float(quarter - each * (images // 4))


def bar(value: float, least: float) -> str:
    return f"bar {least:g}: {'met' if value >= least else 'MISSED'}"


if __name__ == "__main__":
    main()
