"""Stretches whose scale is each image's own: how people look at images, and what they lose by training on them.

Each maps an image onto 0 ... 1 by limits found in it, so that its flux, and with it mass, is gone, and so is the
level of its noise. They are declared `per_image` in the table, are in no default recipe, and are here to be compared.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from features.filters import ordered, plain, sorted_quantile
from features.stretch.arcsinh import BLOCK, of_positive_

Images = Float[Tensor, "n h w"]
Limits = Float[Tensor, " n"]

REJECTED, ITERATIONS, FRACTION = 2.5, 5, 0.5  # of IRAF's zscale: sigma, rounds, pixels that must be left
LEFT, GROWN = 5, 0.01  # likewise: pixels that must be left, at least; how far a rejection spreads, of all pixels


def minmax(images: Float[Tensor, "n h w"], knee: float = 0.0) -> Float[Tensor, "n h w"]:
    """The image between its own minimum, 0, and its own maximum, 1; with `knee` a > 0, arcsinh(x / a) / arcsinh(1 / a)
    of that, astropy's AsinhStretch.

    The maximum is one pixel's, noise and all: the faintest lens is as bright as the brightest.
    """
    if not 0 <= knee < float("inf"):
        raise ValueError(f"knee: {knee:g} of the brightest pixel; it must be above zero, or zero for no arcsinh")
    if not plain(images):
        scaled = between(images, images.flatten(1).amin(dim=1), images.flatten(1).amax(dim=1))
        return scaled if knee == 0 else torch.asinh(scaled / knee) / _arcsinh(1 / knee)
    made = torch.empty_like(images, memory_format=torch.contiguous_format)
    at_a_time = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    for block, out in zip(images.split(at_a_time), made.split(at_a_time), strict=True):
        _minmax_into(out, block, knee)
    return made


def percentile_clip(images: Float[Tensor, "n h w"], low: float = 1.0, high: float = 99.0) -> Float[Tensor, "n h w"]:
    """The image between its own percentiles, `low` at 0 and `high` at 1; what lies beyond is cut off.

    That is the sky's lowest pixels and the brightest of the galaxy and its arcs. A percentile between two pixels is
    interpolated linearly.
    """
    if not 0 <= low < high <= 100:
        raise ValueError(f"low: {low:g}, with high: {high:g}; percentiles are 0 <= low < high <= 100")
    ascending = ordered(images.flatten(1))
    return between(images, sorted_quantile(ascending, low / 100), sorted_quantile(ascending, high / 100)).clamp(0, 1)


def zscale(images: Float[Tensor, "n h w"], contrast: float = 0.25) -> Float[Tensor, "n h w"]:
    """The image between IRAF's zscale limits, 0 and 1; what lies beyond, most of a bright galaxy, is cut off.

    A line is fitted to the sorted pixels, those far from it rejected, and the limits are where the line, 1 / `contrast`
    times as steep, reaches the ends. IRAF samples every so many-th pixel; we take all of them, which turns with the
    image, so astropy's ZScaleInterval with as many samples as pixels is the same.
    """
    if not 0 < contrast <= 1:
        raise ValueError(f"contrast: {contrast:g} must be above zero and at most 1")
    ascending = ordered(
        images.flatten(1)
    ).double()  # or a pixel near the threshold falls otherwise in another precision
    low, high = _zscale_limits(ascending, contrast)
    return between(images.double(), low, high).clamp(0, 1).to(images.dtype)


def clahe(images: Float[Tensor, "n h w"], tiles: int = 4, clip: float = 2.0, bins: int = 64) -> Float[Tensor, "n h w"]:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994, Graphics Gems IV, 474) of the min-max image.

    Each pixel becomes its rank among the pixels about it: the histogram of `tiles` x `tiles` tiles, no bin of which
    counts for more than `clip` times the mean (what is above is spread over all), bilinear between their centres. The
    order of brightness is lost between places, and every ratio.

    A pixel that two tiles share counts in each by its area, and a grey level is interpolated within its bin: then it
    turns with its image, which OpenCV's and scikit-image's do not.
    """
    if not 1 <= tiles <= min(images.shape[1:]):
        raise ValueError(
            f"tiles: {tiles} along a side of {min(images.shape[1:])} pixels; from 1 to as many as there are"
        )
    if not clip >= 1:
        raise ValueError(f"clip: {clip:g} times the mean of the bins; it must be at least 1")
    if not bins >= 2:
        raise ValueError(f"bins: {bins} grey levels; there must be at least 2")
    # in float64, so that a pixel on an edge of a bin falls the same way in every precision
    grey = bins * minmax(images.double())
    level = grey.detach().floor().clamp(0, bins - 1).nan_to_num(0).long()
    ranks = _clipped_ranks(level, tiles, clip, bins).flatten(1)
    rows, columns = _nearest(images.shape[1], tiles, images), _nearest(images.shape[2], tiles, images)
    made = torch.zeros_like(grey)
    for tile_row, row_weight in rows:
        for tile_column, column_weight in columns:
            at = (tile_row[:, None] * tiles + tile_column) * (bins + 1) + level  # (n, h, w)
            below, above = (ranks.gather(1, (at + step).flatten(1)).view_as(grey) for step in (0, 1))
            made = made + row_weight[:, None] * column_weight * torch.lerp(below, above, grey - level)
    return made.to(images.dtype)


def between(images: Images, low: Limits, high: Limits) -> Images:
    """Images with `low` at 0 and `high` at 1; where these are one, the image less that."""
    return (images - low[:, None, None]) / _span(low, high)[:, None, None]


