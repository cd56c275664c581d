"""Scattering: how much structure there is at each scale, and what in turn modulates it, without where it is.

A wavelet transform loses no phase and a power spectrum all of it. The modulus of a wavelet transform keeps where there
is structure of a scale; its mean is a coefficient of the first order, and the mean modulus of its own wavelet transform
one of the second (Mallat 2012, Commun. Pure Appl. Math. 65, 1331; Bruna & Mallat 2013, IEEE TPAMI 35, 1872; of lensing
maps: Cheng, Ting, Menard & Bruna 2020, MNRAS 499, 5902).
"""

import math

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from features.filters import plain, remembered

BLOCK = 1 << 16  # pixels at a time: their wavelet transforms stay in cache
ALIASES = range(-2, 3)  # periods of the spectrum on either side of it that reach into it


def scattering(
    images: Float[Tensor, "n h w"], scales: int = 3, angles: int = 4, oriented: bool = False, edges: str = "mirror"
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Scattering coefficients of orders 0, 1 and 2: means over the frame.

    S0 is the mean of the image I; S1[j, l] that of |I * psi_jl|, and S2[j, j', l, l'] with j < j' that of
    ||I * psi_jl| * psi_j'l'|. psi_jl is a Morlet wavelet 2^j times as large as the finest and turned by l pi / `angles`
    from the rows, with kymatio's shape: an envelope of 0.8 x 2^j pixels, 4 / `angles` as wide along its wave, of
    3 pi / 4 / 2^j radians a pixel, as across it. Their low-pass filter is here the frame.

    S1 is averaged over l, and S2 over the pairs with one angle d = 0 ... `angles` / 2 between them: so neither changes
    when the image turns or is mirrored. `oriented` keeps the directions, and all of them.

    The frame is continued by its mirror image over 2^`scales` pixels; with `edges` `periodic` its left edge joins its
    right, a step that every coefficient sees unless the light has faded to the sky there.
    """
    _check(images, scales, angles, edges)
    margin = 2**scales if edges == "mirror" else 0
    at_a_time = max(1, BLOCK // (images.shape[1] + 2 * margin) ** 2) if plain(images) else len(images)
    parts = [_coefficients(block, scales, angles, margin) for block in images.split(max(1, at_a_time))]
    zeroth, first, second = (torch.cat(orders) for orders in zip(*parts, strict=True))
    if not oriented:
        first, second = first.mean(dim=2, keepdim=True), _by_turn(second)
    names = ["scattering_0"]
    names += [_name(1, j, *angle) for j in range(scales) for angle in _indices(first.shape[2:], oriented)]
    pairs = _pairs(scales)
    names += [_name(2, *pair, *angle) for pair in pairs for angle in _indices(second.shape[2:], True)]
    return torch.cat([zeroth[:, None], first.flatten(1), second.flatten(1)], dim=1), names


def _coefficients(
    images: Float[Tensor, "n h w"], scales: int, angles: int, margin: int
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n j l"], Float[Tensor, "n q l l"]]:
    """Orders 0, 1 and 2, of the second the pairs of scales one after another."""
    height, width = images.shape[1:]
    frame = (slice(None),) * 2 + (slice(margin, margin + height), slice(margin, margin + width))
    continued = pad(images, (margin,) * 4, mode="reflect")
    bank = morlets(continued.shape[1], continued.shape[2], scales, angles).to(images)  # (j, l, h, w)
    spectrum = torch.fft.fft2(continued)[:, None]
    first, second = [], []
    for j in range(scales):
        strength = torch.fft.ifft2(spectrum * bank[j]).abs()  # (n, l, h, w)
        first.append(strength[frame].mean(dim=(2, 3)))
        second += _modulations(torch.fft.fft2(strength), bank[j + 1 :], frame)
    none = images.new_zeros(len(images), 0, angles, angles)
    return images.mean(dim=(1, 2)), torch.stack(first, dim=1), torch.stack(second, dim=1) if second else none


def _modulations(
    spectra: Complex[Tensor, "n l h w"], bank: Float[Tensor, "j l h w"], frame: tuple[slice, ...]
) -> list[Float[Tensor, "n l l"]]:
    """Mean modulus of every angle of a scale in every angle of each coarser one."""
    angles = range(spectra.shape[1])
    return [
        torch.stack(
            [torch.fft.ifft2(spectra[:, angle, None] * coarser).abs()[frame].mean(dim=(2, 3)) for angle in angles],
            dim=1,
        )
        for coarser in bank
    ]


@remembered
def morlets(height: int, width: int, scales: int, angles: int) -> Float[Tensor, "j l h w"]:
    """The wavelets of `scattering` at the frequencies of a frame, where they are real; of mean zero.

    A Gaussian about its wave, less as much of one about zero as its mean takes; periods of the spectrum are added up,
    as if it had been sampled at pixels.
    """
    wavelets = [
        [_morlet(height, width, 0.8 * 2**j, 0.75 * np.pi / 2**j, np.pi * turn / angles, 4 / angles)
         for turn in range(angles)]
        for j in range(scales)
    ]  # fmt: skip
    return torch.from_numpy(np.array(wavelets))


def _morlet(height: int, width: int, envelope: float, wave: float, angle: float, slant: float) -> np.ndarray:
    along = _spectrum(height, width, envelope, wave, angle, slant)
    low = _spectrum(height, width, envelope, 0.0, angle, slant)
    return along - along[0, 0] / low[0, 0] * low


def _spectrum(height: int, width: int, envelope: float, wave: float, angle: float, slant: float) -> np.ndarray:
    """Of a Gaussian of sum 1 times exp(i `wave` u), u along `angle`; `envelope` wide in u, 1 / `slant` of it across."""
    total = np.zeros((height, width))
    cosine, sine = math.cos(angle), math.sin(angle)
    for period_y in ALIASES:
        for period_x in ALIASES:
            y = 2 * np.pi * (np.fft.fftfreq(height)[:, None] + period_y)
            x = 2 * np.pi * (np.fft.fftfreq(width)[None, :] + period_x)
            along, across = x * cosine + y * sine - wave, y * cosine - x * sine
            total += np.exp(-((envelope * along) ** 2 + (envelope / slant * across) ** 2) / 2)
    return total


def _by_turn(second: Float[Tensor, "n q l l"]) -> Float[Tensor, "n q d"]:
    """Means over the pairs of directions that lie one angle apart, either way round."""
    angles = second.shape[3]
    apart = (torch.arange(angles)[None, :] - torch.arange(angles)[:, None]) % angles
    apart = torch.minimum(apart, angles - apart).to(second.device)
    means = [(second * (apart == turn)).sum(dim=(2, 3)) / (apart == turn).sum() for turn in range(angles // 2 + 1)]
    return torch.stack(means, dim=2)


def _pairs(scales: int) -> list[tuple[int, int]]:
    return [(fine, coarse) for fine in range(scales) for coarse in range(fine + 1, scales)]


def _indices(shape: torch.Size, oriented: bool) -> list[tuple[int, ...]]:
    """Every index of the angles of a coefficient, in order; none where they were averaged away."""
    return [tuple(int(i) for i in index) for index in np.ndindex(*shape)] if oriented else [()]


def _name(order: int, *index: int) -> str:
    return "_".join(map(str, ("scattering", order, *index)))


def _check(images: Float[Tensor, "n h w"], scales: int, angles: int, edges: str) -> None:
    side = min(images.shape[1:])
    if not 1 <= scales <= side or not 2**scales < side:
        raise ValueError(f"scales: {scales} of a frame of {side} pixels; it must be 1 or more, and 2^scales below that")
    if angles < 2 or angles % 2:
        raise ValueError(f"angles: {angles}; an even number, or a quarter turn would not take one to another")
    if edges not in ("mirror", "periodic"):
        raise ValueError(f"edges: no continuation {edges!r}; there are mirror, periodic")
