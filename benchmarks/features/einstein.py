"""The Einstein radius against the peak of a radial profile by photutils, one image at a time; one thread a side.

    OMP_NUM_THREADS=1 python -m benchmarks.features.einstein

The peak says nothing of errors or of whether there is a ring, and a bright arc misleads it; no library's call does what
ours does, short of fitting a model, which takes seconds an image.
"""

import numpy as np
import torch
from photutils.profiles import RadialProfile

from benchmarks.turns import compare, seconds
from features.ring.annulus import annulus_response
from features.ring.einstein import einstein_radius
from features.ring.mask import ring_mask

IMAGES = 64  # a block, as `engineer` has it
KNOWN = {"sky_rms": 0.01, "pixel_scale": 0.1, "psf_fwhm": 0.16}


def rings(size: int) -> torch.Tensor:
    """Rings around galaxies, with noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    r = np.hypot(x, y)
    images = 5 * np.exp(-r / 3) + 0.5 * np.exp(-(((r - size / 5) / 1.5) ** 2) / 2)
    return torch.from_numpy((images + random.normal(0, 0.01, (IMAGES, size, size))).astype(np.float32))


def peaks(images: np.ndarray) -> list[float]:
    """Radius at which each image's profile is highest, beyond the galaxy's core."""
    size = images.shape[1]
    middle, edges = ((size - 1) / 2,) * 2, np.arange(size // 2)
    profiles = [RadialProfile(image, middle, edges).profile for image in images]
    return [float(profile[size // 10 :].argmax()) for profile in profiles]


def measure(size: int) -> None:
    images = rings(size)
    theirs = images.numpy()
    compare(f"einstein_radius, {size} px", lambda: peaks(theirs), lambda: einstein_radius(images, **KNOWN), None)
    compare(f"ring_mask, {size} px", lambda: peaks(theirs), lambda: ring_mask(images, **KNOWN), None)
    compare(f"annulus_response, {size} px", lambda: peaks(theirs), lambda: annulus_response(images), None)
    each = min(seconds(lambda: einstein_radius(images, **KNOWN)) for _ in range(9)) / IMAGES
    print(f"einstein_radius, {size} px: {1e3 * each:.2f} ms an image at best")


def main() -> None:
    torch.set_num_threads(1)
    for size in (64, 150):
        measure(size)


if __name__ == "__main__":
    main()
