"""The min-max arcsinh stretch against astropy's, one image at a time, on one thread each; and what wavelets cost.

OMP_NUM_THREADS=1 python -m benchmarks.features.stretch
"""

import numpy as np
import torch
from astropy.visualization import AsinhStretch, MinMaxInterval

from benchmarks.turns import TURNS, compare, seconds
from features.stretch import anscombe, intensity, minmax, zscale
from features.wavelet.scattering import scattering
from features.wavelet.starlet import starlet, starlet_planes

IMAGES, BATCH, KNEE = 1024, 64, 0.1


def lenses(size: int, images: int) -> torch.Tensor:
    """Noise of rms 1 below a galaxy 50 times as bright."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    galaxy = 50 * np.exp(-np.hypot(x, y) / (size / 12))
    return torch.from_numpy((galaxy + np.random.default_rng(0).normal(0, 1, (images, size, size))).astype(np.float32))


def against_astropy(size: int, bar: float) -> None:
    images = lenses(size, IMAGES)
    interval, stretch = MinMaxInterval(), AsinhStretch(KNEE)
    differs = max(float(np.abs(stretch(interval(i.numpy())) - minmax(i[None], KNEE)[0].numpy()).max()) for i in images)
    compare(
        f"min-max + arcsinh, {size} x {size}, differs by {differs:.0e}",
        lambda: [stretch(interval(image)) for image in images.numpy()],
        lambda: [minmax(batch, KNEE) for batch in images.split(BATCH)],
        bar,
    )


def costs(size: int) -> None:
    images = lenses(size, BATCH)
    features = {
        "intensity: arcsinh": lambda: intensity(images, "arcsinh", sky_rms=1.0),
        "intensity: log": lambda: intensity(images, "log", sky_rms=1.0),
        "anscombe": lambda: anscombe(images, sky_rms=1.0, electrons=10.0),
        "zscale": lambda: zscale(images),
        "starlet, scale 1": lambda: starlet(images),
        "starlet, scale 3": lambda: starlet(images, 3),
        "starlet, 4 planes and the rest": lambda: starlet_planes(images),
        "scattering, 3 scales, 4 angles": lambda: scattering(images),
    }
    for name, work in features.items():
        work()
        took = sorted(seconds(work) for _ in range(TURNS))
        micro = [1e6 * took[i] / BATCH for i in (TURNS // 2, 0, -1)]
        print(f"{name:34s} {size} x {size} {micro[0]:9.1f} us an image [{micro[1]:.1f}, {micro[2]:.1f}]", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print("astropy one image at a time, ours in batches of 64, times as fast as astropy; one thread each")
    against_astropy(64, 2)
    against_astropy(150, 1.5)
    costs(64)
    costs(150)


if __name__ == "__main__":
    main()
