"""Spectra: how much structure there is at each scale and direction, and where its crests lie.

The image is apodised by a Hann window first, which keeps the frame's edges out of the spectrum and darkens what lies
near them. Power is in units of that of the sky. The centre of the frame is frequency zero: on an odd axis a pixel, on
an even one the edge between two, so that the maps turn exactly as their image does.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from features.fourier.transform import hann, transform, white
from features.geometry import annulus, annulus_means
from features.geometry.constant import constant
from features.geometry.folds import unfold

NYQUIST = 0.5  # cycles per pixel
AT_ONCE = 16  # images whose transforms stay in a processor's cache
LIKE = torch.empty(0, dtype=torch.float64)


def log_power(images: Float[Tensor, "n h w"], *, sky_rms: float) -> Float[Tensor, "n h w"]:
    """log10(1 + P / P_sky): the two-dimensional power spectrum in units of that of the sky, zero frequency central.

    Phase, and with it every position, is lost; so is what the window darkens near the edges.
    """
    height, width = images.shape[1], images.shape[2]
    cc, ss, cs, sc = transform(images, white(height, width, sky_rms))
    same, opposite = (cc - ss) ** 2 + (sc + cs) ** 2, (cc + ss) ** 2 + (sc - cs) ** 2
    return unfold(torch.log10(1 + same), torch.log10(1 + opposite), height, width)


def phase(images: Float[Tensor, "n h w"], component: str = "cosine", *, sky_rms: float) -> Float[Tensor, "n h w"]:
    """Cosine or sine of the Fourier phase about the centre of the frame, from -1 to 1, zero frequency central.

    Re F / sqrt(|F|^2 + P_sky), or Im F: a frequency at which the sky drowns the image fades to zero instead of showing
    a phase at random. A wrapped angle would jump where it passes pi. Cosines are the same at f and -f, sines opposite.
    Power is lost but for that fading. Oppenheim & Lim 1981 (Proc. IEEE 69, 529): positions live in the phase.
    """
    if component not in ("cosine", "sine"):
        raise ValueError(f"component: no {component!r} of the phase; there are cosine, sine")
    height, width = images.shape[1], images.shape[2]
    cc, ss, cs, sc = transform(images, white(height, width, sky_rms))
    same = (1 + (cc - ss) ** 2 + (sc + cs) ** 2).rsqrt()
    opposite = (1 + (cc + ss) ** 2 + (sc - cs) ** 2).rsqrt()
    if component == "cosine":
        return unfold((cc - ss) * same, (cc + ss) * opposite, height, width)
    return unfold(-(sc + cs) * same, -(sc - cs) * opposite, height, width, sign=-1.0)


def power_spectrum(
    images: Float[Tensor, "n h w"], bins: int = 16, of: str = "image", log: bool = True, *, sky_rms: float
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Mean power in `bins` equal annuli of frequency from zero to Nyquist (1/2 cycle per pixel), lowest first.

    P(k) = <|FFT(W r)|^2> / (sky_rms^2 sum W^2), 1 for an empty sky, whose noise is not subtracted; as log10(1 + P), or
    with `log: false` as it is. `of` is what r is: the `image`, or the `residual` that its radial profile in annuli of a
    pixel leaves, which is what the power of substructure is sought in (Bayer et al. 2023, MNRAS 523, 1326; they
    subtract a lens model). Directions and phases are lost, and the corners beyond Nyquist.
    """
    height, width = images.shape[1], images.shape[2]
    if of not in ("image", "residual"):
        raise ValueError(f"of: no spectrum of {of!r}; there are image, residual")
    if not 1 <= bins <= min(height, width) // 2:
        room = f"a frame of {min(height, width)} pixels has room for {min(height, width) // 2}"
        raise ValueError(f"bins: {bins} annuli of frequency; {room}, and 1 is the least")
    if of == "residual":
        rings = annulus(height, width, 1.0, images)
        images = images - annulus_means(images, rings)[:, rings]
    window = constant(_window, height, width, like=images) / white(height, width, sky_rms)
    weights = constant(_annuli, height, width, bins, like=images)
    blocks = images.split(AT_ONCE) if images.device.type == "cpu" else [images]
    power = torch.cat([_parts(block * window).square() @ weights for block in blocks])
    return torch.log10(1 + power) if log else power, [f"power_spectrum_{i}" for i in range(bins)]


def _parts(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n q"]:
    """Real and imaginary parts of the half of the discrete Fourier transform that the other half repeats."""
    return torch.view_as_real(torch.fft.rfft2(images)).flatten(1)


def _window(height: int, width: int) -> Float[Tensor, "h w"]:
    return torch.outer(hann(height, LIKE), hann(width, LIKE))


def _annuli(height: int, width: int, bins: int) -> Float[Tensor, "q k"]:
    """Weights that take the squares of `_parts` to means over annuli of frequency."""
    rows, columns = torch.fft.fftfreq(height, dtype=torch.float64), torch.fft.rfftfreq(width, dtype=torch.float64)
    f = torch.hypot(rows[:, None], columns)
    repeated = (columns > 0) & (columns < NYQUIST)  # at -f, which is not among them
    inside = (f / NYQUIST * bins).floor()[:, :, None] == torch.arange(bins)
    weights = torch.where(repeated, 2.0, 1.0).double()[:, None] * inside
    return (weights / weights.sum(dim=(0, 1))).flatten(0, 1).repeat_interleave(2, dim=0)