def _span(low: Limits, high: Limits) -> Limits:
    return torch.where(high > low, high - low, 1)


def _minmax_into(out: Images, images: Images, knee: float) -> None:
    flat = images.flatten(1)
    low, high = flat.amin(dim=1), flat.amax(dim=1)  # aminmax takes ten times as long
    torch.sub(images, low[:, None, None], out=out)
    out.div_(_span(low, high)[:, None, None] * (knee or 1))
    if knee:
        of_positive_(out).div_(_arcsinh(1 / knee))


def _arcsinh(value: float) -> float:
    return float(torch.asinh(torch.tensor(value, dtype=torch.float64)))


def _zscale_limits(ascending: Float[Tensor, "n p"], contrast: float) -> tuple[Limits, Limits]:
    pixels = ascending.shape[1]
    enough = max(LEFT, int(pixels * FRACTION))
    slope, good = _robust_slope(ascending, enough)
    steep = slope / contrast
    middle = (pixels - 1) // 2
    median = (ascending[:, middle] + ascending[:, pixels // 2]) / 2
    lowest, highest = ascending[:, 0], ascending[:, -1]
    low = torch.maximum(lowest, median - (middle - 1) * steep)
    high = torch.minimum(highest, median + (pixels - middle) * steep)
    return torch.where(good >= enough, low, lowest), torch.where(good >= enough, high, highest)


def _robust_slope(ascending: Float[Tensor, "n p"], enough: int) -> tuple[Limits, Int[Tensor, " n"]]:
    """Slope per pixel of a line through the sorted pixels, and how many of them it was fitted to in the end."""
    kept = torch.ones_like(ascending, dtype=torch.bool)
    good = kept.sum(dim=1)
    before, slope = good + 1, torch.zeros_like(ascending[:, 0])
    for _ in range(ITERATIONS):
        going = (good < before) & (good >= enough)
        tilt, flat = _line(ascending, kept)
        spread = ((flat.square() * kept).sum(dim=1) / kept.sum(dim=1).clamp_min(1)).sqrt()
        near = _shrunk(kept & (flat.abs() <= REJECTED * spread[:, None]))
        slope = torch.where(going, tilt, slope)
        kept = torch.where(going[:, None], near, kept)
        before, good = torch.where(going, good, before), kept.sum(dim=1)
    return slope, good


def _line(values: Float[Tensor, "n p"], kept: Tensor) -> tuple[Limits, Float[Tensor, "n p"]]:
    """Slope of the least-squares line through those kept, and all values less the line."""
    x = torch.arange(values.shape[1], device=values.device, dtype=values.dtype)
    number = kept.sum(dim=1, keepdim=True).clamp_min(1)
    off = x - (kept * x).sum(dim=1, keepdim=True) / number
    rise = values - (kept * values).sum(dim=1, keepdim=True) / number
    slope = (kept * off * rise).sum(dim=1) / (kept * off.square()).sum(dim=1).clamp_min(1)
    return slope, rise - slope[:, None] * off


def _shrunk(kept: Tensor) -> Tensor:
    """Those kept that have none rejected near them, in the window that NumPy's convolve(..., "same") takes."""
    pixels = kept.shape[1]
    grown = max(1, int(pixels * GROWN))
    rejected = torch.nn.functional.pad((~kept).long(), (grown // 2 + 1, (grown - 1) // 2)).cumsum(dim=1)
    return rejected[:, grown:] == rejected[:, :pixels]


def _clipped_ranks(level: Int[Tensor, "n h w"], tiles: int, clip: float, bins: int) -> Float[Tensor, "n t l"]:
    """Of every tile, the fraction of its pixels below each edge of a bin, from 0 to 1."""
    height, width = level.shape[1:]
    counts = torch.zeros_like(level[:, :1, :1], dtype=torch.float64).expand(-1, tiles * tiles, bins).flatten(1)
    for tile_row, row_share in _shares(height, tiles, level):
        for tile_column, column_share in _shares(width, tiles, level):
            bin_of = (tile_row[:, None] * tiles + tile_column) * bins + level
            share = (row_share[:, None] * column_share).expand_as(bin_of)
            counts = counts.scatter_add(1, bin_of.flatten(1), share.flatten(1))
    counts = counts.unflatten(1, (tiles * tiles, bins))
    area = height * width / tiles**2
    limit = clip * area / bins
    excess = (counts - limit).clamp_min(0).sum(dim=2, keepdim=True)
    below = (counts.clamp_max(limit) + excess / bins).cumsum(dim=2) / area
    return torch.nn.functional.pad(below, (1, 0))


Pairs = list[tuple[Int[Tensor, " p"], Float[Tensor, " p"]]]


def _shares(length: int, tiles: int, like: Tensor) -> Pairs:
    """The two tiles along an axis that each pixel lies in, and how much of it in each; in integers, so exactly."""
    start = torch.arange(length, device=like.device) * tiles  # in units of which a tile has `length`, a pixel `tiles`
    first = start // length
    share = ((first + 1) * length - start).clamp_max(tiles).double() / tiles
    return [(first, share), ((first + 1).clamp_max(tiles - 1), 1 - share)]


def _nearest(length: int, tiles: int, like: Tensor) -> Pairs:
    """The two tiles along an axis whose centres each pixel lies between, and their linear weights."""
    position = (2 * torch.arange(length, device=like.device) + 1) * tiles - length  # 2 `length` from centre to centre
    first = torch.div(position, 2 * length, rounding_mode="floor")
    weight = (position - first * 2 * length).double() / (2 * length)
    return [(first.clamp_min(0), 1 - weight), ((first + 1).clamp_max(tiles - 1), weight)]
