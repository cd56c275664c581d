"""Noise: is there any, is the sky at zero and whole, and is its rms what the source says?

Fine noise is measured where no lens is, by fourth differences along both axes: what a PSF has blurred hardly
reaches that high a frequency (with 1.6 pixels of FWHM, a millionth of the peak is left), and white noise does.
The idea is Immerkaer's (1996, CVIU 64, 300) with second differences.
"""

import numpy as np
from jaxtyping import Float

from pipeline.checks import frame
from pipeline.checks.measured import Measured
from pipeline.findings import Finding, finding

FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0]) / np.sqrt(70)  # white noise keeps its rms
MARGIN = 2
GAUSSIAN_MAD = 1.4826
NOISE_FREE = 1e-4  # of the peak: 10^8 electrons would have to lie in the brightest pixel of a background-free frame
FLOOR = 0.05  # of the sky pixels at the very lowest value: in continuous noise that is one pixel
NEGATIVE = 0.01  # of the sky pixels below zero: a sky-subtracted frame has half of them there
RECTIFIED = 0.6  # skewness: of |Gaussian noise| 1.0, of Gaussian noise 0 +- 0.1
PEDESTAL = 3.0  # sky rms: the knee of the stretches (features.softening)
WRONG = 2.0  # factor between the stated and the measured rms: drizzled (correlated) noise stays within it
HALF = 0.5  # of the images


def measure(images: Float[np.ndarray, "n h w"]) -> dict[str, np.ndarray]:
    """Sky level, rms, fine noise, and how the sky is distributed, of images without bad pixels."""
    border = frame.sky(*images.shape[1:])
    sky = images[:, border]  # (n, m)
    level = np.median(sky, axis=1)
    fine = fine_noise(images)[:, frame.inner(border, MARGIN)]
    fine_rms = np.sqrt(np.pi / 2) * np.abs(fine).mean(axis=1) if fine.shape[1] else np.zeros(len(images))
    deviation = np.abs(sky - level[:, None])
    rms = np.maximum(GAUSSIAN_MAD * np.median(deviation, axis=1), fine_rms)  # of a clipped sky the MAD may be 0
    clipped = np.where(deviation <= 3 * rms[:, None], sky, np.nan)
    centred = clipped - np.nanmean(clipped, axis=1, keepdims=True)
    variance = np.nanmean(centred**2, axis=1)
    lowest = sky.min(axis=1)
    return {
        "level": level,
        "sky_mean": sky.mean(axis=1),
        "rms": rms,
        "fine": fine_rms,
        "skewness": np.nanmean(centred**3, axis=1) / np.where(variance > 0, variance, 1.0) ** 1.5,
        "floor": (sky == lowest[:, None]).mean(axis=1),
        "sky_constant": lowest == sky.max(axis=1),
        "negative": (sky < 0).mean(axis=1),
        "zeros": (images == 0).mean(axis=(1, 2)),
        "noise_free": fine_rms < NOISE_FREE * (images.max(axis=(1, 2)) - level),
    }


def fine_noise(images: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n a b"]:
    """Fourth differences: noise of the same rms where it is white, and nothing of what is smooth."""
    return frame.separable(images, FOURTH)


def check(seen: Measured) -> list[Finding]:
    return [*_noise_free(seen), *_clipped(seen), *_pedestal(seen), *_wrong(seen)]


def _noise_free(seen: Measured) -> list[Finding]:
    which = seen["noise_free"] & ~seen["coarse"]
    if not which.any():
        return []
    ratio = seen["fine"][which] / (seen["top"] - seen["level"])[which]
    return [
        finding(
            "noise_free",
            f"{which.mean():.0%} of the images have no noise: no telescope could have taken them",
            median_fine_noise_over_peak=float(np.median(ratio)),
            threshold=NOISE_FREE,
            **seen.who(which),
        )
    ]


def _clipped(seen: Measured) -> list[Finding]:
    cut = (seen["floor"] > FLOOR + _honest_floor(seen)) & ~seen["sky_constant"] & ~seen["coarse"]
    folded = (seen["skewness"] > RECTIFIED + _honest_skewness(seen)) & (seen["level"] > 0)
    which = (cut | folded) & (seen["negative"] < NEGATIVE) & ~seen["noise_free"]
    if which.mean() < HALF:
        return []
    return [
        finding(
            "clipped_sky",
            f"the sky of {which.mean():.0%} of the images is cut or folded at its lowest value",
            median_fraction_of_sky_at_floor=float(np.median(seen["floor"][which])),
            median_fraction_of_exact_zeros=float(np.median(seen["zeros"][which])),
            median_sky_skewness=float(np.median(seen["skewness"][which])),
            **seen.who(which),
        )
    ]


def _honest_floor(seen: Measured) -> Float[np.ndarray, " n"]:
    """The fraction of empty pixels in whole photon counts of this mean, e^-mean."""
    return np.where(seen["whole"], np.exp(-seen["sky_mean"].clip(0)), 0.0)


def _honest_skewness(seen: Measured) -> Float[np.ndarray, " n"]:
    """That of whole photon counts, mean^-1/2."""
    return np.where(seen["whole"], seen["sky_mean"].clip(0.01) ** -0.5, 0.0)


def _pedestal(seen: Measured) -> list[Finding]:
    noisy = ~seen["noise_free"] & (seen["rms"] > 0)
    ratio = np.where(noisy, seen["level"] / np.where(noisy, seen["rms"], 1.0), 0.0)
    which = np.abs(ratio) > PEDESTAL
    if which.mean() < HALF:
        return []
    return [
        finding(
            "pedestal",
            f"the sky lies {np.median(ratio[which]):.1f} times its rms from zero in {which.mean():.0%} of the images",
            median_level_over_rms=float(np.median(ratio[which])),
            threshold=PEDESTAL,
            **seen.who(which),
        )
    ]


def _wrong(seen: Measured) -> list[Finding]:
    if "noise" not in seen or "noise_known" not in seen:
        return []
    judged = seen["noise_known"] & ~seen["noise_free"] & (seen["noise"] > 0) & (seen["rms"] > 0) & ~seen["coarse"]
    ratio = np.where(judged, seen["rms"], 1.0) / np.where(judged, seen["noise"], 1.0)
    which = np.abs(np.log(ratio)) > np.log(WRONG)
    if which.mean() < HALF:
        return []
    middle = float(np.median(ratio[which]))
    return [
        finding(
            "noise_wrong",
            f"the measured sky rms is {middle:.3g} times the stated one in {which.mean():.0%} of the images",
            median_measured_over_stated=middle,
            threshold=WRONG,
            **seen.who(which),
        )
    ]
