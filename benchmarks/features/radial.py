"""Radial profiles of a block of 64 images against photutils' and against a loop over bincount; the others' cost.

    OMP_NUM_THREADS=1 python -m benchmarks.features.radial

The loop has the pixels' annuli and counts ready, as a patient user would, and shares no pixel out; photutils shares
them out exactly, as we do. Float32, one thread each; what depends on the frame alone is made beforehand.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from photutils.profiles import RadialProfile

from benchmarks.turns import compare, seconds
from features import MAPS, VECTORS

BLOCK = 64  # images
AGAIN = 20  # blocks in one turn against the loop, so that a turn is well above the clock's grain
OBSERVATION = {"sky_rms": 0.2}


def drawn(size: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(1, 0.2, (BLOCK, size, size)).astype(np.float32))


def blocks(work: Callable[[], object]) -> Callable[[], object]:
    return lambda: [work() for _ in range(AGAIN)]


def photutils(images: np.ndarray) -> list[np.ndarray]:
    """The exact profile of every image."""
    size = images.shape[1]
    edges, middle = np.arange(size // 2 + 1), ((size - 1) / 2, (size - 1) / 2)
    return [RadialProfile(image, middle, edges, method="exact").profile for image in images]


def bincounts(images: np.ndarray) -> Callable[[], list[np.ndarray]]:
    """Means over annuli of whole pixels, image by image, the annuli looked up."""
    size = images.shape[1]
    y, x = np.indices((size, size)) - (size - 1) / 2
    number = np.hypot(x, y).astype(int).ravel()
    pixels = np.bincount(number)
    return lambda: [np.bincount(number, image.ravel()) / pixels for image in images]


def cost(name: str, options: dict[str, object], images: torch.Tensor) -> float:
    """Microseconds an image."""
    feature = (MAPS | VECTORS)[name]
    supplied = {need: OBSERVATION[need] for need in feature.needs}
    work = partial(feature.compute, images, **options, **supplied)
    work()
    return float(np.median([seconds(work) for _ in range(9)])) / BLOCK * 1e6


OTHERS = [
    ("radial_residual", {}),
    *[("radial_profile", {"statistic": statistic}) for statistic in ("median", "quantile", "sigma_clipped")],
    ("radial_profile", {"axis_ratio": 0.7, "angle": 0.4}),
    ("radial_scatter", {}),
    ("radial_gradient", {}),
    ("curve_of_growth", {}),
    ("radii", {}),
    ("morphology", {}),
]


def main() -> None:
    torch.set_num_threads(1)
    profile = VECTORS["radial_profile"].compute
    for size, library, loop in ((64, 400, 2.5), (150, 120, 1.3)):
        images = drawn(size)
        theirs, ours = bincounts(images.numpy()), partial(profile, images)
        ours()
        compare(f"profile, {size} x {size}: photutils", partial(photutils, images.numpy()), ours, library)
        compare(f"profile, {size} x {size}: bincount", blocks(theirs), blocks(ours), loop)
    for name, options in OTHERS:
        costs = " | ".join(f"{cost(name, options, drawn(size)):7.1f}" for size in (64, 150))
        print(f"{name:16s} {' '.join(map(str, options.values())):16s} {costs} us an image at 64 | 150")


if __name__ == "__main__":
    main()
