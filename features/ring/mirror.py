"""Trial Einstein radii, judged by how well opposite sides of an image mirror each other about them.

An isothermal lens sends a point of the source at t from its centre to r = theta_E + t on that side and to theta_E - t
on the other. Surface brightness is conserved, so that along every line through the lens
I(theta_E + t, a) = I(theta_E - t, a + pi): the convolution of opposite radial profiles peaks at 2 theta_E, wherever
the source is, and to first order wherever we think the lens is. A lone bright arc, which pulls the peak of a radial
profile, has little weight here, for it has no mirror image.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from features.ring.unwrap import ANGLES, STEP

PAIRS = ANGLES // 2
SIGNIFICANT = 2.0  # sky rms
COMPRESSED = 3.0  # sky rms, beyond which flux counts by its logarithm
REGULAR = 0.01  # of the largest possible score: what is too faint to be judged scores nothing
SIDES = 0.3  # of the trial radius, to either side, in which light counts as on the ring
HALF = 0.3  # mean compressed flux at which an angle counts as half covered
TAPER = (0.65, 0.95)  # of the reach: neighbours begin to count less, and no longer count
LEAST = 1.5  # pixels
THINNED = 4  # trials
APART = 2  # trials: nearer, single precision would show


def compressed(signal: Float[Tensor, "n r a"]) -> Float[Tensor, "n r a"]:
    """Significant flux, faint and bright arcs alike: a bright one must not decide alone; nor a neighbour far out."""
    count = signal.shape[1]
    out = (torch.arange(count, dtype=signal.dtype, device=signal.device) + 0.5) / count
    kept = 1 - ((out - TAPER[0]) / (TAPER[1] - TAPER[0])).clamp(0, 1)
    return ((signal - SIGNIFICANT).clamp_min(0) / COMPRESSED).log1p() * kept[:, None]


def trials(flux: Float[Tensor, "n r a"]) -> Float[Tensor, " k"]:
    """Trial radii, pixels: half of every sum of two radii."""
    count = 2 * flux.shape[1]
    return (torch.arange(count, dtype=flux.dtype, device=flux.device) + 1) * (STEP / 2)


def mirrored(flux: Float[Tensor, "n r a"]) -> Float[Tensor, "n k p"]:
    """1 where two opposite profiles mirror each other about a trial radius, 0 where they have nothing in common.

    The sum over t of I+ I- over that of (I+^2 + I-^2) / 2, both weighted by the square root of the radii.
    """
    length = 2 * flux.shape[1]
    weight = (torch.arange(flux.shape[1], dtype=flux.dtype, device=flux.device) + 0.5).sqrt()[:, None]
    one, other = (weight * half for half in (flux[:, :, :PAIRS], flux[:, :, PAIRS:]))
    power = (one * flux[:, :, :PAIRS] + other * flux[:, :, PAIRS:]) / 2

    def spectrum(x: Tensor) -> Tensor:
        return torch.fft.rfft(x, n=length, dim=-2)

    common = torch.fft.irfft(spectrum(one) * spectrum(other), n=length, dim=-2)
    most = torch.fft.irfft(spectrum(power) * spectrum(weight), n=length, dim=-2)
    least = REGULAR * most.amax((1, 2), keepdim=True) + torch.finfo(flux.dtype).eps
    return common.clamp_min(0) / (most.clamp_min(0) + least)


def covered(flux: Float[Tensor, "n r a"]) -> Float[Tensor, "n k p"]:
    """How far each angle has light near a trial radius, 0 to 1; mean of opposite angles.

    It varies slowly, so that one trial in so many is computed and the others are interpolated.
    """
    trial = trials(flux)[::THINNED] * (1 / STEP)
    last = flux.shape[1]
    near = (trial * (1 - SIDES)).round().long().clamp_max(last - 1)
    far = (trial * (1 + SIDES)).round().long().clamp_max(last)
    far = torch.maximum(far, near + 1)
    inside = pad(flux.cumsum(1), (0, 0, 1, 0))  # (n, r + 1, a): the flux within each edge
    mean = (inside[:, far] - inside[:, near]) / (far - near)[:, None]
    cover = (mean / (mean + HALF)).unflatten(2, (2, PAIRS)).mean(2)
    return interpolate(cover.mT, size=2 * last, mode="linear", align_corners=True).mT


def highest(score: Float[Tensor, "n k"], trial: Float[Tensor, " k"], reach: float) -> Float[Tensor, " n"]:
    """The trial radius with the highest score, by a parabola through it and those `APART` trials away."""
    best = (score * ((trial > LEAST) & (trial < reach))).argmax(1, keepdim=True).clamp(APART, len(trial) - 1 - APART)
    before, top, after = (score.gather(1, best + i)[:, 0] for i in (-APART, 0, APART))
    bend = (before - 2 * top + after).clamp_max(-torch.finfo(score.dtype).eps)
    return trial[best[:, 0]] + ((before - after) / (2 * bend)).clamp(-1, 1) * (APART * STEP / 2)
