"""The light of the lensing galaxy as the search for the Einstein radius takes it away: a steadily falling, elliptical
profile about a centre of its own."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import ordered
from features.geometry import offsets
from features.ring.unwrap import ANGLES, STEP, angles, radii, stretch, unwrap

CORE = 0.1  # of the frame: how far from its middle the galaxy is looked for
ROUNDS = 2  # of improving centre and ellipse
QUANTILE = slice(16, 23)  # of the 64 angles, sorted: about 0.3, below most arcs
MODEL_ERROR = 0.02  # of the light: what subtracting it leaves at best
MOST_ELLIPTICAL = 0.5  # (1 - q) / (1 + q) along either direction
SLOPES = (0.003, 1.5, 48)  # of the logarithm of a profile, per pixel: least, most, how many


def core(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n 2"]:
    """Centroid (x, y) of the highest peak near the middle of the frame; of several alike, their middle."""
    y, x = offsets(images.shape[1], images.shape[2], images)
    near = torch.exp(-0.5 * ((x**2 + y**2) / (CORE * min(images.shape[1:])) ** 2) ** 2)
    light = images.clamp_min(0) * near
    sharp = (light / light.amax((1, 2), keepdim=True).clamp_min(_tiny(light))).square().square().square()
    moments = torch.stack([(sharp * x).sum((1, 2)), (sharp * y).sum((1, 2))], dim=1)
    return moments / sharp.sum((1, 2)).clamp_min(_tiny(light))[:, None]


def shape(images: Float[Tensor, "n h w"]) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
    """Centre and ellipse of the galaxy in images in units of the sky rms.

    On a grid that is off by a little, a profile f shows as harmonics: -f' dx cos(a) of the first order, -r f' e cos(2a)
    of the second. Each radius has its own estimate, and their weighted median moves the grid (after Jedrzejewski 1987,
    MNRAS 226, 747, who fits every isophote by itself). Where the profile does not fall, a radius has no say.
    """
    centre = core(images)
    ellipse = torch.zeros_like(centre)
    r = radii(min(images.shape[1:]), images)
    for _ in range(ROUNDS):
        unwrapped = unwrap(images, centre, ellipse)
        light = falling(unwrapped)
        fall = torch.zeros_like(light)
        fall[:, 1:-1] = (light[:, :-2] - light[:, 2:]) / (2 * STEP)
        weight = torch.where(light > 3, fall / _rms(light, ANGLES), 0)
        first, second = (_harmonic(unwrapped, m) / fall.clamp_min(1e-9)[..., None] for m in (1, 2))
        centre = centre + 0.8 * _weighted_median(first, weight).clamp(-1, 1)
        ellipse = ellipse + _weighted_median(second / r[:, None], weight * r).clamp(-0.15, 0.15)
        ellipse = ellipse.clamp(-MOST_ELLIPTICAL, MOST_ELLIPTICAL)
    return centre, ellipse


def falling(unwrapped: Float[Tensor, "n r a"]) -> Float[Tensor, "n r"]:
    """A low quantile over angle that never rises outwards nor falls below zero: no ring is in it, nor most arcs."""
    return (
        ordered(unwrapped.flatten(0, 1)).view_as(unwrapped)[:, :, QUANTILE].mean(-1).cummin(dim=1).values.clamp_min(0)
    )


def convex(light: Float[Tensor, "n r"], inner: float) -> Float[Tensor, "n r"]:
    """The lower convex hull of the logarithm of a profile beyond `inner` pixels: a ring's bump goes.

    A Sersic profile is convex in the logarithm if its index is above 1; one below 1 is cut too low.
    """
    r, floor = radii(light.shape[1], light), 0.5
    logarithm = light.clamp_min(floor).log()
    low, high, number = SLOPES
    slope = -torch.logspace(math.log10(low), math.log10(high), number, dtype=light.dtype, device=light.device)
    slope = torch.cat([slope, slope.new_zeros(1)])
    tangent = (logarithm[:, :, None] - slope * r[:, None])[:, r >= inner].amin(1)  # (n, slopes): where each supports
    hull = (tangent[:, None, :] + slope * r[:, None]).amax(2).exp()
    return torch.where((r >= inner) & (light > floor), torch.minimum(hull, light), light)


def without(
    unwrapped: Float[Tensor, "n r a"], light: Float[Tensor, "n r"], ellipse: Float[Tensor, "n 2"]
) -> Float[Tensor, "n r a"]:
    """What is above an elliptical profile, over its rms: of the sky (1), and of a share of the light itself."""
    r = radii(light.shape[1], light)
    at = ((r[:, None] / stretch(ellipse)[:, None, :]) / STEP - 0.5).clamp(0, len(r) - 1.001)
    below = at.floor().long()
    profile = light[:, :, None].expand_as(unwrapped)
    model = torch.lerp(profile.gather(1, below), profile.gather(1, below + 1), at - below)
    return (unwrapped - model) / _rms(model, 1)


def _rms(light: Tensor, samples: int) -> Tensor:
    """Of a mean of so many samples."""
    return torch.hypot(torch.full_like(light, samples**-0.5), MODEL_ERROR * light)


def _harmonic(unwrapped: Float[Tensor, "n r a"], m: int) -> Float[Tensor, "n r 2"]:
    """Cosine and sine amplitude of order m."""
    phi = angles(unwrapped)
    return unwrapped @ torch.stack([(m * phi).cos(), (m * phi).sin()], dim=1) * (2 / ANGLES)


def _weighted_median(values: Float[Tensor, "n r 2"], weights: Float[Tensor, "n r"]) -> Float[Tensor, "n 2"]:
    """Over radii; zero where nothing has weight."""
    ascending, order = values.sort(dim=1)
    mass = weights[:, :, None].expand_as(values).gather(1, order).cumsum(1)
    total = mass[:, -1:]
    half = (mass < total / 2).sum(1, keepdim=True).clamp_max(values.shape[1] - 1)
    return torch.where(total > 0, ascending.gather(1, half), 0)[:, 0]


def _tiny(like: Tensor) -> float:
    return torch.finfo(like.dtype).tiny
