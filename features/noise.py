"""Noise features: what a pixel's noise is expected to be, and how far its light stands above it."""

from jaxtyping import Float
from torch import Tensor


def noise_map(images: Float[Tensor, "n h w"], *, sky_rms: float, electrons: float) -> Float[Tensor, "n h w"]:
    """Expected rms of the noise of every pixel, in the image's units: sqrt(sky_rms^2 + max(x, 0) / electrons).

    Sky, read-out and dark current are in `sky_rms`; the photons of the lens itself add their own, in which the noisy
    pixel x stands for its expectation: bright pixels are about right, those near the sky are scattered. What a pixel
    below zero holds is lost, and every sign with it.
    """
    return (images.clamp_min(0) / electrons + sky_rms**2).sqrt()


def signal_to_noise(images: Float[Tensor, "n h w"], *, sky_rms: float, electrons: float) -> Float[Tensor, "n h w"]:
    """Every pixel in units of its own noise, x / `noise_map`. Nothing is lost: it grows wherever x does.

    An empty sky is at rms 1; a source is compressed like its square root where its photons outnumber the sky's.
    """
    return images / noise_map(images, sky_rms=sky_rms, electrons=electrons)
