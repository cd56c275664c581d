"""The power spectrum against a loop of NumPy's transform and bincount; the other Fourier features beside it.

    OMP_NUM_THREADS=1 python -m benchmarks.features.fourier

One thread a side, blocks of 64 images in float32. The loop has its window and its bins made beforehand.
"""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.turns import compare, seconds
from features.fourier import band_pass, coordinates, log_power, multipoles, phase, power_spectrum

IMAGES, BINS, SKY_RMS = 64, 16, 0.2
FEATURES: dict[str, Callable[[torch.Tensor], object]] = {
    "log_power": lambda images: log_power(images, sky_rms=SKY_RMS),
    "phase": lambda images: phase(images, sky_rms=SKY_RMS),
    "band_pass": band_pass,
    "coordinates": coordinates,
    "power_spectrum": lambda images: power_spectrum(images, BINS, sky_rms=SKY_RMS),
    "power_spectrum of the residual": lambda images: power_spectrum(images, BINS, "residual", sky_rms=SKY_RMS),
    "multipoles": multipoles,
    "multipoles to order 8": lambda images: multipoles(images, 8, 4.0),
}


def loop(size: int) -> Callable[[np.ndarray], np.ndarray]:
    """The power spectrum of one image, as a user of NumPy computes it."""
    hann = np.hanning(size + 2)[1:-1].astype(np.float32)
    window = np.outer(hann, hann)
    white = SKY_RMS**2 * (window**2).sum()
    f = np.fft.fftfreq(size)
    number = (np.hypot(f[:, None], f) / 0.5 * BINS).astype(int).ravel()
    pixels = np.bincount(number)

    def spectrum(image: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.fft2(image * window)) ** 2 / white
        return np.log10(1 + np.bincount(number, power.ravel()) / pixels)[:BINS]

    return spectrum


def main() -> None:
    torch.set_num_threads(1)
    print(f"{IMAGES} images; NumPy one by one, ours, times as fast; one thread each")
    for size, bar in ((64, 3), (150, 1.5)):
        images = torch.from_numpy(np.random.default_rng(0).normal(1, 1, (IMAGES, size, size)).astype(np.float32))
        one = loop(size)
        theirs = np.stack([one(image) for image in images.numpy()])
        difference = np.abs(power_spectrum(images, BINS, sky_rms=SKY_RMS)[0].numpy() - theirs).max()
        compare(
            f"power spectrum, {size} x {size}, differs by {difference:.0e}",
            lambda one=one, images=images: [one(image) for image in images.numpy()],
            lambda images=images: power_spectrum(images, BINS, sky_rms=SKY_RMS),
            bar,
        )
        for name, feature in FEATURES.items():
            took = sorted(seconds(lambda feature=feature, images=images: feature(images)) for _ in range(15))
            print(
                f"{name:32s} {size} x {size}: {took[7] / IMAGES * 1e6:7.1f} [{took[0] / IMAGES * 1e6:.1f}] us an image"
            )


if __name__ == "__main__":
    main()
