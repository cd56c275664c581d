"""Fourier features: power by scale, and by order of rotational symmetry."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import angle, annulus, annulus_means


def log_power(images: Float[Tensor, "n h w"], *, sky_rms: float) -> Float[Tensor, "n h w"]:
    """log10(1 + P / P_sky): the two-dimensional power spectrum in units of that of the sky, zero frequency central.

    The image is apodised by a Hann window first, which keeps the frame's edges out of the spectrum. Phase, and with it
    every position, is lost; so is what the window darkens near the edges. Zero frequency stands at pixel
    (h // 2, w // 2), so that an odd frame turns with its image and an even one does to within one pixel.
    """
    window = hann(images.shape[1], images)[:, None] * hann(images.shape[2], images)[None, :]
    power = torch.fft.fft2(images * window).abs() ** 2
    white = (sky_rms**2 * window**2).sum()  # the power of uncorrelated sky noise at every frequency
    return torch.log10(1 + torch.fft.fftshift(power, dim=(1, 2)) / white)


def hann(length: int, like: Tensor) -> Float[Tensor, " length"]:
    """A Hann window that no pixel of the frame zeroes, symmetric about the centre."""
    return torch.hann_window(length + 2, periodic=False, device=like.device, dtype=like.dtype)[1:-1]


def multipoles(
    images: Float[Tensor, "n h w"], orders: int = 4, width: float = 3.0
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Amplitudes of the azimuthal modes m = 1 ... `orders` in annuli `width` pixels wide, inside the frame.

    A_m(r) = 2 |<I exp(-i m phi)>| over an annulus, the amplitude of cos m(phi - phi_m) there; it does not change
    when the image turns. The modes' phases are lost, and so is the mean (m = 0), which is the radial profile.
    """
    height, width_pixels = images.shape[1:]
    if orders < 1:
        raise ValueError(f"orders: {orders} leaves no mode; ask for 1 or more")
    rings = annulus(height, width_pixels, width, images)
    inside = max(1, math.floor(min(height, width_pixels) / 2 / width))
    phi = angle(height, width_pixels, images)
    columns, names = [], []
    for order in range(1, orders + 1):
        cosine = annulus_means(images * torch.cos(order * phi), rings)[:, :inside]
        sine = annulus_means(images * torch.sin(order * phi), rings)[:, :inside]
        columns.append(2 * (cosine**2 + sine**2).sqrt())
        names += [f"multipole_{order}_{i}" for i in range(inside)]
    return torch.cat(columns, dim=1), names
