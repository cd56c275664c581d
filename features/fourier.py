"""Fourier features: power by scale, and by order of rotational symmetry."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from features.geometry import angle, annulus, annulus_means, radius, whole_annuli


def log_power(images: Float[Tensor, "n h w"], *, sky_rms: float) -> Float[Tensor, "n h w"]:
    """log10(1 + P / P_sky): the two-dimensional power spectrum in units of that of the sky, zero frequency central.

    The image is apodised by a Hann window first, which keeps the frame's edges out of the spectrum. Phase, and with it
    every position, is lost; so is what the window darkens near the edges. The centre of the frame is frequency zero: on
    an odd axis a pixel, on an even one the edge between two, so that the spectrum turns exactly as its image does.
    """
    height, width = images.shape[1], images.shape[2]
    window = hann(height, images)[:, None] * hann(width, images)[None, :]
    shifted = images * window * half_step(height, images)[:, None] * half_step(width, images)[None, :]
    power = torch.fft.fft2(shifted).abs() ** 2
    white = (sky_rms**2 * window**2).sum()  # the power of uncorrelated sky noise at every frequency
    return torch.log10(1 + torch.fft.fftshift(power, dim=(1, 2)) / white)


def half_step(length: int, like: Tensor) -> Shaped[Tensor, " length"]:
    """What an axis is multiplied by for its frequencies to lie symmetrically about zero.

    Those of an even axis run from -length / 2 to length / 2 - 1; this moves them up by half a step.
    """
    if length % 2:
        return torch.ones(length, device=like.device, dtype=like.dtype)
    turns = torch.arange(length, device=like.device, dtype=like.dtype) / length
    return torch.polar(torch.ones_like(turns), -torch.pi * turns)


def hann(length: int, like: Tensor) -> Float[Tensor, " length"]:
    """A Hann window that no pixel of the frame zeroes, symmetric about the centre."""
    return torch.hann_window(length + 2, periodic=False, device=like.device, dtype=like.dtype)[1:-1]


def multipoles(
    images: Float[Tensor, "n h w"], orders: int = 4, width: float = 3.0
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Amplitudes of the azimuthal modes m = 1 ... `orders` in annuli `width` pixels wide, as far as they are whole.

    A_m(r) = 2 |<I exp(-i m phi)>| over an annulus, the amplitude of cos m(phi - phi_m) there; it does not change
    when the image turns. The modes' phases are lost, and so is the mean (m = 0): the radial profile is taken away
    first, because the pixels of an annulus do not cover its angles evenly and would show it as a mode.
    """
    if orders < 1:
        raise ValueError(f"orders: {orders} leaves no mode; ask for 1 or more")
    frame = images.shape[1], images.shape[2]
    rings, thin = annulus(*frame, width, images), annulus(*frame, min(1.0, width), images)
    uneven = images - annulus_means(images, thin)[:, thin]
    phi, off_centre = angle(*frame, images), radius(*frame, images) > 0  # the central pixel has no angle
    inside = whole_annuli(rings, width)
    amplitudes = []
    for order in range(1, orders + 1):
        cosine = annulus_means(uneven * torch.cos(order * phi) * off_centre, rings)[:, :inside]
        sine = annulus_means(uneven * torch.sin(order * phi) * off_centre, rings)[:, :inside]
        amplitudes.append(2 * (cosine**2 + sine**2).sqrt())
    names = [f"multipole_{order}_{ring}" for order in range(1, orders + 1) for ring in range(inside)]
    return torch.cat(amplitudes, dim=1), names
