"""Radial features: the round part of an image, and the image without it.

A galaxy-scale lens is a nearly round galaxy with arcs near its Einstein radius. The mean over angle keeps the galaxy
and dilutes the arcs; what is left keeps the arcs. The annuli of a vector are those that the frame holds whole, centre
first; `axis_ratio` and `angle` (of the long axis, radians from columns to rows) make them ellipses of the same area.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from features.filters import unseen
from features.geometry import (
    annulus,
    annulus_areas,
    between_annuli,
    in_annuli,
    in_whole_annuli,
    ring_means,
)

CLIP, ROUNDS = 3.0, 5  # standard deviations from the median, and how often: the defaults of astropy's sigma_clip


def radial_profile(
    images: Float[Tensor, "n h w"],
    width: float = 1.0,
    statistic: str = "mean",
    quantile: float = 0.3,
    axis_ratio: float = 1.0,
    angle: float = 0.0,
) -> tuple[Float[Tensor, "n r"], list[str]]:
    """Surface brightness in annuli `width` pixels wide, per pixel; whatever depends on angle is lost.

    `mean` shares every pixel out among annuli by its area in each, exactly. The others take a pixel where its centre
    is: `median`; `quantile`, a low one being the galaxy under an arc; `sigma_clipped`, the mean without pixels more
    than three standard deviations from the median, clipped up to five times.
    """
    if statistic not in STATISTICS:
        raise ValueError(f"statistic: no {statistic!r}; there are {', '.join(STATISTICS)}")
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile: {quantile:g} is no fraction of the pixels; it must be between 0 and 1")
    profile = STATISTICS[statistic](images, quantile, (width, axis_ratio, angle))
    return profile, _names("radial_profile", profile)


def radial_residual(images: Float[Tensor, "n h w"], width: float = 1.0) -> Float[Tensor, "n h w"]:
    """Image minus its mean over annuli, a pixel belonging to that of its centre: whatever is not round.

    Arcs and clumps stay and the galaxy goes; so does a complete ring, which is round too (`ridge` keeps it). Of a steep
    galaxy the slope within each annulus stays, as a faint grid. The numerator of the normalising radial gradient
    filter (Morgan, Habbal & Woo 2006, Sol. Phys. 236, 263).
    """
    height, frame_width = images.shape[1:]
    rings = annulus(height, frame_width, width, images).flatten()
    return images - ring_means(images, width).index_select(1, rings).view_as(images)


def radial_scatter(
    images: Float[Tensor, "n h w"], width: float = 1.0, axis_ratio: float = 1.0, angle: float = 0.0, *, sky_rms: float
) -> tuple[Float[Tensor, "n r"], list[str]]:
    """Rms of an image about its radial profile in every annulus, without the noise of the sky.

    sqrt(max(0, <(I - mu)^2> - sky_rms^2)), mu the mean profile as a line between the middles of annuli, so that the
    slope of a galaxy is not scatter. Arcs are, by how unevenly they go round; which way is lost. Photon noise of the
    galaxy stays in, and so few pixels make the innermost means that scatter there is understated.
    """
    shape = (width, axis_ratio, angle)
    sums = in_whole_annuli(images, *shape)
    flux = sums(images)
    areas = annulus_areas(flux.shape[1], width, images)
    inner, outer, fraction = between_annuli(images, *shape)
    profile = flux / areas
    round_part = torch.lerp(profile.index_select(1, inner), profile.index_select(1, outer), fraction)
    variance = sums((images - round_part.view_as(images)).square()) / areas - sky_rms**2
    seen = variance > 0
    scatter = torch.where(seen, variance, 1).sqrt() * seen  # a root has no derivative at zero
    return scatter, _names("radial_scatter", scatter)


def radial_gradient(
    images: Float[Tensor, "n h w"],
    width: float = 1.0,
    window: int = 5,
    order: int = 2,
    softening: float = 1.0,
    *,
    sky_rms: float,
) -> tuple[Float[Tensor, "n r"], list[str]]:
    """d ln mu / d ln r of the radial profile mu: -2 where light falls as 1 / r^2, 0 of an empty sky.

    The logarithm is arcsinh(mu / 2b), with b = `softening` x `sky_rms`: ln(mu / b) far above b, finite for any
    sky. Its derivative is that of a polynomial of this `order` fitted to `window` annuli (Savitzky & Golay 1964,
    Anal. Chem. 36, 1627), at the ends to the first and the last of them. Brightness is lost down to b, where slopes
    flatten.
    """
    if not softening > 0:
        raise ValueError(f"softening: {softening:g} must be above zero")
    profile = _means(images, (width, 1.0, 0.0))
    number = profile.shape[1]
    radii = width * (torch.arange(number, device=images.device, dtype=images.dtype) + 0.5)
    slope = (
        torch.asinh(profile / (2 * softening * sky_rms))
        @ _derivative(number, window, order, images.dtype, images.device)
        / width
    )
    return radii * slope, _names("radial_gradient", profile)


def curve_of_growth(
    images: Float[Tensor, "n h w"], width: float = 1.0, axis_ratio: float = 1.0, angle: float = 0.0
) -> tuple[Float[Tensor, "n r"], list[str]]:
    """Flux within the outer edge of every annulus, a pixel counting by its area within. Angles are lost."""
    growth = in_whole_annuli(images, width, axis_ratio, angle)(images).cumsum(dim=1)
    return growth, _names("curve_of_growth", growth)


def radii(images: Float[Tensor, "n h w"], width: float = 1.0) -> tuple[Float[Tensor, "n k"], list[str]]:
    """Radii of circles with 20, 50 and 80 per cent of the flux, pixels, and the concentration 5 log10(r80 / r20).

    The whole is the flux of the largest circle of whole annuli: light beyond it, and a sky that is not zero, are not
    known. Between edges of annuli light is spread evenly; the innermost crossing counts. Without flux all are zero.
    Concentration after Kent 1985, ApJS 59, 115, and Conselice 2003, ApJS 147, 1.
    """
    growth = in_whole_annuli(images, width)(images).double().cumsum(dim=1)  # in single precision crossings would jump
    total = growth[:, -1:]
    lit = total != 0
    share = torch.nn.functional.pad(growth / torch.where(lit, total, 1), (1, 0))  # from 0 at the centre to 1
    r20, r50, r80 = (_crossing(share, part) for part in (0.2, 0.5, 0.8))
    concentration = 5 * torch.log10(r80 / r20)
    found = torch.cat([width * r20, width * r50, width * r80, concentration], dim=1)
    return torch.where(lit, found, 0).to(images.dtype), ["radii_20", "radii_50", "radii_80", "radii_concentration"]


def _crossing(share: Float[Tensor, "n e"], part: float) -> Float[Tensor, "n 1"]:
    """Where a curve of growth, given at edges 0, 1, 2, ... of annuli, first reaches a part of the flux."""
    outer = (share[:, 1:] >= part).int().argmax(dim=1, keepdim=True) + 1
    below, above = share.gather(1, outer - 1), share.gather(1, outer)
    fraction = (part - below) / torch.where(above > below, above - below, 1)
    return ((outer - 1) ** 2 + fraction * (2 * outer - 1)).sqrt()


Shape = tuple[float, float, float]  # width, axis ratio, angle


def _names(feature: str, values: Float[Tensor, "n r"]) -> list[str]:
    return [f"{feature}_{ring}" for ring in range(values.shape[1])]


def _means(images: Float[Tensor, "n h w"], shape: Shape) -> Float[Tensor, "n r"]:
    sums = in_whole_annuli(images, *shape)(images)
    return sums / annulus_areas(sums.shape[1], shape[0], images)


def _quantiles(images: Float[Tensor, "n h w"], quantile: float, shape: Shape) -> Float[Tensor, "n r"]:
    values, numbers = in_annuli(images, *shape)
    return _between(values, (quantile * (numbers - 1).double()).expand(values.shape[:2]))


def _between(ascending: Float[Tensor, "n r m"], place: Float[Tensor, "n r"]) -> Float[Tensor, "n r"]:
    """The value at a place that may lie between two values."""
    at = torch.stack([place.floor(), place.ceil()], dim=2).long()
    lower, upper = ascending.gather(2, at).unbind(dim=2)
    return lower + (place - place.floor()).to(lower.dtype) * (upper - lower)


def _clipped_means(images: Float[Tensor, "n h w"], shape: Shape) -> Float[Tensor, "n r"]:
    values, numbers = in_annuli(images, *shape)
    kept = (torch.arange(values.shape[2], device=images.device) < numbers[:, None]).expand(values.shape)
    values = values.masked_fill(~kept, 0).double()  # whether a pixel is clipped should not depend on its precision
    for _ in range(ROUNDS):
        first, number = kept.int().argmax(dim=2), kept.sum(dim=2)  # kept ones are neighbours: only ends are cut
        median = _between(values, (first + (number - 1) / 2).clamp_min(0))[..., None]
        spread = _mean_of((values - _mean_of(values, kept)[..., None]).square(), kept).sqrt()[..., None]
        kept = kept & ((values - median).abs() <= CLIP * spread)
    return _mean_of(values, kept).to(images.dtype)


def _mean_of(values: Float[Tensor, "n r m"], kept: Bool[Tensor, "n r m"]) -> Float[Tensor, "n r"]:
    return (values * kept).sum(dim=2) / kept.sum(dim=2)


@unseen
def _derivative(number: int, window: int, order: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "r r"]:
    return torch.from_numpy(_savitzky_golay(number, window, order)).to(device, dtype)


@lru_cache(maxsize=16)
def _savitzky_golay(number: int, window: int, order: int) -> Float[np.ndarray, "r r"]:
    """What the derivative at each of `number` places (second axis) takes from the value at each (first)."""
    if not (window % 2 == 1 and window > order >= 1):
        raise ValueError(
            f"window: {window} annuli; it must be odd and hold more than the order, {order}, itself 1 or more"
        )
    if window > number:
        raise ValueError(f"window: {window} annuli; the frame holds {number} whole")
    takes = np.zeros((number, number))
    for place in range(number):
        first = min(max(place - window // 2, 0), number - window)
        powers = np.vander(np.arange(first, first + window) - place, order + 1, increasing=True)
        takes[first : first + window, place] = np.linalg.pinv(powers)[1]
    return takes


Statistic = Callable[[Tensor, float, Shape], Tensor]

STATISTICS: dict[str, Statistic] = {
    "mean": lambda images, quantile, shape: _means(images, shape),
    "median": lambda images, quantile, shape: _quantiles(images, 0.5, shape),
    "quantile": _quantiles,
    "sigma_clipped": lambda images, quantile, shape: _clipped_means(images, shape),
}
